"""Cuts one JSON array over any number of lines into its elements, each on a line of its own, while its bytes come in.

Most cuts are native: a piece that ends where an object closes before a comma is parsed as an array, and if that works
the cut was right. Where it does not, a tokenizer walks the brackets, so that a broken element harms no other.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from ingestion.checking import codes
from ingestion.checking.codes import FileRefused, refuse

ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
BETWEEN: Final = re.compile(rb"\}\s*,\s*(?=[{])")
TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|["\[\]{},]', re.DOTALL)
ATTEMPTS: Final = 6
ENOUGH: Final = 1 << 16  # bytes before a cut is worth looking for
TO_SPACES: Final = bytes(32 if byte in b"\r\n" else byte for byte in range(256))


class Elements:
    """Fed with bytes, gives chunks of lines. `is_single`: the first array is all, what follows is `remainder`."""

    def __init__(self, *, limit: int, name: str, is_single: bool = False) -> None:
        self.is_closed = False
        self.remainder = b""
        self._limit, self._name, self._is_single = limit, name, is_single
        self._data = b""
        self._in_array = False
        self._may_end = True  # after a comma an element must come
        self._separator = b""
        self._at = self._depth = 0  # of the tokenizer, in `_data`
        self._count = 0
        self._failures = self._pause = 0

    def feed(self, block: bytes) -> Iterator[bytes]:
        """Take in bytes. Raises FileRefused where no element can be told from the next."""
        self._data += block
        while not self.is_closed:
            before = len(self._data), self._in_array
            yield from self._inside() if self._in_array else self._outside()
            if (len(self._data), self._in_array) == before:
                break
        if len(self._data) > self._limit and not self.is_closed:
            raise self._refused(f"record {self._count} has no end, or is larger than {self._limit >> 20} MB")

    def finish(self) -> Iterator[bytes]:
        """The end of the upload. Raises FileRefused where it is cut short."""
        if self._in_array or self._data.strip():
            raise self._refused(f"it ends within record {self._count}, so it is probably cut short")
        return iter(())

    def _refused(self, why: str) -> FileRefused:
        return refuse(codes.NOT_JSON, name=self._name, why=why)

    def _outside(self) -> Iterator[bytes]:
        """Between top-level values: arrays are entered, an object on its own is a record."""
        self._data = self._data.lstrip()
        first = self._data[:1]
        if first == b"[":
            self._drop(1)
            self._in_array, self._may_end = True, True
        elif first == b"{":
            yield from self._object()
        elif first:
            raise self._refused("expected an array of objects, something else came")

    def _object(self) -> Iterator[bytes]:
        for token in self._tokens():
            if self._depth == 0 and token.group() in b"}]":
                yield self._emit(self._data[: token.end()])
                self._drop(token.end())
                return

    def _inside(self) -> Iterator[bytes]:
        if self._at == 0:
            self._data = self._data.lstrip()
            if self._is_worth_it() and (chunk := self._quick()):
                yield chunk
                return
        yield from self._slow()

    def _is_worth_it(self) -> bool:
        """Is a native cut likely? After each that failed, the tokenizer goes on for longer."""
        if self._pause:
            self._pause -= 1
            return False
        return len(self._data) >= ENOUGH and self._data[:1] == b"{"

    def _quick(self) -> bytes:
        """As many whole elements as the last right cut has before it; nothing if none was found."""
        for end, start in self._candidates():
            piece = b"[" + self._data[:end] + b"]"
            try:
                elements = ELEMENTS.decode(piece)
                if b"\n" in piece or b"\r" in piece:
                    elements = ELEMENTS.decode(piece.translate(TO_SPACES))
            except (msgspec.DecodeError, RecursionError):
                continue
            self._separator = self._data[end - 1 : start]
            self._drop(start)
            self._may_end = False
            self._count += len(elements)
            self._failures = 0
            return b"\n".join(elements) + b"\n"
        self._failures += 1
        self._pause = 2 ** min(self._failures, 8)
        return b""

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Ends of objects before a comma, and where the next begins; the last first."""
        end = len(self._data)
        for _ in range(ATTEMPTS if self._separator else 0):
            end = self._data.rfind(self._separator + b"{", 0, end)
            if end < 0:
                break
            yield end + 1, end + len(self._separator)
        tail = max(0, len(self._data) - ENOUGH)
        for found in list(BETWEEN.finditer(self._data, tail))[-ATTEMPTS:][::-1]:
            yield found.start() + 1, found.end()

    def _slow(self) -> Iterator[bytes]:
        """Element by element."""
        made, start = [], 0
        for token in self._tokens():
            sign = token.group()
            if sign == b"}" and self._depth < 0:
                self._depth = 0  # closes nothing: a part of a broken element
            if self._depth >= 0 and not (sign == b"," and self._depth == 0):
                continue
            element = self._data[start : token.start()].strip()
            start = token.end()
            if sign == b"]":
                self._in_array, self._depth = False, 0
                made += [self._emit(element)] if element or not self._may_end else []
                break
            made.append(self._emit(element))
            self._may_end = False
            if start > ENOUGH:
                break
        if start:
            self._drop(start)
            if not self._in_array and self._is_single:
                self.is_closed, self.remainder, self._data = True, self._data, b""
        if made:
            yield b"".join(made)

    def _tokens(self) -> Iterator[re.Match[bytes]]:
        """Brackets and commas outside of strings. Stops where the data does, and goes on there when there is more."""
        while token := TOKEN.search(self._data, self._at):
            sign = token.group()
            if sign == b'"':
                return  # a string that has not ended yet
            self._at = token.end()
            self._depth += (sign in (b"{", b"[")) - (sign in (b"}", b"]"))
            if len(sign) == 1:
                yield token

    def _emit(self, element: bytes) -> bytes:
        self._count += 1
        return (element.translate(TO_SPACES) or b"null") + b"\n"

    def _drop(self, count: int) -> None:
        self._data = self._data[count:]
        self._at = self._depth = 0
