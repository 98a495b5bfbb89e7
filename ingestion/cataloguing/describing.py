"""What a client says about a dataset, in our words, and whether it can be taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ingestion.checking.compiling import compile_schema
from ingestion.checking.schema import SchemaProblem
from ingestion.models import Dataset
from ingestion.refusals import Refused, Why

POLICIES: Final = ("evolve", "freeze", "discard_columns")
FORMATS: Final = ("parquet", "json", "csv", "avro")
LONGEST_NAME: Final = 255
LONGEST_TEXT: Final = 10_000
MOST_KEY_FIELDS: Final = 32
MOST_SAID: Final = 20  # problems that one answer names
LONGEST_RETENTION: Final = 36_500  # days


@dataclass(frozen=True, kw_only=True)
class Description:
    """Everything about a dataset that its client decides. `others` is kept and shown as it is."""

    title: str
    description: str = ""
    tags: Mapping[str, list[str]] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    key: tuple[str, ...] = ()
    schema_policy: str = "evolve"
    file_format: str = "parquet"
    error_diagnostics: bool = False
    retention_days: int | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> dict[str, Any]:
        """As columns of the dataset's row."""
        return {
            "title": self.title,
            "description": self.description,
            "tags": dict(self.tags),
            "schema": self.schema,
            "key": list(self.key),
            "schema_policy": self.schema_policy,
            "file_format": self.file_format,
            "error_diagnostics": self.error_diagnostics,
            "retention_days": self.retention_days,
            "wire": dict(self.others),
        }


def check(description: Description, *, before: Dataset | None = None) -> None:
    """Raises Refused with everything that cannot be taken. `before` is the dataset that is to be changed: a schema
    that stays as it was is not checked again."""
    problems = [*_plain_problems(description), *_schema_problems(description, before)]
    if problems:
        more = len(problems) - MOST_SAID
        said = [*problems[:MOST_SAID], *([f"There are {more:,} more."] if more > 0 else [])]
        raise Refused(Why.INVALID, "The dataset cannot be described so. " + " ".join(said))
    if before is not None and before.live_rows is not None and list(description.key) != before.key:
        raise Refused(
            Why.CONFLICT,
            "The key cannot be changed any more: rows are live that were told apart by the present one. "
            "Create another dataset with the new key.",
        )


def _plain_problems(told: Description) -> Iterator[str]:
    if not told.title.strip():
        yield "name: it must not be empty."
    if len(told.title) > LONGEST_NAME:
        yield f"name: it may have {LONGEST_NAME} characters at most."
    if len(told.description) > LONGEST_TEXT:
        yield f"description: it may have {LONGEST_TEXT:,} characters at most."
    if told.schema_policy not in POLICIES:
        yield f"schemaPolicy: it is one of {', '.join(POLICIES)}."
    if told.file_format not in FORMATS:
        yield f"fileDescription.format: it is one of {', '.join(FORMATS)}."
    if told.retention_days is not None and not 1 <= told.retention_days <= LONGEST_RETENTION:
        yield f"extensions: rows are kept from 1 to {LONGEST_RETENTION:,} days."
    if len(set(told.key)) != len(told.key) or len(told.key) > MOST_KEY_FIELDS or not all(told.key):
        yield f"key: it is a list of at most {MOST_KEY_FIELDS} different field paths, none of them empty."


def _schema_problems(told: Description, before: Dataset | None) -> Iterator[str]:
    if told.schema is None:
        return
    if before is not None and before.schema == told.schema and before.key == list(told.key):
        return
    try:
        known = {column.source for column in compile_schema(told.schema).columns()}
    except SchemaProblem as error:
        yield from (f"schema{path}: {text}." for path, text in error.problems)
        return
    if known:
        yield from (f"key: the schema has no field “{each[:100]}”." for each in told.key if each not in known)
