"""The steps after a data load as a page shows them: state, tries, and what to do about one that was not taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from runs.models import DataLoad, LoadStep, LoadTry
from runs.states import STEP_WORDS, StepStatus

# as the badges of runs are coloured; a message that was not taken is no fault of the data
TONES: Final = {
    StepStatus.WAITING: "waiting",
    StepStatus.SENDING: "running",
    StepStatus.DONE: "completed",
    StepStatus.FAILED: "warning",
}
MOST_TRIES: Final = 20


@dataclass(frozen=True, kw_only=True)
class StepLine:
    """`tries` are the newest first."""

    step: LoadStep
    word: str
    tone: str
    tries: Sequence[LoadTry]
    ended: bool


def steps_of(load: DataLoad) -> list[StepLine]:
    """In two queries, however often each was tried."""
    return [_line(step) for step in load.steps.prefetch_related("tries")]


def _line(step: LoadStep) -> StepLine:
    status = StepStatus(step.status)
    tries = list(reversed(step.tries.all()))[:MOST_TRIES]
    ended = status in (StepStatus.DONE, StepStatus.FAILED)
    return StepLine(step=step, word=STEP_WORDS[status], tone=TONES[status], tries=tries, ended=ended)


def not_taken(lines: Sequence[StepLine]) -> bool:
    """Whether a step was given up: the data is live all the same."""
    return any(line.step.status == StepStatus.FAILED for line in lines)
