"""The words of conversion: what goes in (a spool of undecoded records) and what comes out (parts). Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.blueprint.columns import Column

PART_COLUMN = "_part"
PARENT_COLUMN = "_parent_id"
INDEX_COLUMN = "_index"


@dataclass(frozen=True, kw_only=True)
class TableSpec:
    """One table that a spool's records fill. Field paths are source names joined with dots."""

    name: str
    array_path: tuple[str, ...] = ()  # () for the records themselves; else the array of objects in each record
    key: tuple[str, ...] = ()  # a row with a null key is rejected; of several with one key the last stays
    parent_key: tuple[str, ...] = ()  # for a child table: the fields of the record that identify the parent
    cursor: str | None = None
    depth: int = 3
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Warning:  # noqa: A001 - the word that people are shown
    """Something that was kept from changing silently: counted, by table and column."""

    # nul_removed | surrogate_replaced | nan_to_null | duplicate_key | too_many_digits | declared_type
    # bad_json | too_deep | null_key | null_parent_key | not_an_object | not_an_array
    code: str
    count: int
    column: str = ""
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ConvertedPart:
    """One part on local disk, ready to be put: delimited, gzip, one member, no header.

    `extracted` = `rows` + `rejected` + `superseded` always holds. `columns` are in file order, without `_part`,
    which is the file's last field.
    """

    table: str
    path: Path
    columns: tuple[Column, ...]
    extracted: int
    rows: int
    rejected: int
    superseded: int  # rows that a later row of the same key in this spool replaced
    size: int
    plain_size: int
    sha256: str
    cursor_max: str | None = None  # in the source's own spelling
    warnings: tuple[Warning, ...] = ()
    exact: bool = False  # the exact path was needed for this spool


@dataclass(frozen=True, kw_only=True)
class MergedPart:
    """One part made of several: the agreed columns in their order, then `_part`, which is each row's own."""

    path: Path
    sources: tuple[Path, ...]  # the parts whose rows are in it, in order
    rows: int
    size: int
    plain_size: int
    sha256: str
