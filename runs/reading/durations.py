"""How long runs of a source and type usually take, from its last good runs, and what that says of one at work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db import connection

from runs.models import Run
from runs.states import RunStatus

SAMPLE = 20  # last good runs
ENOUGH = 3  # fewer than these say how long one took, and nothing of what is usual
Kind = tuple[int, str]  # source and type


@dataclass(frozen=True, kw_only=True)
class Band:
    """The last good runs of one source and type, the newest first."""

    seconds: tuple[float, ...] = ()
    rows: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return len(self.seconds)

    @property
    def enough(self) -> bool:
        return self.count >= ENOUGH

    @property
    def median(self) -> timedelta:
        return timedelta(seconds=_rank(self.seconds, 0.5))

    @property
    def p90(self) -> timedelta:
        return timedelta(seconds=_rank(self.seconds, 0.9))

    @property
    def usual_rows(self) -> int:
        return int(_rank(self.rows, 0.5))

    def shorter(self, passed: timedelta) -> int:
        """How many of them were over after this long."""
        return sum(seconds < passed.total_seconds() for seconds in self.seconds)

    def is_long(self, passed: timedelta) -> bool:
        return self.enough and passed > self.p90


def _rank(values: Sequence[float], share: float) -> float:
    """The nearest rank: a value that was really seen."""
    ordered = sorted(values)
    return ordered[max(ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


def band_of(run: Run) -> Band:
    """What was usual before this run."""
    return _bands([(run.source_id, run.mode)], before=run.pk)[(run.source_id, run.mode)]


def bands_of(runs: Iterable[Run]) -> dict[Kind, Band]:
    """The bands of all these runs' sources and types, in one query however many there are."""
    return _bands(sorted({(run.source_id, run.mode) for run in runs}), before=None)


# A retry reuses what was staged, so that its time says little. Each branch ends at its own limit, by index.
_BRANCH = (
    "SELECT * FROM (SELECT source_id, mode, {seconds} AS seconds, row_count FROM runs_run"
    " WHERE source_id = %s AND mode = %s AND status = %s"
    " AND retry_of_id IS NULL AND started_at IS NOT NULL AND finished_at IS NOT NULL AND id < %s"
    " ORDER BY finished_at DESC LIMIT %s) AS good"
)
_SECONDS = {
    "postgresql": "EXTRACT(EPOCH FROM finished_at - started_at)::float8",
    "sqlite": "(julianday(finished_at) - julianday(started_at)) * 86400.0",
}
_NO_END = 2**62


def _bands(kinds: Sequence[Kind], *, before: int | None) -> dict[Kind, Band]:
    found: dict[Kind, list[tuple[float, int]]] = {kind: [] for kind in kinds}
    for source, mode, seconds, rows in _last_good(kinds, before=before):
        found[(source, mode)].append((round(seconds, 3), rows))
    return {kind: _band(pairs) for kind, pairs in found.items()}


def _band(pairs: Sequence[tuple[float, int]]) -> Band:
    return Band(seconds=tuple(seconds for seconds, _ in pairs), rows=tuple(rows for _, rows in pairs))


def _last_good(kinds: Sequence[Kind], *, before: int | None) -> list[tuple[int, str, float, int]]:
    if not kinds:
        return []
    values: list[int | str] = []
    for source, mode in kinds:
        values += [source, mode, str(RunStatus.COMPLETED), before or _NO_END, SAMPLE]
    branch = _BRANCH.format(seconds=_SECONDS[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([branch] * len(kinds)), values)
        return list(cursor.fetchall())


def last_good(run: Run) -> Run | None:
    """The newest completed run of the same source and type before this one."""
    same = Run.objects.filter(source=run.source_id, mode=run.mode, status=RunStatus.COMPLETED, pk__lt=run.pk)
    return same.order_by("-pk").first()


def about(value: timedelta) -> str:
    """A duration as people say it when it is not exact: "40 s", "38 min", "2 h 05 min", "7 d 3 h"."""
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return (
        f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 1440 else f"{minutes // 1440} d {minutes // 60 % 24} h"
    )


def usual(band: Band) -> str:
    """ "38–52 min": the median, and what nine of ten stayed under; "" where too few runs are known."""
    if not band.enough:
        return ""
    low, high = about(band.median), about(band.p90)
    if low == high:
        return low
    short, _, unit = low.partition(" ")
    return f"{short}–{high}" if high.split(" ")[1:] == [unit] else f"{low} to {high}"


def outlook(band: Band, passed: timedelta) -> str:
    """What the band says of a run that has been at work for so long; "" where too few runs are known."""
    if not band.enough:
        return ""
    if passed < band.median:
        return f"Usually takes {usual(band)}; about {about(band.median - passed)} left."
    if not band.is_long(passed):
        return f"Usually takes {usual(band)}; it should end within {about(band.p90 - passed)}."
    return f"Usually takes {usual(band)}; this one is {longer_than(band, passed)}."


def longer_than(band: Band, passed: timedelta) -> str:
    return f"longer than {band.shorter(passed)} of {band.count}"


def band_facts(band: Band) -> Mapping[str, float | int | None]:
    """The band for the API and the bundle."""
    known = band.count > 0
    return {
        "runs": band.count,
        "median_seconds": band.median.total_seconds() if known else None,
        "p90_seconds": band.p90.total_seconds() if known else None,
        "usual_rows": band.usual_rows if known else None,
    }
