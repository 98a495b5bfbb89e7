"""What an answer is: JSON as a whole, or JSON lines (NDJSON). Anything else is named, so that people know what came."""

import re
from collections.abc import Sequence
from typing import Any, Final

from connectors.protocol import Fault, SourceError
from connectors.rest.client import TryAgain
from connectors.rest.selection import Contents, Path, Selector
from connectors.rest.text import on_one_line, utf8_text
from connectors.rest.wire import Answer

MEDIA: Final = re.compile(r"\s*([\w.+-]{1,40}/[\w.+-]{1,60})")
LINES: Final = re.compile(
    r"(application|text)/(x-)?(ndjson|jsonl|jsonlines|json-lines|json-stream|json-seq|stream\+json)"
)
GUARD: Final = re.compile(
    rb"\s*(?:\)\]\}',?|for\s*\(;;\);|while\s*\(1\);)"
)  # put before JSON, so that no script runs it
CALL: Final = re.compile(
    rb"(?:/\*.{0,200}?\*/)?[\s;]{0,9}(?:typeof [^{}]{1,200}&&)?\s{0,9}[A-Za-z_$][\w$.\[\]]{0,200}\s{0,9}\(\s{0,9}[\[{]",
    re.S,
)
BLANK: Final = b" \t\r\x1e"  # the last begins a record of application/json-seq


class Foreign(TryAgain):
    """It will not be JSON next time either: `error` says what it is."""

    def __init__(self, error: SourceError) -> None:
        super().__init__(error.message)
        self.error = error


def contents_of(answer: Answer, selector: Selector) -> Contents:
    """Raises TryAgain for what cannot be read, Foreign where that will stay so, SourceError for unknown characters."""
    text = utf8_text(answer)
    if guard := GUARD.match(text):
        text = text[guard.end() :]
    found = MEDIA.match(answer.headers.get("content-type", ""))
    media = found[1].lower() if found else ""
    if LINES.fullmatch(media):
        return _declared(text, selector)
    try:
        return selector.read(on_one_line(text))
    except TryAgain as problem:
        lines = _lines(text)
        if len(lines) > 1 and all(line[:1] == b"{" and line[-1:] == b"}" for line in lines):
            return _read(lines, selector)
        named = _named(text.strip(), media, problem)
    raise named


def _declared(text: bytes, selector: Selector) -> Contents:
    """What is said to be JSON lines; none at all are no records. Some say so of JSON as a whole."""
    lines = _lines(text)
    try:
        return _read(lines, selector)
    except TryAgain as problem:
        try:
            return selector.read(on_one_line(text))
        except TryAgain:
            raise problem from None


def _lines(text: bytes) -> list[bytes]:
    return [line for raw in text.split(b"\n") if (line := raw.strip(BLANK))]


def _read(lines: Sequence[bytes], selector: Selector) -> Contents:
    """One value a line: a record, or what holds it where the manifest says."""
    if not selector.is_whole:
        return _joined([selector.read(line) for line in lines])
    if lines and lines[0][:1] == b"<":
        return selector.read(lines[0])
    try:
        contents = selector.read(b"[%s]" % b",".join(lines))
    except TryAgain:
        selector.read(lines[-1])  # most often it is the last that was cut
        raise
    if contents.count != len(lines):
        raise TryAgain("its answer was no valid JSON")
    return contents


def _joined(each: Sequence[Contents]) -> Contents:
    facts: dict[Path, Any] = {}
    for contents in each:
        facts = {**contents.facts, **{path: value for path, value in facts.items() if contents.facts.get(path) is None}}
    missing = next((contents for contents in each if not contents.found), None)
    if missing is not None:
        return Contents(facts=facts, found=False, keys=missing.keys)
    lines = b"".join(contents.lines for contents in each)
    return Contents(lines=lines, count=sum(contents.count for contents in each), facts=facts)


def _named(text: bytes, media: str, problem: TryAgain) -> TryAgain:
    """The trouble in words that say what came instead."""
    if CALL.match(text) and text.rstrip(b"; \t\r\n")[-1:] == b")":
        return Foreign(_jsonp())
    if text[:5] == b"<?xml" or (text[:1] == b"<" and media.endswith(("/xml", "+xml")) and "html" not in media):
        return TryAgain("it answered with XML instead of JSON")
    if media and "json" not in media and text[:1] not in (b"", b"<"):
        return TryAgain(f"{problem.reason} (it calls itself {media})")
    return problem


def _jsonp() -> SourceError:
    return SourceError(
        "The source answered with JSONP (JSON inside the call of a function), which is not read,",
        fault=Fault.CONFIG,
        advice="Take the parameter that asks for it, often `callback` or `jsonp`, out of the endpoint's params "
        "in the manifest; where there is none, ask the source's operator how to get plain JSON.",
    )
