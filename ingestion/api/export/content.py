"""Bytes on their way out: pieces of the store one after the other, whole or a range; never all of them in memory."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Final

from ingestion.api.base import missing
from ingestion.rooms import store
from ingestion.staging.base import ObjectMissing

BLOCK: Final = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Bytes that follow each other: an object of the store, or made here."""

    open: Callable[[], IO[bytes]]
    size: int


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a client can download under one name."""

    name: str
    segments: tuple[Segment, ...]
    media_type: str = "application/json"
    tag: str = ""  # changes when the bytes do

    @property
    def size(self) -> int:
        return sum(segment.size for segment in self.segments)


def stored(key: str, size: int) -> Segment:
    return Segment(open=lambda: store().open(key), size=size)


def made(data: bytes) -> Segment:
    return Segment(open=lambda: io.BytesIO(data), size=len(data))


class Stream:
    """The bytes from `first` to `last` of some segments, both included. The first segment is opened at once, so that
    one that is not there any more is said in an answer of its own. Raises Problem, StagingUnavailable."""

    def __init__(self, segments: Sequence[Segment], *, first: int, last: int) -> None:
        self._left = last - first + 1
        self._wanted = _parts(segments, first, last)
        self._stream: IO[bytes] | None = None
        self._in_part = 0
        self._turn()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._stream is not None:
            if block := self._stream.read(min(BLOCK, self._in_part)):
                self._in_part -= len(block)
                self._left -= len(block)
                return block
            self._turn()
        if self._left:  # the answer has begun: it can only be broken off
            raise ConnectionAbortedError("a stored piece is shorter than it was")
        raise StopIteration

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _turn(self) -> None:
        """On to the next segment, where there is one."""
        self.close()
        part = next(self._wanted, None)
        if part is not None:
            segment, skipped, self._in_part = part
            self._stream = _opened(segment, skipped)


def _parts(segments: Sequence[Segment], first: int, last: int) -> Iterator[tuple[Segment, int, int]]:
    """The segments that hold a part of the range: each with the bytes to step over and those to take."""
    begin = 0
    for segment in segments:
        end = begin + segment.size
        if begin <= last and end > first and segment.size:
            skipped = max(first - begin, 0)
            yield segment, skipped, min(last + 1, end) - begin - skipped
        begin = end


def _opened(segment: Segment, skipped: int) -> IO[bytes]:
    try:
        stream = segment.open()
    except ObjectMissing as error:
        raise missing(
            "The bytes are not kept any more: files are deleted some days after their batch ended."
        ) from error
    if stream.seekable():
        stream.seek(skipped)
        return stream
    while skipped and (block := stream.read(min(BLOCK, skipped))):
        skipped -= len(block)
    return stream
