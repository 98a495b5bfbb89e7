"""Picks the records out of an answer as JSON lines, undecoded, and the few values beside them that paging needs.

The body is walked once by a decoder made for the endpoint's paths; records are never decoded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from connectors.protocol import Fault, SourceError
from connectors.rest.client import TryAgain
from connectors.rest.text import shield

Path = tuple[str, ...]
OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
ARRAY: Final = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What an answer holds: records as lines, and `facts` by path (None where the answer has none)."""

    lines: bytes = b""
    count: int = 0
    facts: Mapping[Path, Any]
    found: bool = True  # there was something at the path of the records
    keys: tuple[str, ...] = ()  # the answer's own keys, when nothing was found


@dataclass(frozen=True)
class _Raw:
    records: list[Raw] | None
    facts: dict[Path, Any]
    keys: tuple[str, ...] = ()


class Selector:
    """Reads answers of one endpoint. Safe to share between threads."""

    def __init__(self, records: Path, facts: Iterable[Path]) -> None:
        self._records = records
        self._facts = tuple(dict.fromkeys(facts))
        self._decoder = _Outline(records, self._facts) if records else None

    @property
    def is_whole(self) -> bool:
        """Is the answer itself the list of records?"""
        return not self._records

    def read(self, text: bytes) -> Contents:
        """Raises TryAgain for what is no JSON, or not all of it."""
        stripped = text.strip()
        if not stripped:
            raise TryAgain("its answer was empty")
        if stripped[:1] == b"<":
            raise TryAgain("it answered with a web page (HTML) instead of JSON")
        try:
            return self._contents(self._decode(stripped))
        except RecursionError as error:
            raise SourceError(
                "The answer is nested too deeply to be read",
                fault=Fault.DATA,
                advice="Ask the source's operator about records nested a thousand levels deep.",
            ) from error
        except msgspec.DecodeError as error:
            shielded = shield(stripped)
            if shielded is None:
                raise _unreadable(error) from error
        try:
            contents = self._contents(self._decode(shielded.text))
        except msgspec.DecodeError as error:
            raise _unreadable(error) from error
        return replace(contents, lines=shielded.reveal(contents.lines))

    def _contents(self, raw: _Raw) -> Contents:
        if raw.records is None:
            return Contents(facts=raw.facts, found=False, keys=raw.keys)
        lines = b"\n".join([*raw.records, b""])
        return Contents(lines=lines, count=len(raw.records), facts=raw.facts)

    def _decode(self, text: bytes) -> _Raw:
        if self._decoder is None:
            return self._root(text)
        try:
            return self._decoder.read(text)
        except msgspec.ValidationError:  # JSON, but of another shape than usual
            return self._walk(text)

    def _root(self, text: bytes) -> _Raw:
        if text[:1] == b"[":
            return _Raw(ARRAY.decode(text), {})
        return self._walk(text)

    def _walk(self, text: bytes) -> _Raw:
        """Any shape, step by step: slower, for single objects and surprises."""
        msgspec.json.decode(text, type=Raw)
        facts = {path: _value(_at(text, path)) for path in self._facts}
        value = _at(text, self._records)
        if value is None or not _may_hold_records(value):
            return _Raw(None, facts, _keys(text))
        return _Raw(_as_list(value), facts)


class _Outline:
    """A decoder that keeps the records' array raw, decodes the facts, and skips everything else in one walk."""

    def __init__(self, records: Path, facts: tuple[Path, ...]) -> None:
        self._records = records
        self._inside = tuple(path for path in facts if not _collides(path, records, facts))
        self._aside = tuple(path for path in facts if path not in self._inside)
        self._names: dict[Path, str] = {}
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self._struct((), (records, *self._inside)))

    def _struct(self, at: Path, paths: tuple[Path, ...]) -> type:
        fields: list[tuple[str, Any, Any]] = []
        names: dict[str, str] = {}
        for key in dict.fromkeys(path[len(at)] for path in paths if path[: len(at)] == at):
            here = (*at, key)
            name = self._names[here] = f"f{len(self._names)}"
            names[name] = key
            fields.append((name, self._type(here, paths), UNSET))
        return msgspec.defstruct("Outline", fields, rename=names)

    def _type(self, here: Path, paths: tuple[Path, ...]) -> Any:
        if here == self._records:
            return list[Raw] | None | UnsetType
        if here in self._inside:
            return Any
        return self._struct(here, tuple(path for path in paths if path[: len(here)] == here)) | None | UnsetType

    def read(self, text: bytes) -> _Raw:
        outline = self._decoder.decode(text)
        facts = {path: self._get(outline, path) for path in self._inside}
        facts |= {path: _value(_at(text, path)) for path in self._aside}
        records = self._get(outline, self._records, missing=UNSET)
        if records is UNSET:
            return _Raw(None, facts, _keys(text))
        return _Raw(records or [], facts)

    def _get(self, outline: Any, path: Path, missing: Any = None) -> Any:
        for depth in range(1, len(path) + 1):
            if outline is None or outline is UNSET:
                return missing
            outline = getattr(outline, self._names[path[:depth]])
        return missing if outline is UNSET else outline


def _collides(path: Path, records: Path, facts: tuple[Path, ...]) -> bool:
    """One path lies inside another, so that one decoder cannot keep both."""
    others = [records, *(fact for fact in facts if fact != path)]
    return any(path[: len(other)] == other or other[: len(path)] == path for other in others)


def _at(text: bytes, path: Path) -> bytes | None:
    """The raw text at a path; None where the answer has no such thing."""
    current = text
    for key in path:
        if current.lstrip()[:1] != b"{":
            return None
        found = OBJECT.decode(current).get(key)
        if found is None:
            return None
        current = bytes(found)
    return current.strip()


def _may_hold_records(value: bytes) -> bool:
    """A list, a single record, or null; text, a number or a boolean in their place is an answer of another kind."""
    return value[:1] in (b"[", b"{") or value == b"null"


def _as_list(value: bytes) -> list[Raw]:
    if value[:1] == b"[":
        return ARRAY.decode(value)
    return [] if value == b"null" else [Raw(value)]


def _value(text: bytes | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _keys(text: bytes) -> tuple[str, ...]:
    return tuple(OBJECT.decode(text))[:8] if text[:1] == b"{" else ()


def _unreadable(error: msgspec.DecodeError) -> TryAgain:
    cut = "truncated" in str(error)
    return TryAgain("its answer was cut short" if cut else "its answer was no valid JSON")
