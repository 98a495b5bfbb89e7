"""Where a live row came from: the row by its key, then the part that brought it, its batch or run, and its pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.safestring import SafeString

from ingestion.admin.words import batch_link, exact, owner_link
from ingestion.downloads import download_url
from ingestion.errors import IngestionError
from ingestion.models import Dataset, Part
from ingestion.rooms import warehouse

MOST: Final = 20  # rows of one key, where a table takes duplicates
LOAD, PART = "_load_id", "_part"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One row, and what is known of its way. `part` is None once its staged file has been deleted."""

    load: int
    number: int
    part: Part | None
    values: str

    @property
    def brought_by(self) -> SafeString | str:
        if self.part is None:
            return ""
        return batch_link(self.part.batch) if self.part.batch.self_promoting else owner_link(self.part.batch)

    @property
    def file(self) -> Part | None:
        """As it was loaded: the file itself, or the one that it was merged into."""
        return self.part and (self.part.merged_into or self.part)

    @property
    def download(self) -> str:
        return download_url(self.file) if self.file else ""

    @property
    def staged_at(self) -> str:
        return exact(self.part.created_at) if self.part else ""

    @property
    def pages(self) -> str:
        """The answers of the source that went into its part: their numbers, first to last."""
        numbers = [page[0] for page in self.part.pages] if self.part else []
        if not numbers:
            return ""
        return f"page {numbers[0]:,}" if len(numbers) == 1 else f"pages {min(numbers):,} to {max(numbers):,}"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What was typed for each column of the key, and what it found. `trouble` says why nothing could be looked for."""

    fields: Sequence[tuple[str, str]]
    asked: bool = False
    origins: Sequence[Origin] = ()
    trouble: str = ""


def search(dataset: Dataset, typed: Sequence[str]) -> Search | None:
    """Rows by their key; None for a dataset without one. Searches once every column of the key was given."""
    target = dataset.target(dataset.columns)
    if not target.key or dataset.live_at is None:
        return None
    clean = [text.replace("\0", "")[:1000] for text in typed] + [""] * len(target.key)
    fields = list(zip(target.key, clean, strict=False))
    if not all(text for _, text in fields):
        return Search(fields=fields)
    try:
        rows = warehouse().rows_with(target, dict(fields), limit=MOST)
    except IngestionError as error:
        return Search(fields=fields, asked=True, trouble=f"{error} {error.advice}")
    return Search(fields=fields, asked=True, origins=_origins(dataset, rows))


def _origins(dataset: Dataset, rows: Sequence[dict[str, Any]]) -> list[Origin]:
    numbers = {row[PART] for row in rows}
    found = Part.objects.filter(batch__dataset=dataset, number__in=numbers).select_related("batch", "merged_into")
    parts = {part.number: part for part in found}
    return [Origin(load=row[LOAD], number=row[PART], part=parts.get(row[PART]), values=_shown(row)) for row in rows]


def _shown(row: dict[str, Any]) -> str:
    return json.dumps({name: row[name] for name in row if name not in (LOAD, PART)}, indent=2, ensure_ascii=False)
