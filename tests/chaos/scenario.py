"""What every scenario shares: its arguments, the one line of JSON that it prints, and the judgement over it.

`python -m tests.chaos.<module> R5 --seed 1 [--count N] [--mutant M]` plays one round of a scenario of `plans`;
`make chaos ARGS="R5 --seed 1"` plays it and then each of its mutants.
"""

import argparse
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

from tests.chaos.plans import PLANS

NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Options:
    seed: int
    count: int
    mutant: str = NONE

    @property
    def dice(self) -> random.Random:
        return random.Random(self.seed)


@dataclass
class Answer:
    """What was injected, by kind; everything that was found wrong; how long recovery took; and facts beside it."""

    injected: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    recovery_s: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def expect(self, fine: bool, otherwise: str) -> None:
        """Note a promise that was not kept."""
        if not fine:
            self.wrong.append(otherwise)

    def add(self, kind: str, count: int = 1) -> None:
        self.injected[kind] = self.injected.get(kind, 0) + count


Play = Callable[[Options], Answer]


def main(plays: Mapping[str, Play], arguments: Sequence[str] | None = None) -> int:
    """Play one of a module's scenarios once and print the line; 1 when a promise was broken, or too little injected."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=tuple(plays))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=0, help="faults to inject")
    parser.add_argument("--mutant", default=NONE)
    given = parser.parse_args(arguments)
    plan = PLANS[given.name]
    if given.mutant not in (NONE, *plan.mutants):
        parser.error(f"{given.name} has no such mutant; there are {', '.join(plan.mutants)}")
    options = Options(seed=given.seed, count=given.count or plan.usual, mutant=given.mutant)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of every clean-up
    started = time.monotonic()
    line = line_of(given.name, options, plays[given.name](options))
    print(json.dumps(line | {"seconds": round(time.monotonic() - started, 1)}), flush=True)
    return 0 if line["result"] == "pass" else 1


def line_of(name: str, options: Options, answer: Answer) -> dict[str, Any]:
    injected, target = sum(answer.injected.values()), PLANS[name].target
    enough = injected >= options.count
    return {
        "scenario": name,
        "seed": options.seed,
        "mutant": options.mutant,
        "injected": answer.injected,
        "target": target,
        "measured_at_target": injected >= target,
        "result": "fail" if answer.wrong else "pass" if enough else "too few faults",
        "recovery_s": answer.recovery_s,
        "wrong": [text[:600] for text in answer.wrong[:8]],
        "wrong_count": len(answer.wrong),
        **answer.facts,
    }


def set_up_django(environment: Mapping[str, str]) -> None:
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", **environment}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@contextmanager
def patched(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    """Switch rules off for a while: (module or class, name, what stands in its place)."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, instead in changes:
        setattr(owner, name, instead)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def at_once(count: int, call: Callable[[int], Any], *, threads: int = 16) -> list[Any]:
    """Call from many threads that set off together, each with connections of its own; what was returned or raised."""
    from django.db import connections

    size = min(threads, count)
    gate = Barrier(size)

    def one(number: int) -> Any:
        if number < size:
            gate.wait()
        try:
            return call(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the caller's to judge
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(count)))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value that this share of all do not exceed; None of nothing."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3) if ordered else None
