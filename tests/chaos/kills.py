"""R1, R4 and R20: workers are killed, frozen past their lease, or told to stop, while runs go through.

`python -m tests.chaos.kills R1 --count 30 --seed 1 [--mutant no_fence]`; then every row, status and count is checked.
R1 freezes one for four that it kills, so that the dead and the late meet.
"""

import os
import random
import signal
import time

from tests.chaos.campaign import STUCK_S, Campaign, Pauses, campaign
from tests.chaos.scenario import NONE, Answer, Options, main

PAUSE_BEYOND_LEASE = 0.8  # in R1: long enough to lose the task, short enough to come back while another works on it
FENCED_OF_PAUSES = 0.9
RECOVER_WITHIN_S = 30.0
STAGES = 5


def kill(options: Options) -> Answer:
    """R1. A run for two kills: where runs are slower than faults, the next fault waits for the next run."""
    runs = max(6, options.count // 2)
    with campaign(options, runs=runs) as house:
        dice, pauses = options.dice, Pauses(2.0 + PAUSE_BEYOND_LEASE)
        faults = ["kill"] * options.count + ["pause"] * (options.count // 4 + (16 if options.mutant != NONE else 0))
        dice.shuffle(faults)
        for number, fault in enumerate(faults):
            _wait_for_runs(house, left=runs * (1 - number / len(faults)))
            index = house.victim(dice, sparing=pauses.pids)
            if fault == "kill":
                house.crew.kill(index)
            else:
                pauses.add(house.crew.pause(index))
            house.answer.add(fault)
            house.go_on(dice.uniform(0.3, 1.2))
        _end(house, pauses)
        _judge_kills(house, options)
        return house.answer


def _wait_for_runs(house: Campaign, *, left: float) -> None:
    """Until no more than so many are still to be started; a run that is stuck is for the end to find."""
    patience = time.monotonic() + STUCK_S
    while house.story.left > left and time.monotonic() < patience:
        house.go_on(0.1)


def _judge_kills(house: Campaign, options: Options) -> None:
    answer, seconds = house.answer, house.answer.recovery_s
    answer.expect(
        seconds is not None and seconds <= RECOVER_WITHIN_S, f"the last run ended {seconds} s after all faults"
    )
    answer.expect(answer.facts["taken_back"] > 0, "no kill hit a worker that held a task: nothing was tested")
    if options.count >= 100:
        kinds = {kind: count for kind, count in house.story.aimed.items() if kind != "nothing"}
        least = min(kinds.values()) if len(kinds) == STAGES else 0
        answer.facts["every_stage_hit_ten_times"] = least >= 10


def pause(options: Options) -> Answer:
    """R4. Each pause hits a worker that holds a task, and lasts its lease and three seconds more."""
    with campaign(options, runs=max(8, options.count)) as house:
        dice, pauses = options.dice, Pauses()
        for _ in range(options.count):
            while not _pause_at_work(house, dice, pauses):
                house.go_on(0.1)
            house.answer.add("pause")
            house.go_on(dice.uniform(0.2, 0.8))
        _end(house, pauses)
        fenced, wanted = house.answer.facts["fenced"], int(options.count * FENCED_OF_PAUSES)
        house.answer.expect(fenced >= wanted, f"{fenced} late attempts were turned away, of {options.count} pauses")
        return house.answer


def _pause_at_work(house: Campaign, dice: random.Random, pauses: Pauses) -> bool:
    """Freeze a worker that holds a task; false when there was none. One that finished its task in the moment between
    look and signal goes on at once: it lost nothing. So does one in the middle of a transaction: it holds
    its run, and nobody takes its task, until it wakes or its session is ended; such are counted apart."""
    if len(pauses.pids) >= house.crew.size - 2 or not set(house.story.held()) - pauses.pids:
        return False
    pid = house.crew.pause(house.victim(dice, sparing=pauses.pids, always_busy=True))
    if held := house.story.in_transaction(pid):
        house.answer.facts["let_go_in_a_transaction"] = house.answer.facts.get("let_go_in_a_transaction", 0) + 1
    if held or pid not in house.story.held():
        os.kill(pid, signal.SIGCONT)
        return False
    pauses.add(pid)
    return True


def _end(house: Campaign, pauses: Pauses) -> None:
    pauses.wait()
    house.finish()
    house.go_on(2.0)  # those who woke last still have to hear that they are late
    from runs.models import Event

    house.answer.facts["fenced"] = Event.objects.filter(after="fenced").count()


def stop(options: Options) -> Answer:
    """R20. Rolling restarts of the workers: each is told to stop and replaced, one after the other."""
    with campaign(options, runs=max(8, options.count)) as house:
        dice = options.dice
        for number in range(options.count):
            house.go_on(dice.uniform(0.5, 1.5))
            house.victim(dice, sparing=set())  # only to write down what was hit
            house.crew.retire(number % house.crew.size)
            house.answer.add("stop")
        house.finish()
        _judge_stops(house)
        return house.answer


def _judge_stops(house: Campaign) -> None:
    import redis
    from django.conf import settings
    from django.db.models import Sum

    from runs.models import Event, Task

    counted = Task.objects.aggregate(failures=Sum("failures"), lost=Sum("lost"))
    house.answer.expect(not counted["failures"], f"{counted['failures']} failures were counted against tasks")
    house.answer.expect(not counted["lost"], f"{counted['lost']} leases were lost")
    released = Event.objects.filter(after="queued", reason__contains="shutting down").count()
    house.answer.expect(released > 0, "no stop hit a worker at work: nothing was tested")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        dead = [key.decode() for key in client.keys("dramatiq:*.XQ") if client.zcard(key)]
    house.answer.expect(not dead, f"messages were put aside as dead: {dead}")
    house.answer.facts["released"] = released


if __name__ == "__main__":
    raise SystemExit(main({"R1": kill, "R4": pause, "R20": stop}))
