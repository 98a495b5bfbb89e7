"""Cuts a delimited file at the ends of rows into pieces that an engine reads at once, so that memory does not grow with
the file.

The quick way counts quotes: a line that ends behind an even number of them is a row's end, where quotes are used as
they should be. Where they are not, the engine finds a quote open at the end of a piece; the careful way, which walks
from value to value, is for such files and for those whose quotes are escaped by another sign.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from ingestion.checking import codes
from ingestion.checking.abreast import even
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse
from ingestion.formats.files import CHUNK

PIECE: Final = 32 << 20


class Unsure(Exception):
    """The quick way finds no row's end, or may have found a wrong one."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a file. `is_all`: it is the file itself, which is not ours."""

    path: Path
    number: int
    is_all: bool = False

    def remove(self) -> None:
        if not self.is_all:
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Signs:
    """How rows and values end, as bytes."""

    quote: bytes
    escape: bytes
    delimiter: bytes
    end: bytes  # of a line; its last byte where there are two
    header: bytes  # of pieces but the first: the engine takes all lines to end as a piece's first does

    @property
    def are_plain(self) -> bool:
        """A quote within a value is written twice, so that counting is enough."""
        return self.escape in (self.quote, b"") or not self.quote

    def rows(self) -> re.Pattern[bytes]:
        """As many whole rows as there are."""
        q, e, d, n = map(re.escape, (self.quote, self.escape, self.delimiter, self.end))
        bare = rb"[^%b%b]*+" % (d, n)
        if self.quote:
            inner = rb"[^%b]*+(?:%b%b[^%b]*+)*+" % (q, q, q, q)
            if not self.are_plain:
                inner = rb"[^%b%b]*+(?:%b.[^%b%b]*+)*+" % (q, e, e, q, e)
            bare = rb"(?:%b%b%b|(?!%b))%b" % (q, inner, q, q, bare)
        return re.compile(rb"(?:%b(?:%b%b)*+%b)*+" % (bare, d, bare, n), re.DOTALL)


def pieces(request: CheckRequest, path: Path, signs: Signs, *, is_careful: bool) -> Iterator[Piece]:
    """Whoever takes a piece removes it. Raises Unsure, and FileRefused where a row has no end."""
    whole = path.stat().st_size
    if whole <= PIECE + CHUNK:
        yield Piece(path, 0, is_all=True)
        return
    blocks = _careful(request, path, signs) if is_careful or not signs.are_plain else _quick(request, path, signs)
    each, numbers = even(whole, most=PIECE, threads=request.threads), count()
    made, size = Piece(request.folder / "spool-0.csv", next(numbers)), 0
    file = made.path.open("wb")
    try:
        for block, is_end in blocks:
            size += file.write(block)
            if is_end and size >= each:
                file.close()
                yield made
                number = next(numbers)
                made, size = Piece(request.folder / f"spool-{number}.csv", number), 0
                file = made.path.open("wb")
                file.write(signs.header)
    finally:
        file.close()
    if size:
        yield made


def _quick(request: CheckRequest, path: Path, signs: Signs) -> Iterator[tuple[bytes, bool]]:
    """Blocks, and whether a row ends with them."""
    is_open, since = False, 0
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            is_open ^= _is_odd(block, signs)
            if cut := _last_end(block, signs, is_open):
                yield block[:cut], True
                since = 0
            since += len(block) - cut
            if since > _longest(request):
                raise Unsure
            if block[cut:]:
                yield block[cut:], False


def _is_odd(block: bytes, signs: Signs) -> bool:
    return bool(signs.quote) and bool(block.count(signs.quote) & 1)


def _last_end(block: bytes, signs: Signs, is_open: bool) -> int:
    """Behind the last line end outside of quotes; 0 where there is none."""
    end = len(block)
    while (at := block.rfind(signs.end, 0, end)) >= 0:
        is_open ^= bool(signs.quote) and bool(block.count(signs.quote, at, end) & 1)
        if not is_open:
            return at + 1
        end = at
    return 0


def _careful(request: CheckRequest, path: Path, signs: Signs) -> Iterator[tuple[bytes, bool]]:
    rows, rest = signs.rows(), b""
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            rest += block
            found = rows.match(rest)
            if found and found.end():
                yield rest[: found.end()], True
                rest = rest[found.end() :]
            elif len(rest) > _longest(request):
                raise refuse(codes.DAMAGED, name=request.name, why="a row has no end, or is too long")
    yield rest, False


def _longest(request: CheckRequest) -> int:
    """Bytes that a row may have before we stop looking for its end. The engine turns down what is longer than a cell
    may be; a row that is a little longer is one bad row."""
    return 4 * request.limits.cell
