"""The geometry of the bars that all pages draw: counts by outcome, stacked from the ground up, in pixels. Knows nothing
of what is counted, no query and no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.utils.formats import date_format

from ingestion.words import plural

THINNEST: Final = 2.0  # what is there at all is so high: one failure among many is seen
WIDTH, GAP, HEIGHT = 24, 4, 48  # of a day's bar, as in templates/admin/lists/days.html


@dataclass(frozen=True, kw_only=True)
class Part:
    """One outcome's share of a bar, from `top` down."""

    outcome: str
    top: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day: its counts by outcome, in the order they are stacked. `address` lists what was counted."""

    day: date
    counts: Mapping[str, int]
    address: str
    chosen: bool

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class DayBar:
    """One day's bar; `said` is all of it in a sentence."""

    day: Day
    left: int
    said: str
    parts: Sequence[Part]

    @property
    def label(self) -> str:
        return date_format(self.day.day, "D j M")


@dataclass(frozen=True, kw_only=True)
class Days:
    """A drawing of days, the oldest first: `title` heads it, `noun` is what is counted, `words` say the outcomes."""

    title: str
    noun: str
    words: Mapping[str, str]
    bars: Sequence[DayBar]

    @property
    def width(self) -> int:
        return len(self.bars) * (WIDTH + GAP) - GAP


def stacked(counts: Mapping[str, int], most: int, *, height: int) -> list[Part]:
    """The parts of a bar, where `most` would fill the whole `height`."""
    parts, top = list[Part](), float(height)
    for outcome, count in counts.items():
        if count:
            high = max(count / most * height, THINNEST)
            top = max(top - high, 0.0)
            parts.append(Part(outcome=outcome, top=round(top, 1), height=round(high, 1)))
    return parts


def drawn(days: Sequence[Day], *, title: str, noun: str, words: Mapping[str, str]) -> Days:
    """The tallest day is as high as the drawing."""
    most = max((day.total for day in days), default=0)
    bars = [
        DayBar(
            day=day,
            left=place * (WIDTH + GAP),
            said=_said(day, noun, words),
            parts=stacked(day.counts, most, height=HEIGHT),
        )
        for place, day in enumerate(days)
    ]
    return Days(title=title, noun=noun, words=words, bars=bars)


def _said(day: Day, noun: str, words: Mapping[str, str]) -> str:
    told = [f"{count:,} {words[outcome].lower()}" for outcome, count in day.counts.items() if count]
    label = date_format(day.day, "D j M")
    return f"{label}: {plural(day.total, noun)}" + (f" ({', '.join(told)})" if told else "")
