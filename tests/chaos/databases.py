"""R6: Postgres crashes (immediate restart) while runs go through: half of the times under the control database, half
under the warehouse. Workers must reconnect by themselves, and what was committed must be known to have been.
"""

from tests.chaos.campaign import campaign
from tests.chaos.scenario import NONE, Answer, Options, main


def play(options: Options) -> Answer:
    with campaign(options, runs=max(8, options.count), apart=True) as house:
        dice = options.dice
        places = ["control", "warehouse"] * (options.count // 2) or ["warehouse"]
        if options.mutant != NONE:
            places = ["warehouse"] * len(places)
        for place in places:
            house.go_on(dice.uniform(1.0, 3.0))
            if place == "warehouse" and dice.random() < 0.7:
                _wait_for_a_publish(house)
            getattr(house.servers, place).restart(immediate=True)
            house.answer.add(f"crash of the {place}")
        house.finish()
        pids = set(house.crew.members)
        house.answer.expect(not house.crew.replace_dead(), "a worker process ended, and had to be replaced")
        house.answer.facts["same_workers"] = pids == set(house.crew.members)
        return house.answer


def _wait_for_a_publish(house) -> None:
    """Crashes are to come while a load is becoming live, and in the moment after it."""
    from runs.models import Task

    for _ in range(100):
        house.go_on(0.05)
        if Task.objects.filter(status="running", kind="completion").exists():
            return


if __name__ == "__main__":
    raise SystemExit(main({"R6": play}))
