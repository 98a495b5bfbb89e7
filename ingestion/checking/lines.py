"""Cuts an upload of JSON lines into whole lines, block by block: blank lines go, a line that holds a whole array gives
its elements, a line beyond the limit is marked. Memory does not grow with the file.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import re2

from ingestion.checking.arrays import Elements
from ingestion.checking.base import CheckRequest
from ingestion.formats.scan import BLOCK, BYTES

BOM: Final = b"\xef\xbb\xbf"
TOO_LONG: Final = b"\0too long: "  # before what is kept of such a line; no line of JSON begins so
KEPT: Final = 64 << 10
BLANK: Final = (b"\n\n", b"\n\r\n")
OTHER: Final = re2.compile(rb"\n[^{]", BYTES)  # the start of a line that is no object; found by its line feed
INDENTED: Final = re.compile(rb"(?:^|\n)[ \t\r]*\[")
ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])


def blocks(pieces: Sequence[Path]) -> Iterator[bytes]:
    """The bytes of the upload, without a byte order mark."""
    head: bytes | None = b""  # of the upload, while it is too short to tell; pieces may be as short as one byte
    for piece in pieces:
        with piece.open("rb") as file:
            while block := file.read(BLOCK):
                if head is not None:
                    head += block
                    if len(head) < len(BOM):
                        continue
                    block, head = head.removeprefix(BOM), None
                yield block
    if head:
        yield head


def records(request: CheckRequest) -> Iterator[bytes]:
    """Chunks of whole lines, each line one record, by the request's own word on how they are written."""
    if request.multi_line:
        elements = Elements(limit=request.limits.line, name=request.name)
        for block in blocks(request.pieces):
            yield from elements.feed(block)
        yield from elements.finish()
    else:
        yield from Lines(request).read()


class Lines:
    """One way through one upload of JSON lines."""

    def __init__(self, request: CheckRequest) -> None:
        self._request = request
        self._limit = request.limits.line
        self._rest = b""
        self._array: Elements | None = None
        self._is_skipping = False

    def read(self) -> Iterator[bytes]:
        for block in blocks(self._request.pieces):
            yield from self._feed(block)
        if self._array:
            yield from self._array.finish()
        elif self._rest and not self._rest.isspace():
            yield from self._whole(self._rest.rstrip(b"\r") + b"\n")

    def _feed(self, block: bytes) -> Iterator[bytes]:
        if self._array:
            yield from self._array.feed(block)
            block = self._array.remainder
            if not self._array.is_closed:
                return
            self._array = None
        if self._is_skipping:
            end = block.find(b"\n")
            if end < 0:
                return
            block, self._is_skipping = block[end + 1 :], False
        data = self._rest + block
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        if cut:
            yield from self._whole(data[:cut])
        if len(self._rest) > self._limit:
            yield from self._long()

    def _long(self) -> Iterator[bytes]:
        """A line that does not end: an array is read on by its elements, anything else is skipped."""
        start, self._rest = self._rest, b""
        if start.lstrip()[:1] == b"[":
            self._array = Elements(limit=self._limit, name=self._request.name, is_single=True)
            yield from self._feed(start)
        else:
            self._is_skipping = True
            yield TOO_LONG + start[:KEPT] + b"\n"

    def _whole(self, lines: bytes) -> Iterator[bytes]:
        if _are_plain(lines) and self._limit >= BLOCK * 16:
            yield lines
            return
        if lines[:1] in b"\r\n" or any(blank in lines for blank in BLANK):
            lines = b"".join(line + b"\n" for line in lines.split(b"\n") if line and not line.isspace())
        if (b"\n[" in lines or lines[:1] in b"[ \t" or b"\n " in lines or b"\n\t" in lines) and INDENTED.search(lines):
            lines = b"".join(map(self._expanded, _split(lines)))
        if self._limit < BLOCK * 16 and any(len(line) > self._limit for line in _split(lines)):
            lines = b"".join(self._marked(line) for line in _split(lines))
        if lines:
            yield lines

    def _marked(self, line: bytes) -> bytes:
        return TOO_LONG + line[:KEPT].rstrip(b"\n") + b"\n" if len(line) > self._limit else line

    def _expanded(self, line: bytes) -> bytes:
        """The elements of a line that is an array; any other line as it is."""
        if line.lstrip()[:1] != b"[":
            return line
        try:
            elements = ELEMENTS.decode(line)
        except (msgspec.DecodeError, RecursionError):
            return line
        return b"".join(bytes(element) + b"\n" for element in elements)


def _are_plain(lines: bytes) -> bool:
    """Does each line begin as an object, so that none is blank, indented or an array? Nearly all do."""
    return lines[:1] == b"{" and not OTHER.search(lines)


def _split(lines: bytes) -> list[bytes]:
    """By line feeds only, which stay."""
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]
