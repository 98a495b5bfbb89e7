"""What a client asks a batch to be: the body of a create request, read and checked, before anything is looked up."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ingestion.refusals import Refused, Why

FORMATS: Final = ("json", "parquet", "csv")
USUAL_FORMAT: Final = "parquet"
CHARSETS: Final = {name.lower(): name for name in ("UTF-8", "US-ASCII", "ISO-8859-1")}
LONGEST_ID: Final = 255
LONGEST_REASON: Final = 1000
MOST_PREDECESSORS: Final = 1000
MOST_TAGS: Final = 100
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, kw_only=True)
class Creation:
    """A batch to be. `input_format` is as it is kept and shown; ids of predecessors are without their `$`."""

    dataset_id: str
    external_id: str | None = None
    input_format: Mapping[str, Any] = field(default_factory=lambda: {"format": USUAL_FORMAT})
    diagnostics: bool | None = None  # none: as the dataset has it
    error_percent: float | None = None
    predecessors: tuple[str, ...] = ()
    predecessors_by_external_id: tuple[str, ...] = ()
    reason: str = ""
    tags: Mapping[str, list[str]] = field(default_factory=dict)


def read_creation(body: Mapping[str, Any]) -> Creation:
    """Raises Refused: INVALID, naming the member and what it should be."""
    replay = _object(body, "replay")
    return Creation(
        dataset_id=plain_id(_text(body, "datasetId", required=True) or ""),
        external_id=_text(body, "externalId"),
        input_format=_input_format(_object(body, "inputFormat")),
        diagnostics=_truth(body, "enableErrorDiagnostics"),
        error_percent=_percent(body),
        predecessors=_ids(replay, "predecessors"),
        predecessors_by_external_id=_ids(replay, "predecessorsByExternalId"),
        reason=_text(replay, "reason", longest=LONGEST_REASON) or "",
        tags=_tags(_object(body, "tags")),
    )


def plain_id(text: str) -> str:
    """An id without the `$` that the wire puts before ids in a body; also of `${id}`."""
    bare = text.strip().removeprefix("$")
    return bare[1:-1] if bare.startswith("{") and bare.endswith("}") else bare


def _input_format(told: Mapping[str, Any]) -> dict[str, Any]:
    name = (_text(told, "format", at="inputFormat.") or USUAL_FORMAT).lower()
    if name not in FORMATS:
        raise _wrong("inputFormat.format", f"one of {', '.join(FORMATS)}")
    if name == "json":
        return {"format": name, "isMultiLineJson": bool(_truth(told, "isMultiLineJson", at="inputFormat."))}
    return {"format": name, **(_csv_options(told) if name == "csv" else {})}


def _csv_options(told: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were given, as the catalog shows them: `header` is a text there."""
    given: dict[str, Any] = {}
    for name in ("delimiter", "quote", "escape"):
        if (mark := told.get(name)) is not None:
            given[name] = csv_mark(mark, f"inputFormat.{name}")
    if given.get("delimiter", ",") == given.get("quote", '"'):
        raise _wrong("inputFormat.delimiter", "another character than the quote")
    if (marker := told.get("nullMarker")) is not None:
        if not isinstance(marker, str) or len(marker) > LONGEST_ID:
            raise _wrong("inputFormat.nullMarker", f"a text of at most {LONGEST_ID} characters")
        given["nullMarker"] = marker
    if (header := _truth(told, "header", at="inputFormat.")) is not None:
        given["header"] = str(header).lower()
    if (charset := told.get("charset")) is not None:
        given["charset"] = csv_charset(charset, "inputFormat.charset")
    return given


def csv_mark(mark: Any, name: str) -> str:
    """One character that separates or encloses. `\\t` may be written out."""
    mark = "\t" if mark == "\\t" else mark
    if not isinstance(mark, str) or len(mark) != 1 or not mark.isascii() or mark in "\r\n\0":
        raise _wrong(name, "one ASCII character, and no line end")
    return mark


def csv_charset(charset: Any, name: str) -> str:
    known = CHARSETS.get(charset.lower()) if isinstance(charset, str) else None
    if known is None:
        raise _wrong(name, f"one of {', '.join(CHARSETS.values())}")
    return known


def truth(value: Any, name: str) -> bool:
    """A boolean, also written as text in any case: one client sends `True`."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise _wrong(name, "true or false")
    return value


def _truth(body: Mapping[str, Any], name: str, *, at: str = "") -> bool | None:
    return None if body.get(name) is None else truth(body[name], at + name)


def _text(
    body: Mapping[str, Any], name: str, *, required: bool = False, longest: int = LONGEST_ID, at: str = ""
) -> str | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > longest or CONTROL.search(value):
        raise _wrong(at + name, f"a text of 1 to {longest:,} characters without control characters")
    return value


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _wrong(name, "an object")
    return value


def _percent(body: Mapping[str, Any]) -> float | None:
    """`partialIngestionPercentage` is what an older guide called it."""
    name = "partialIngestionPercent"
    value = body.get(name)
    if value is None:
        value = body.get("partialIngestionPercentage")
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 100:
        raise _wrong(name, "a number from 0 to 100")
    return number


def _ids(replay: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = replay.get(name)
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > MOST_PREDECESSORS
        or not all(isinstance(each, str) for each in value)
    ):
        raise _wrong(f"replay.{name}", f"a list of at most {MOST_PREDECESSORS:,} ids, each as a text")
    plain = tuple(dict.fromkeys(plain_id(each) for each in value))
    if not all(0 < len(each) <= LONGEST_ID and not CONTROL.search(each) for each in plain):
        raise _wrong(f"replay.{name}", f"a list of ids of 1 to {LONGEST_ID} characters")
    return plain


def _tags(told: Mapping[str, Any]) -> dict[str, list[str]]:
    if len(told) > MOST_TAGS:
        raise _wrong("tags", f"an object of at most {MOST_TAGS} names")
    return {_tag_name(name): _tag_values(name, values) for name, values in told.items()}


def _tag_name(name: str) -> str:
    if not 0 < len(name) <= LONGEST_ID or CONTROL.search(name):
        raise _wrong("tags", f"an object whose names have 1 to {LONGEST_ID} characters")
    return name


def _tag_values(name: str, values: Any) -> list[str]:
    """A list of texts; a single text stands for a list of it."""
    listed = [values] if isinstance(values, str) else values
    fine = isinstance(listed, list) and len(listed) <= MOST_TAGS
    if not fine or not all(isinstance(each, str) and len(each) <= LONGEST_REASON for each in listed):
        raise _wrong(f"tags.{name[:64]}", f"a list of at most {MOST_TAGS} texts")
    return list(listed)


def _wrong(name: str, expected: str) -> Refused:
    return Refused(Why.INVALID, f"“{name}” must be {expected}.")
