"""Single lines into judged records: the slow and sure way, of which tiny files and flagged records go."""

import re
from dataclasses import dataclass
from typing import Any, Final

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.compiling import compile_checked
from ingestion.checking.judge import Judge, fault
from ingestion.checking.lines import TOO_LONG
from ingestion.checking.problems import Problems
from ingestion.checking.schema import Schema
from ingestion.formats.decode import DEEPEST, Decoder, Unreadable

WHYS: Final = {
    "bad_json": "it is no valid JSON",
    "part": "it is a part of one. A record must be one line; for an array over several lines, create the batch with "
    "isMultiLineJson",
    "not_an_object": "it is no JSON object",
    "too_deep": "it is nested too deep",
    "not_utf8": "it is no UTF-8 text",
    "too_long": "it is longer than one record may be",
}


# The lines of JSON that is written over several: of brackets alone, or a value, and often a comma, of what goes on.
PART: Final = re.compile(rb'[\[{}\]]+\s*,?|"(?:[^"\\]|\\.)*+"\s*:.*|\{.*\}\s*,', re.DOTALL)
LONGEST_PART: Final = 10_000


class StrictDecoder(Decoder):
    """Refuses NaN and infinities, which a batch may not hold."""

    def _constant(self, _: str) -> Any:
        raise Unreadable("nan")

    def document(self, text: str, column: str) -> str | None:
        """The text of JSON of any kind, clean; None for null. Raises Unreadable."""
        try:
            return self.raw(self._decode(text), column)
        except RecursionError as error:
            raise Unreadable("too_deep") from error
        except ValueError as error:
            raise Unreadable("bad_json") from error

    def record(self, line: bytes) -> dict[str, Any]:
        if line.startswith(TOO_LONG):
            raise Unreadable("too_long")
        try:
            return super().record(line)
        except Unreadable as reason:
            raise _clearer(line) or reason from reason


def _clearer(line: bytes) -> Unreadable | None:
    try:
        line.decode()
    except UnicodeDecodeError:
        return Unreadable("not_utf8")
    return None


@dataclass(frozen=True)
class Good:
    """A record that passed, its values converted; `line` are its bytes, None where the values are other ones now."""

    record: dict[str, Any]
    line: bytes | None


class Reader:
    """Reads lines one by one and turns bad ones into problems."""

    def __init__(self, request: CheckRequest, problems: Problems) -> None:
        self.schema: Schema | None = compile_checked(request.schema) if request.schema is not None else None
        self.decoder = StrictDecoder()
        self.judge = Judge(self.schema, request.key, most_fields=request.limits.fields)
        self._problems, self._multi_line = problems, request.multi_line
        self._nesting = nesting_of(request)

    def one(self, line: bytes, position: int) -> Good | None:
        """The record of a line if it passes; else it is among the problems."""
        try:
            record = self.decoder.record(line)
            self._measure(line, record)
        except Unreadable as reason:
            self._turn_down(str(reason), line, position)
            return None
        faults = self.judge.judge(record)
        if faults:
            self._problems.reject(position, faults, raw=line)
            return None
        return Good(record, None if self.judge.has_converted else line)

    def _turn_down(self, reason: str, line: bytes, position: int) -> None:
        raw = line.removeprefix(TOO_LONG)
        if reason == "nan":
            self._problems.reject(position, [fault(codes.NOT_FINITE)], raw=raw)
        else:
            is_part = reason == "bad_json" and not self._multi_line and _is_part(raw)
            self._problems.unreadable(position, WHYS["part" if is_part else reason], raw=raw)

    def _measure(self, line: bytes, record: Any) -> None:
        """A record with few brackets cannot be deep."""
        if line.count(b"[") + line.count(b"{") > self._nesting and depth_of(record, self._nesting) > self._nesting:
            raise Unreadable("too_deep")


def nesting_of(request: CheckRequest) -> int:
    """How deep brackets may stand in brackets, those of the record included."""
    return min(request.limits.nesting, DEEPEST - 1)


def _is_part(line: bytes) -> bool:
    return len(line) < LONGEST_PART and PART.fullmatch(line.strip()) is not None


def depth_of(value: Any, most: int) -> int:
    """How deep brackets stand in brackets; it stops counting beyond `most`."""
    if most < 0 or not isinstance(value, dict | list):
        return 0
    items = value.values() if isinstance(value, dict) else value
    return 1 + max((depth_of(item, most - 1) for item in items), default=0)
