"""A short sample of the scenarios, and of the builds that they must catch; `make chaos` plays them in full."""

import subprocess
import sys

import pytest
from django.db import connection  # noqa: F401 - for the condition below

from tests.chaos import points, verbs
from tests.chaos.house import ROOT
from tests.chaos.plans import PLANS
from tests.chaos.scenario import NONE, Answer, Options, line_of

races = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer at a time: nothing to race"),
]


class TestVerbsAtOnce:
    pytestmark = races

    def test_of_many_cancels_one_moves_the_run(self):
        assert verbs.cancels(1, mutant=False, callers=40).wrong == []

    def test_a_cancel_that_reads_and_saves_is_caught(self):
        assert verbs.cancels(1, mutant=True, callers=40).wrong != []

    def test_of_many_retries_one_makes_a_run(self):
        assert verbs.retries(2, mutant=False).wrong == []

    def test_a_phase_opens_once_when_its_tasks_end_together(self):
        assert verbs.fan_in(4, mutant=False).wrong == []

    def test_counting_what_is_left_is_caught(self):
        assert verbs.fan_in(12, mutant=True).wrong != []


def test_every_scenario_has_a_program_and_a_mutant():
    for name, plan in PLANS.items():
        assert (ROOT / "tests" / "chaos" / f"{plan.module}.py").is_file(), name
        assert plan.mutants, name


def test_more_than_sixty_points_are_named_and_all_of_them_exist():
    script = "from tests.chaos import points; points.install()"
    environment = {"DJANGO_SETTINGS_MODULE": "config.settings", points.FOLDER: "."}
    code = f"import django, os; os.environ |= {environment!r}; django.setup(); {script}"

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert len(points.POINTS) >= 60


@pytest.mark.parametrize(
    ("injected", "wrong", "result"),
    [(2, [], "too few faults"), (3, [], "pass"), (3, ["a row is lost"], "fail")],
)
def test_too_few_faults_are_no_pass(injected, wrong, result):
    answer = Answer(injected={"kill": injected}, wrong=wrong)

    line = line_of("R1", Options(seed=1, count=3, mutant=NONE), answer)

    assert (line["result"], line["measured_at_target"]) == (result, False)


@pytest.mark.long
@pytest.mark.parametrize("name", PLANS)
def test_a_scenario_passes_and_catches_its_mutants(name):
    command = [sys.executable, "-m", "tests.chaos", name, "--quick"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
