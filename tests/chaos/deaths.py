"""R3: workers and the sweeper die at every named point (`points`), once and then twice in a row, while runs go through.

A few points are armed at a time; the next come when all of those have been died at, or a number of runs has passed
them by without any process coming there, which is a failure too: a point that is never hit proves nothing.
"""

import os
import tempfile
import time

from tests.chaos import points
from tests.chaos.campaign import Campaign, campaign
from tests.chaos.scenario import Answer, Options, main

AT_ONCE = 6  # points armed at a time
RUNS_TO_HIT = 4  # that may pass before a point counts as never hit
LONGEST_S = 60.0


def play(options: Options) -> Answer:
    os.environ[points.FOLDER] = tempfile.mkdtemp(prefix="headgate-points-")
    chosen = list(points.POINTS)
    options.dice.shuffle(chosen)
    twice = options.count > len(chosen)
    chosen = chosen[: options.count]
    with campaign(options, runs=10_000, environment={"HEADGATE_LOST_LEASES": "200"}) as house:
        never: list[str] = []
        for times in (1, 2) if twice else (1,):
            for number in range(0, len(chosen), AT_ONCE):
                never += _die(house, chosen[number : number + AT_ONCE], times)
        house.story.left = 0
        house.finish(meanwhile=lambda: _replace(house))
        house.answer.facts |= {"points": len(chosen), "never_hit": sorted(set(never))}
        if options.count >= len(points.POINTS):
            house.answer.expect(not never, f"{len(set(never))} points were never come to")
        return house.answer


def _die(house: Campaign, group: list[str], times: int) -> list[str]:
    """Arm these points and let runs pass until each has been died at; answers those that nobody came to."""
    for point in group:
        points.armed(point, times=times)
    began, first = time.monotonic(), house.story.left
    while points.left() and (time.monotonic() - began < LONGEST_S or first - house.story.left < RUNS_TO_HIT):
        house.go_on(0.2, meanwhile=lambda: _replace(house))
        if time.monotonic() - began > LONGEST_S * 3:
            break
    never = list(points.left())
    points.disarm()
    for point in group:
        house.answer.add("deaths", times if point not in never else 0)
    return never


def _replace(house: Campaign) -> None:
    house.crew.replace_dead()
    house.crew.replace_dead_sweeper()


if __name__ == "__main__":
    raise SystemExit(main({"R3": play}))
