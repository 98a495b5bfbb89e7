"""The rows that a run brought into its tables beside those of the last good run, as bars. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runs.reading.chains import Chains

MOST_BARS = 15  # tables: those with the most rows
BAR_HEIGHT = 34  # pixels for both bars of a table, as in the template
THINNEST = 0.4  # percent of the width, for a table that got any rows at all


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One table; widths are percent of the drawing."""

    table: str
    rows: int
    before: int | None
    width: float
    width_before: float
    y: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    pairs: Sequence[Pair]
    height: int
    left_out: int


def chart_of(chains: Chains) -> Chart | None:
    """None where there is nothing to compare: a first run, or one whose tables got no rows in either."""
    rows = sorted(chains.rows, key=lambda row: -max(row.rows, row.rows_before or 0))[:MOST_BARS]
    most = max((max(row.rows, row.rows_before or 0) for row in rows), default=0)
    if chains.compared_with is None or not most:
        return None
    pairs = [
        Pair(
            table=row.batch.dataset.name,
            rows=row.rows,
            before=row.rows_before,
            width=_width(row.rows, most),
            width_before=_width(row.rows_before or 0, most),
            y=number * BAR_HEIGHT,
        )
        for number, row in enumerate(rows)
    ]
    return Chart(pairs=pairs, height=len(pairs) * BAR_HEIGHT, left_out=len(chains.rows) - len(pairs))


def _width(rows: int, most: int) -> float:
    return max(round(rows / most * 100, 2), THINNEST) if rows else 0.0
