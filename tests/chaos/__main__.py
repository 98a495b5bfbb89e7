"""`make chaos ARGS="R5 --seed 1"`: plays scenarios, each in a process of its own, and then the mutants of each.

Prints one line of JSON for each round. Exits 1 when a promise was broken, when fewer faults than asked were injected,
or when a mutant was not caught. Without a name all are played; `--quick` takes few faults; `--no-mutants` leaves them
out. A mutant has four seeds to show itself; one that no seed shows is a failure of the scenario.
"""

import argparse
import json
import signal
import subprocess
import sys
from typing import Any

from tests.chaos.plans import PLANS

SEEDS_OF_A_MUTANT = 4
LONGEST = 3600  # seconds of one round
SLIPS = ("(TypeError)", "(AttributeError)", "(NameError)")  # what the run page says of an error of our own


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="R5", help=f"out of {', '.join(PLANS)}; all when none is named")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, help="faults to inject; each scenario has its usual number")
    parser.add_argument("--mutant-count", type=int, help="faults in a mutant's round; the short number otherwise")
    parser.add_argument("--quick", action="store_true", help="few faults: a look, not a measurement")
    parser.add_argument("--no-mutants", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if unknown := sorted(set(given.names) - set(PLANS)):
        parser.error(f"no such scenario: {', '.join(unknown)}; there are {', '.join(PLANS)}")
    fine = [_play(name, given) for name in given.names or PLANS]
    return 0 if all(fine) else 1


def _play(name: str, given: argparse.Namespace) -> bool:
    plan = PLANS[name]
    short = plan.quick or plan.usual
    count = given.count or (short if given.quick else plan.usual)
    fine = _round(name, seed=given.seed, count=count)["result"] == "pass"
    for mutant in () if given.no_mutants else plan.mutants:
        fine &= _catches(name, mutant, seed=given.seed, count=given.mutant_count or short)
    return fine


def _catches(name: str, mutant: str, *, seed: int, count: int) -> bool:
    for number in range(seed, seed + SEEDS_OF_A_MUTANT):
        answer = _round(name, seed=number, count=count, mutant=mutant)
        if any(slip in wrong for wrong in answer.get("wrong", ()) for slip in SLIPS):
            break  # the house has changed, and the mutant did not follow: what it shows proves nothing
        if answer["result"] == "fail":
            return True
    print(json.dumps({"scenario": name, "mutant": mutant, "result": "not caught"}), flush=True)
    return False


def _round(name: str, *, seed: int, count: int, mutant: str = "none") -> dict[str, Any]:
    command = [sys.executable, "-m", f"tests.chaos.{PLANS[name].module}", name]
    command += [f"--seed={seed}", f"--count={count}", f"--mutant={mutant}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(timeout=LONGEST)
    finally:
        if process.poll() is None:  # told to end, or too late: its servers and workers must go with it
            process.terminate()
            process.wait()
    line = said.strip().splitlines()[-1:] or [
        json.dumps({"scenario": name, "seed": seed, "mutant": mutant, "result": "broke", "code": process.returncode})
    ]
    print(line[0], flush=True)
    answer: dict[str, Any] = json.loads(line[0])
    return answer


if __name__ == "__main__":
    raise SystemExit(main())
