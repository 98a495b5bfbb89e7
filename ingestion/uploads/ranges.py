"""Ranges of a large file's bytes: what a chunk says of itself, what has arrived, and whether it makes a whole. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ingestion.refusals import Refused, Why

CONTENT_RANGE: Final = re.compile(
    r"(?i)(?:bytes[ =])?\s*(\d{1,18})\s*-\s*(\d{1,18})(?:\s*/\s*(\d{1,18}|\*))?", re.ASCII
)
MOST_NAMED: Final = 10  # gaps or overlaps that a message lists


@dataclass(frozen=True, order=True)
class Span:
    """Positions of bytes, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


@dataclass(frozen=True, kw_only=True)
class ContentRange:
    """`bytes a-b/total`; `bytes a-b` and `bytes a-b/*` leave the total open. The unit may be missing."""

    span: Span
    total: int | None


def read_content_range(header: str | None) -> ContentRange:
    """Raises Refused for a header that is missing, cannot be read, or contradicts itself."""
    found = CONTENT_RANGE.fullmatch((header or "").strip())
    if found is None:
        said = "A chunk needs the header Content-Range: bytes <first>-<last>/<total>, where /<total> may be left out."
        raise Refused(Why.INVALID, said)
    span = Span(int(found[1]), int(found[2]))
    total = int(found[3]) if found[3] and found[3] != "*" else None
    if span.last < span.first:
        raise Refused(Why.INVALID, f"The Content-Range {span} ends before it begins.")
    if total is not None and span.last >= total:
        raise Refused(Why.INVALID, f"The Content-Range {span} goes beyond its total of {total:,} bytes.")
    return ContentRange(span=span, total=total)


def merged(spans: Iterable[Span]) -> list[Span]:
    """What is there, as the fewest spans."""
    whole: list[Span] = []
    for span in sorted(spans):
        if whole and span.first <= whole[-1].last + 1:
            whole[-1] = Span(whole[-1].first, max(whole[-1].last, span.last))
        else:
            whole.append(span)
    return whole


def must_cover(spans: Sequence[Span], total: int | None) -> int:
    """The size of the file that the spans make, one after the other. Raises Refused naming gaps and overlaps."""
    if not spans:
        raise Refused(Why.INVALID, "No chunk of this file has arrived. Send its bytes before completing it.")
    end = max(span.last for span in spans) + 1 if total is None else total
    faults = [("missing", _gaps(spans, end)), ("sent twice", _overlaps(spans))]
    if said := "; ".join(f"{_listed(found)} {word}" for word, found in faults if found):
        raise Refused(Why.INVALID, f"The chunks do not make the {end:,} bytes of the file: {said}.")
    return end


def _gaps(spans: Sequence[Span], end: int) -> list[Span]:
    edges = [Span(-1, -1), *merged(spans), Span(end, end)]
    between = [Span(left.last + 1, right.first - 1) for left, right in pairwise(edges)]
    return [span for span in between if span.size > 0]


def _overlaps(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    reached = -1
    for span in sorted(spans):
        if span.first <= reached:
            found.append(Span(span.first, min(span.last, reached)))
        reached = max(reached, span.last)
    return merged(found)


def _listed(spans: Sequence[Span]) -> str:
    more = len(spans) - MOST_NAMED
    named = ", ".join(str(span) for span in spans[:MOST_NAMED])
    return f"bytes {named}" + (f" and {more:,} more ranges" if more > 0 else "")
