"""The tables of moves are sound: one start, no way out of the end, everything reachable, every word there."""

import pytest

from ingestion.states import INITIAL, MOVES, BatchStatus
from runs.states import (
    PHASES,
    RUN_ENDED,
    RUN_MOVES,
    RUN_OPEN,
    RUN_WORDS,
    TASK_MOVES,
    TASK_WORDS,
    RunStatus,
    TaskKind,
    TaskStatus,
)

MACHINES = [
    pytest.param(RUN_MOVES, RunStatus.WAITING, {RunStatus.REJECTED}, id="run"),
    pytest.param(TASK_MOVES, TaskStatus.WAITING, set(), id="task"),
    pytest.param(MOVES, INITIAL, set(), id="batch"),
]


@pytest.mark.parametrize(("moves", "start", "born"), MACHINES)
def test_every_status_can_be_reached(moves, start, born):
    reached, frontier = {start, *born}, [start]
    while frontier:
        for target in moves[frontier.pop()]:
            if target not in reached:
                reached.add(target)
                frontier.append(target)

    assert reached == set(moves)


@pytest.mark.parametrize(("moves", "start", "born"), MACHINES)
def test_nothing_leads_back_to_the_start(moves, start, born):
    assert not any(start in targets for targets in moves.values())


def test_terminal_runs_have_no_way_out():
    assert {status for status, targets in RUN_MOVES.items() if not targets} == RUN_ENDED
    assert set(RunStatus) == RUN_OPEN | RUN_ENDED


def test_the_words_are_those_of_the_field():
    assert list(RUN_WORDS.values()) == [
        "Waiting to start",
        "Running",
        "Canceling …",
        "Cancelled",
        "Completed",
        "Failed",
        "Rejected - previous load still running",
    ]
    assert set(TASK_WORDS) == set(TaskStatus)


def test_phases_are_the_kinds_in_their_order():
    assert tuple(TaskKind) == PHASES
    assert len(BatchStatus) == 13
