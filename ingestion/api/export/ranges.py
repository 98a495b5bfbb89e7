"""The header Range (RFC 9110): one range of bytes, from the front or from the end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ingestion.api.base import Problem

ONE: Final = re.compile(r"(?i:bytes)=\s*([0-9]{0,19})\s*-\s*([0-9]{0,19})\s*")


@dataclass(frozen=True)
class Span:
    """Positions of the first and the last byte, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first + 1


def wanted(header: str, size: int) -> Span | None:
    """The range that is asked for; None for the whole: also where several are asked for, or what is no range, as the
    standard allows. Raises Problem, 416, for a range that lies beyond the end."""
    found = ONE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        span = Span(max(size - int(found[2]), 0), size - 1)
    else:
        span = Span(int(found[1]), min(int(found[2]), size - 1) if found[2] else size - 1)
        if found[2] and int(found[2]) < int(found[1]):
            return None
    if span.first >= size or span.size <= 0:
        raise Problem(
            416,
            f"The file has {size:,} bytes: there is no {header[:60]}.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return span
