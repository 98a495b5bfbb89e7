"""The geometry of small drawings: what is at which place. Across in percent, so that a drawing is as wide as its page
lets it be and its letters are not stretched; up in pixels. Knows no query and no markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ingestion.drawing import THINNEST, Part, stacked
from runs.reading.durations import about

HEIGHT: Final = 96  # pixels of a drawing's own area, as in the templates
SPARK_WIDTH, SPARK_HEIGHT = 120, 28


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A day or a run. `short` stands below it, `said` in its title."""

    left: float
    width: float
    middle: float
    short: str
    said: str
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Dot:
    left: float
    top: float
    said: str


@dataclass(frozen=True, kw_only=True)
class Level:
    """A line across, with its word."""

    top: float
    word: str
    look: str


@dataclass(frozen=True, kw_only=True)
class Dots:
    dots: Sequence[Dot]
    levels: Sequence[Level]
    most: str  # what the upper edge stands for


@dataclass(frozen=True, kw_only=True)
class Spark:
    """One bar of a drawing that fits into a cell, in pixels."""

    left: float
    top: float
    width: float
    height: float
    look: str
    said: str


def bars(days: Sequence[tuple[str, str, Mapping[str, int]]]) -> list[Bar]:
    """Each day is what stands below it, what is said of it, and its counts by outcome."""
    slot = 100 / max(len(days), 1)
    most = max((sum(counts.values()) for _, _, counts in days), default=0)
    return [
        Bar(
            left=round(place * slot + slot * 0.12, 3),
            width=round(slot * 0.76, 3),
            middle=round((place + 0.5) * slot, 3),
            short=short,
            said=said,
            parts=stacked(counts, most, height=HEIGHT),
        )
        for place, (short, said, counts) in enumerate(days)
    ]


def dots(values: Sequence[float], said: Iterable[str], levels: Mapping[str, tuple[float, str]]) -> Dots:
    """Seconds, the oldest first; `levels` are a word for each line with its seconds and its look."""
    most = max([*values, *(seconds for seconds, _ in levels.values())], default=0.0) or 1.0
    slot = 100 / max(len(values), 1)
    return Dots(
        dots=[
            Dot(left=round((place + 0.5) * slot, 3), top=_top(value, most), said=text)
            for place, (value, text) in enumerate(zip(values, said, strict=True))
        ],
        levels=[Level(top=_top(seconds, most), word=word, look=look) for word, (seconds, look) in levels.items()],
        most=about(timedelta(seconds=most)),
    )


def _top(value: float, most: float) -> float:
    return round(HEIGHT - value / most * (HEIGHT - 6), 1)


def sparks(values: Sequence[int | None], said: Iterable[str], looks: Iterable[str]) -> list[Spark]:
    """One bar for each value that is known, as high as it is against the highest of its look."""
    told = list(zip(values, said, looks, strict=True))
    most = {look: max((value or 0 for value, _, other in told if other == look), default=0) or 1 for _, _, look in told}
    slot = SPARK_WIDTH / max(len(told), 1)
    return [
        _spark(place * slot, slot, value / most[look], look, text)
        for place, (value, text, look) in enumerate(told)
        if value is not None
    ]


def _spark(left: float, slot: float, share: float, look: str, said: str) -> Spark:
    height = max(share * (SPARK_HEIGHT - 1), THINNEST)
    return Spark(
        left=round(left + 1, 1),
        top=round(SPARK_HEIGHT - height, 1),
        width=round(max(slot - 3, 1.5), 1),
        height=round(height, 1),
        look=look,
        said=said,
    )
