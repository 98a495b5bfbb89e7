"""Looks at a spool's bytes: how many lines, a sample of them, and whether a value is in there that the native reader
would change in silence. Reads in blocks, so memory does not grow with the spool.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

import re2

BYTES: Final = re2.Options()
BYTES.encoding = re2.Options.Encoding.LATIN1  # each byte is a sign, also those that are no UTF-8
BLOCK: Final = 1 << 18  # stays in the cache between the searches, and in memory that we have: 1 MB costs half more
FIRST_SAMPLE: Final = 120  # lines from the spool's head, then one from every block, to meet rare keys early
BLOCK_SAMPLE: Final = 1

# A decimal of 15 significant digits survives a double unchanged. More with a point among them have 9 behind it or 8
# before it. Found by the point, so at memory speed.
LONG_DECIMAL: Final = re.compile(rb"\.(?:[0-9]{9,}|(?<=[0-9]{8}\.)[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A long mantissa without a point, and exponents below a double's: fixed strings once digits are 0 and E is e.
SHAPE: Final = bytes(48 if 48 <= byte < 58 else 101 if byte == 69 else byte for byte in range(256))
POWERS: Final = (b"0" * 16 + b"e", b"0e-000")
POWER: Final = re.compile(rb"[eE][+-]?[0-9]+")
HALF: Final = re.compile(rb"[0-9.]+(?:[eE][+-]?[0-9]+)?")
NUMBER: Final = re.compile(rb"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
WINDOW: Final = 40
VALUE_STARTS: Final = b":,[ \t-"
VALUE_ENDS: Final = b",]} \t\r\n"
STARTS: Final = (b":", b",", b"[")
NO_NUMBERS: Final = (b"NaN", b"Infinity")
ODD_WORDS: Final = (re.compile(rb"nan[,\]}\s]"), re.compile(rb"inf(?:inity)?[,\]}\s]"))  # taken in any case
IDLE_COMMA: Final = re2.compile(rb",[ \t]*[\]}]", BYTES)  # which it passes over
NUL: Final = rb"\u0000"
# Whatever may be one of these, or a number whose power of ten a double would change, and little else: one look for all.
RISK: Final = re2.compile(
    rb"(?i:nan|inf(?:inity)?)[,\]}\s]|,[ \t]*[\]}]|[0-9]{16}[eE]|[0-9][eE]-[0-9]{3}|" + re2.escape(NUL),
    BYTES,
)
NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}\n")
LEVELS: Final = 50  # half of what a record of a batch may have


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


def _reason(block: bytes) -> str:
    """Is there what the native reader takes though it is no JSON, or more depth than any record may have?"""
    if _has_long_decimal(block):
        return "digits"
    if RISK.search(block) and (reason := _risk(block)):
        return reason
    return "deep" if _may_be_deep(block) else ""


def _risk(block: bytes) -> str:
    """Which of the risks is one indeed? Empty where text only looked like it."""
    if IDLE_COMMA.search(block):
        return "comma"
    if _has_odd_word(block):
        return "nan"
    if NUL in block:
        return "nul"
    return "digits" if _has_lossy_power(block) else ""


def _has_odd_word(block: bytes) -> bool:
    """Is NaN or an infinity in there in a spelling that Python's decoder does not know?"""
    lower = block.lower()
    return any(
        lower[at - 1 : at] in VALUE_STARTS and block[at : found.end() - 1] not in NO_NUMBERS
        for word in ODD_WORDS
        for found in word.finditer(lower)
        if (at := found.start())
    )


def _may_be_deep(block: bytes) -> bool:
    """Pairs of brackets are taken out from within, level by level: of a deep line many are left. So are those that
    stand alone in strings, and then the exact path looks for nothing."""
    left = block.translate(None, NO_BRACKETS)
    for _ in range(LEVELS):
        inner = left.replace(b"[]", b"").replace(b"{}", b"")
        if len(inner) == len(left):
            break
        left = inner
    return any(len(line) > 2 * LEVELS for line in left.split(b"\n"))


def has_no_numbers(spool: Sequence[Path]) -> bool:
    """Is there NaN or an infinity outside of strings?"""
    return any(_is_value(block, word) for path in spool for block in _blocks(path) for word in NO_NUMBERS)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block if block.endswith(b"\n") else block + file.readline()


def _head(block: bytes, count: int) -> list[bytes]:
    return [line for line in block[: 1 << 18].split(b"\n", count)[:-1] if line] or block.split(b"\n", 1)[:1]


def _is_value(block: bytes, word: bytes) -> bool:
    """Does this word stand outside of strings, as far as its neighbours tell?"""
    at = block.find(word)
    while at >= 0:
        end = at + len(word)
        if block[max(0, at - 1) : at] in VALUE_STARTS and (end == len(block) or block[end] in VALUE_ENDS):
            return True
        at = block.find(word, end)
    return False


def _has_long_decimal(block: bytes) -> bool:
    """Is there a number with many digits around its point that a double would change?"""
    for found in LONG_DECIMAL.finditer(block):
        start, end = found.span()
        head = block[max(0, start - WINDOW) : end]
        number = head[head.rfind(b":") + 1 :]
        try:
            if repr(float(number)).encode() == number:
                continue  # by far the most: a full-blown double, printed by a machine
        except ValueError:
            pass
        if not _survives(block, start, end):
            return True
    return False


def _has_lossy_power(block: bytes) -> bool:
    """Is there a number with a power of ten that a double would change?"""
    shape = block.translate(SHAPE)
    return any(_has_power(block, shape, mark, mark.index(b"e")) for mark in POWERS)


def _has_power(block: bytes, shape: bytes, mark: bytes, offset: int) -> bool:
    at = shape.find(mark)
    while at >= 0:
        found = POWER.match(block, at + offset)
        if found and not _survives(block, *found.span()):
            return True
        at = shape.find(mark, at + offset)
    return False


def _survives(block: bytes, start: int, end: int) -> bool:
    """Does the number that ends here keep its value? Text that only looks like one is none of our business."""
    head = block[max(0, start - WINDOW) : end]
    number = head[max(head.rfind(mark) for mark in STARTS) + 1 :].lstrip(b" \t")
    if end < len(block) and block[end] not in VALUE_ENDS:
        return True
    if len(number) == len(head) and start > WINDOW:
        return HALF.fullmatch(number) is None  # longer than the window: the exact path shall look
    return NUMBER.fullmatch(number) is None or keeps(number.decode())


def keeps(number: str) -> bool:
    """Does this JSON number come out of a double with the value it has?"""
    shortest = repr(float(number))
    if shortest == number:
        return True
    try:
        return Decimal(shortest) == Decimal(number)
    except InvalidOperation:
        return False
