"""One look at a spool's bytes, before anything is decoded: how many lines, a sample of them, and whether a value is
in there that the native reader would change in silence. Reads in blocks, so memory does not grow with the spool.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

BLOCK: Final = 4 << 20
FIRST_SAMPLE: Final = 120  # lines from the spool's head, then a few from every block, to meet rare keys early
BLOCK_SAMPLE: Final = 16
EXACT_DIGITS: Final = 15  # a decimal of so many significant digits survives a double unchanged

# Digits become 0 and E becomes e: a long number is then a fixed string, which is found at memory speed.
SHAPE: Final = bytes(48 if 48 <= byte < 58 else 101 if byte == 69 else byte for byte in range(256))
# More than 15 digits with a point among them have 9 behind it or 8 before it; then exponents beyond a double.
LONG: Final = ((b".000000000", 0), (b"00000000.0", 8), (b"0" * 16 + b"e", 16), (b"0e-000", 1))
HEAD: Final = re.compile(rb"-?[0-9][0-9.]*\Z")
TAIL: Final = re.compile(rb"(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WINDOW: Final = 40
VALUE_STARTS: Final = b":,[ \t-"
VALUE_ENDS: Final = b",]} \t\r\n"
NO_NUMBERS: Final = (b"NaN", b"Infinity")


@dataclass
class Survey:
    """What one look at the bytes of a spool told."""

    lines: int = 0
    longest_block: int = 0
    sample: list[bytes] = field(default_factory=list)
    reason: str = ""  # why the exact path is needed; empty when the native reader keeps every value


def survey(spool: Sequence[Path]) -> Survey:
    """Read the spool once."""
    seen = Survey()
    for path in spool:
        for block in _blocks(path):
            seen.lines += block.count(b"\n") + (not block.endswith(b"\n"))
            seen.longest_block = max(seen.longest_block, len(block))
            seen.sample += _head(block, BLOCK_SAMPLE if seen.sample else FIRST_SAMPLE)
            seen.reason = seen.reason or _reason(block)
    return seen


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block if block.endswith(b"\n") else block + file.readline()


def _head(block: bytes, count: int) -> list[bytes]:
    return [line for line in block[: 1 << 18].split(b"\n", count)[:-1] if line] or block.split(b"\n", 1)[:1]


def _reason(block: bytes) -> str:
    if b"\\u0000" in block:
        return "nul"
    if any(_is_value(block, word) for word in NO_NUMBERS):
        return "nan"
    shape = block.translate(SHAPE)
    return "digits" if any(_is_lossy(block, shape, mark, core) for mark, core in LONG) else ""


def _is_value(block: bytes, word: bytes) -> bool:
    """Does this word stand outside of strings, as far as its neighbours tell?"""
    at = block.find(word)
    while at >= 0:
        end = at + len(word)
        if block[max(0, at - 1) : at] in VALUE_STARTS and (end == len(block) or block[end] in VALUE_ENDS):
            return True
        at = block.find(word, end)
    return False


def _is_lossy(block: bytes, shape: bytes, mark: bytes, core: int) -> bool:
    """Is there a number around any place of `mark` that a double would change?"""
    at = shape.find(mark)
    while at >= 0:
        middle = at + core
        tail = TAIL.match(block, middle)
        end = tail.end() if tail else middle
        if not _survives(block, middle, end):
            return True
        at = shape.find(mark, max(end, at + 1))
    return False


def _survives(block: bytes, middle: int, end: int) -> bool:
    start = max(0, middle - WINDOW)
    head = HEAD.search(block[start:middle])
    if head is None:
        return True
    begin = start + head.start()
    if begin == start and start > 0:
        return False  # longer than the window: let the exact path look
    is_value = begin > 0 and block[begin - 1] in VALUE_STARTS and (end == len(block) or block[end] in VALUE_ENDS)
    return not is_value or keeps(block[begin:end].decode())


def keeps(number: str) -> bool:
    """Does this JSON number come out of a double with the value it has?"""
    shortest = repr(float(number))
    if shortest == number:
        return True
    try:
        return Decimal(shortest) == Decimal(number)
    except InvalidOperation:
        return False
