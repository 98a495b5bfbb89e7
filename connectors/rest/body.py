"""Reads one HTTP body to its end, however it is packed: sizes and times are capped while it comes."""

import http.client
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

from isal import isal_zlib
from isal.igzip_lib import IsalError

from connectors.protocol import Fault, SourceError

CHUNK: Final = 1 << 18
GZIP_WINDOW: Final = 31
DAMAGED: Final = cast("type[Exception]", IsalError)  # its stub calls the class an instance


class WireError(Exception):
    """The exchange broke: reset, timed out, cut short. Always worth another try. Says what, never where to."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    answer_timeout: float = 600.0
    max_bytes: int = 64 * 1024 * 1024


class BodyReader:
    """Reads one body to its end: counted against the cap as it comes and as it unfolds, and against the clock."""

    def __init__(self, response: http.client.HTTPResponse, limits: Limits, clock: Callable[[], float]) -> None:
        self._response = response
        self._limits = limits
        self._clock = clock
        self._until = clock() + limits.answer_timeout

    def read(self) -> tuple[bytes, int]:
        announced = self._response.length
        encoding = (self._response.headers.get("content-encoding") or "identity").strip().lower()
        chunks = list(self._chunks())
        raw = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if announced is not None and len(raw) < announced:
            raise WireError(f"the answer was cut short: {len(raw):,} of {announced:,} bytes came")
        if encoding in ("gzip", "x-gzip") and raw:
            return self._unfold(raw), len(raw)
        if encoding not in ("identity", "", "gzip", "x-gzip"):
            raise SourceError(
                f'The source packed its answer as "{encoding}", which cannot be read.',
                fault=Fault.DATA,
                advice="Ask the source's operator for answers that are plain or packed with gzip.",
            )
        return raw, len(raw)

    def _chunks(self) -> Iterator[bytes]:
        size = 0
        # read1 answers after one receive, so that the clock is looked at however slowly the bytes drip
        while chunk := self._response.read1(CHUNK):
            size += len(chunk)
            self._check_size(size)
            if self._clock() > self._until:
                raise WireError(f"the answer was not complete after {self._limits.answer_timeout:g} seconds")
            yield chunk

    def _unfold(self, raw: bytes) -> bytes:
        pieces: list[bytes] = []
        size = 0
        rest = raw
        while rest:
            inflater = isal_zlib.decompressobj(wbits=GZIP_WINDOW)
            while not inflater.eof:
                piece = self._inflate(inflater, rest)
                rest = inflater.unconsumed_tail
                size += len(piece)
                self._check_size(size)
                pieces.append(piece)
                if not piece and not rest and not inflater.eof:
                    raise WireError("the packed answer was cut short")
            rest = inflater.unused_data.lstrip(b"\0")
        return b"".join(pieces)

    def _inflate(self, inflater: Any, data: bytes) -> bytes:
        try:
            return bytes(inflater.decompress(data, 1 << 20))
        except DAMAGED as error:
            raise WireError("the packed answer was damaged") from error

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_bytes:
            raise SourceError(
                f"An answer of the source was cut at {self._limits.max_bytes / 1024**2:,.0f} MB, the most we read.",
                fault=Fault.CONFIG,
                advice="Ask for smaller pages (`pagination.size` in the manifest) or raise `client.max_answer_mb`.",
            )
