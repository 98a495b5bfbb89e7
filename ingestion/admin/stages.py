"""The way of a batch from loading to live as four stages with their times, from its own moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.safestring import SafeString

from ingestion.admin.words import badge
from ingestion.models import Batch, BatchEvent
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S

WAY: Final = {
    S.LOADING: ("Loading", "Its client uploads"),
    S.LOADED: ("Loaded", "Waits for a worker"),
    S.STAGING: ("Staging", "Checked, and made live"),
}
BESIDE: Final = frozenset({S.RETRYING, S.STALLED})  # on the way through staging


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`state` is over | now | next | never: what the page says of it by word and shape. `end` is the last one's."""

    word: str
    about: str
    state: str
    began: datetime | None
    took: timedelta | None
    end: SafeString | str = ""


def stages_of(batch: Batch, moves: Sequence[BatchEvent], *, now: datetime) -> list[Stage]:
    """`moves` are its history, the oldest first. A run's batch is moved by its run: it has the same stages."""
    began = _began(batch, moves)
    here = S.STAGING if batch.status in BESIDE else S(batch.status)
    ended = here not in OPEN
    names = list(WAY)
    stages = []
    for place, name in enumerate(names):
        first = began.get(name)
        later = [began[other] for other in names[place + 1 :] if other in began]
        until = min(later, default=batch.finished_at if ended else None)
        state = "now" if name == here else "over" if first and (until or ended) else "never" if ended else "next"
        took = (until or now) - first if first and (until or state == "now") else None
        word, about = WAY[name]
        stages.append(Stage(word=word, about=about, state=state, began=first, took=took))
    return [*stages, _last(batch, ended=ended)]


def _began(batch: Batch, moves: Sequence[BatchEvent]) -> dict[S, datetime]:
    """When each stage was entered first."""
    found: dict[S, datetime] = {S.LOADING: batch.created_at}
    for move in moves:
        if move.after in WAY:
            found.setdefault(S(move.after), move.at)
    for name, at in ((S.LOADED, batch.completed_at), (S.STAGING, batch.started_at)):
        if at:
            found.setdefault(name, at)
    return found


def _last(batch: Batch, *, ended: bool) -> Stage:
    if not ended:
        return Stage(word="Success", about="Its rows are live", state="next", began=None, took=None)
    about = "Its rows are live" if batch.status == S.SUCCESS else "No row of it is live"
    whole = batch.finished_at - batch.created_at if batch.finished_at else None
    return Stage(
        word="End", about=about, state="over", began=batch.finished_at, took=whole, end=badge(batch.status)
    )  # fmt: skip
