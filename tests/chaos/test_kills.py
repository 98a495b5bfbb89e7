"""Workers are killed and frozen at random while runs go through: nothing is lost, doubled, wrong or stuck. And the same
harness must catch a build whose fence is switched off, else it proves nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.chaos.house import ROOT


def kills(*arguments: str, of: str = "kills") -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", f"tests.chaos.{of}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.stdout.strip(), done.stderr[-3000:]
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])


def test_10_kills_lose_and_double_nothing():
    code, answer = kills("R1", "--count", "10", "--seed", "1")

    print(answer)
    assert answer["injected"]["kill"] >= 10
    assert answer["wrong"] == []
    assert answer["statuses"] == {"completed": answer["runs"]}
    assert code == 0


@pytest.mark.long
def test_a_build_without_the_fence_is_caught():
    caught = []
    for seed in ("1", "2", "3", "4"):
        code, answer = kills("R1", "--count", "4", "--seed", seed, "--mutant", "no_fence")
        caught += answer["wrong"]
        if caught:
            assert code == 1
            return
    raise AssertionError("four runs without a fence, and the harness saw nothing wrong")


def test_12_kills_over_60_batches_lose_and_double_no_row():
    code, answer = kills("--batches", "60", "--kills", "12", "--seed", "1", of="batch_kills")

    print(answer)
    assert answer["kills"] == 12
    assert answer["statuses"] == {"success": 54, "failed": 6}
    assert answer["wrong"] == []
    assert code == 0


@pytest.mark.long
def test_a_build_that_forgets_the_load_of_a_broken_publish_is_caught():
    for seed in ("1", "2", "3"):
        code, answer = kills(
            "--batches", "80", "--kills", "20", "--seed", seed, "--mutant", "new_load", of="batch_kills"
        )
        if answer["wrong"]:
            assert code == 1
            return
    raise AssertionError("three times a load was forgotten, and the harness saw nothing wrong")
