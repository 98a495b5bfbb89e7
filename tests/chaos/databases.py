"""R6: Postgres crashes (immediate restart) while runs go through: half of the times under the control database, half
under the warehouse. A third of the crashes fall between a commit and its answer, a third just before a commit; there a
load becomes live (warehouse) or that is written down (control). Workers must reconnect by themselves, and what was
committed must be known to have been.
"""

import random

from tests.chaos.campaign import Campaign, campaign
from tests.chaos.scenario import NONE, Answer, Options, main
from tests.services.commits import NOT_MADE, NOT_TOLD

CONTROL, WAREHOUSE, ANYWHERE = "control", "warehouse", "anywhere"
KINDS = {
    NOT_TOLD: "crash inside a commit of the {}",
    NOT_MADE: "crash before a commit of the {}",
    ANYWHERE: "crash of the {}",
}
PATIENCE_S = 120.0  # for a commit to meet: a run that cannot read the ledger looks again after a minute
STUCK_S = 100.0  # longer than that minute


def play(options: Options) -> Answer:
    with campaign(options, runs=max(8, options.count), apart=True) as house:
        dice = options.dice
        for place, kind in _crashes(options, dice):
            house.go_on(dice.uniform(1.0, 3.0))
            if _come_to(house, place, kind, dice):
                getattr(house.servers, place).restart(immediate=True)
                house.answer.add(KINDS[kind].format(place))
        house.finish(stuck_after=STUCK_S)
        pids = set(house.crew.members)
        house.answer.expect(not house.crew.replace_dead(), "a worker process ended, and had to be replaced")
        house.answer.facts["same_workers"] = pids == set(house.crew.members)
        return house.answer


def _crashes(options: Options, dice: random.Random) -> list[tuple[str, str]]:
    """The database and the moment of each. Who does not read the ledger is met where only the ledger knows."""
    if options.mutant != NONE:
        return [(WAREHOUSE, NOT_MADE if number % 4 == 3 else NOT_TOLD) for number in range(options.count)]
    kinds = (NOT_TOLD, NOT_MADE, ANYWHERE)
    crashes = [((WAREHOUSE, CONTROL)[number % 2], kinds[number // 2 % 3]) for number in range(options.count)]
    dice.shuffle(crashes)
    return crashes


def _come_to(house: Campaign, place: str, kind: str, dice: random.Random) -> bool:
    """Wait for the moment of a crash; answers whether it came. A commit that is met is held until the server ends, or
    is cut off while the server still answers others: then the word of it comes before the crash."""
    if kind == ANYWHERE:
        if place == WAREHOUSE and dice.random() < 0.7:
            _wait_for_a_publish(house)
        return True
    proxy = house.servers.commits[place]
    proxy.meet(kind)
    met = house.go_on_until(proxy.met.is_set, at_most=PATIENCE_S)
    if not met and proxy.give_up():
        return False
    if dice.random() < 0.5:
        proxy.cut()
    return True


def _wait_for_a_publish(house: Campaign) -> None:
    """Crashes are to come while a load is becoming live, and in the moment after it."""
    from runs.models import Task

    for _ in range(100):
        house.go_on(0.05)
        if Task.objects.filter(status="running", kind="completion").exists():
            return


if __name__ == "__main__":
    raise SystemExit(main({"R6": play}))
