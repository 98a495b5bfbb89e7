"""The warehouse's interface and its words. One file per engine stands behind it, run by one contract suite.

Loading happens in two steps. `stage` copies the parts of one table into a temporary table of its own, which nobody
sees. `publish` makes all tables of a load live in one short transaction with the ledger: all or none, once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Protocol

from ingestion.blueprint.columns import Column
from ingestion.errors import ConfigFault, DataFault, Fenced, TransientError


class WarehouseUnavailable(TransientError):
    """The warehouse could not be reached, or broke off; whether a commit went through must be read from the ledger."""


class WarehouseRefused(ConfigFault):
    """The warehouse answered that we may not: password, right, missing database."""


class LoadFault(DataFault):
    """The warehouse could not take the data: a failed cast, a row too large. `detail` holds line and column."""


class CountMismatch(DataFault):
    """The count chain broke: staged and loaded rows differ. Nothing became live."""


class StaleToken(Fenced):
    """A newer attempt has published or is publishing this load."""


class Mode(StrEnum):
    """What a load does to the rows that are live."""

    REPLACE = "replace"  # a new generation holds only this load's rows
    MERGE = "merge"  # by key: rows with the same key are superseded
    APPEND = "append"
    WINDOW = "window"  # live rows of the window are superseded; see `windows`


@dataclass(frozen=True, kw_only=True)
class Target:
    """A live table: `schema`.`name` is the view that people query. Both are folded identifiers already."""

    dataset: int
    schema: str
    name: str
    key: tuple[str, ...] = ()  # column names
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The live rows of one client batch: those of this load whose `_part` is from `first` to `last`, inclusive. A batch
    whose parts do not follow each other has several spans. No row belongs to two batches."""

    batch: int
    load_id: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """One staged file: delimited, gzip, no header, `\\N` for null. `columns` are in file order and end with `_part`
    (bigint, constant). `uri` is what a manifest names; `open` yields its bytes, verified against size and sha256."""

    uri: str
    columns: tuple[str, ...]
    rows: int
    size: int
    sha256: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, kw_only=True)
class StageRequest:
    """Load these parts into a temporary table named by load, dataset and attempt. `columns` is the agreed blueprint
    without `_load_id` and `_part`, which every table has; a column that a part lacks is null."""

    load_id: int
    attempt: int
    target: Target
    columns: tuple[Column, ...]
    parts: tuple[Part, ...]
    manifest_uri: str = ""
    heartbeat: Callable[[], None] = lambda: None  # called between parts; may raise to stop


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A filled temporary table, as a value that survives in a control row (`to_json`)."""

    table: str
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {"table": self.table, "rows": self.rows}


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The staged parents of a child table, published in the same load. A child's `_parent_id` is the text of the
    parent's key, its fields joined with "|" (where a value holds one, or a backslash, a backslash stands before it)."""

    staged: Staged
    key: tuple[str, ...]
    child_column: str


@dataclass(frozen=True, kw_only=True)
class TableChange:
    """What the publish does for one table."""

    target: Target
    mode: Mode
    columns: tuple[Column, ...]  # the blueprint after this load
    staged: Staged
    order: str | None = None  # column by which the last of several rows of one key wins; then `_part`
    window: tuple[str, str] | None = None  # (column, from): only with Mode.WINDOW
    parent: "Parent | None" = None  # only with Mode.MERGE: live rows of the parents in it go, whatever their index
    manifest_digest: str = ""
    withdraws: tuple[Span, ...] = ()  # batches that this load takes the place of: set aside in the same transaction


@dataclass(frozen=True, kw_only=True)
class PublishRequest:
    """All tables of one load. `token` rises with every attempt at publishing this load; an older one is fenced."""

    load_id: int
    token: int
    tables: tuple[TableChange, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)  # for `_loads`: source, run, started …
    parts: tuple[Mapping[str, Any], ...] = ()  # for `_parts`: number, dataset, task, request ids, uri, rows


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a publish did to one table. `inserted + updated + superseded` equals the rows staged."""

    dataset: int
    generation: int
    inserted: int
    updated: int
    deleted: int  # live rows that are gone: replaced, or in the window
    superseded: int  # rows of this load that a later row of it with the same key replaced, or that were live already
    live: int  # rows live after it
    withdrawn: int = 0  # live rows that were set aside, because this load takes their place


@dataclass(frozen=True, kw_only=True)
class Published:
    load_id: int
    effects: tuple[Effect, ...]
    already: bool = False  # the ledger had it: this call changed nothing


@dataclass(frozen=True, kw_only=True)
class WithdrawRequest:
    """Take the rows of these batches out of view. They are kept, under the batch's number, until they are dropped."""

    target: Target
    spans: tuple[Span, ...]
    reason: str = ""  # "reverted", "expired", "replaced"


@dataclass(frozen=True, kw_only=True)
class Withdrawn:
    rows: Mapping[int, int]  # by batch; 0 where other loads had superseded them all
    live: int  # rows live now
    already: bool = False  # all of them were out of view before: this call changed nothing


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A withdrawn batch's rows as one Parquet file."""

    path: Path
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One step of checking a warehouse."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


class Warehouse(Protocol):
    """Safe to call from several threads. Every verb may be repeated."""

    label: str  # "DuckDB", "Postgres": as in "Postgres ingestion: surveys"

    def check(self) -> Iterator[Probe]:
        """Reach it, log in, may we create and write? Leaves nothing behind."""
        ...

    def stage(self, request: StageRequest) -> Staged:
        """Fill a fresh temporary table and verify its row count against the parts. A repeat starts over.

        Raises WarehouseUnavailable, WarehouseRefused, LoadFault, CountMismatch.
        """
        ...

    def publish(self, request: PublishRequest) -> Published:
        """Make all tables live in one transaction with the ledger. Safe to repeat: a load that is in the ledger
        changes nothing and answers `already`. Raises StaleToken, CountMismatch, WarehouseUnavailable."""
        ...

    def published(self, load_id: int) -> Published | None:
        """What the ledger says of a load; None when it holds nothing of it."""
        ...

    def give_up(self, load_id: int, *, token: int, datasets: Sequence[int]) -> Published | None:
        """Shut out every publish of this load that holds `token` or an older one, and answer what the ledger says: None
        when nothing was published, and then by those never will be. A publish that is frozen raises StaleToken when it
        wakes; a newer token may still publish. Safe to repeat. Raises WarehouseUnavailable."""
        ...

    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """Set the batches' rows aside in one transaction: readers see all of them or none. Safe to repeat: a batch that
        is set aside, or was and has been dropped, answers the same count. What its rows had superseded does not come
        back. Raises LoadFault for a load that was never published, WarehouseUnavailable."""
        ...

    def export(self, batch: int, folder: Path) -> Exported:
        """Write a withdrawn batch's rows as `batch-<batch>.parquet`, with `_load_id`, `_part` and the dataset's types.
        The file appears whole or not at all; a repeat replaces it. Raises LoadFault when nothing is set aside."""
        ...

    def drop_withdrawn(self, batch: int) -> bool:
        """Remove a withdrawn batch's rows for good; False when nothing of it is set aside. Safe to repeat."""
        ...

    def rows(self, target: Target, *, columns: Sequence[str] = (), limit: int = 100) -> list[dict[str, Any]]:
        """Some live rows, as values that JSON takes: numerics as exact text, times in ISO 8601 (UTC), JSON decoded.
        Without `columns`, all but our own (`_load_id` and `_part` may be asked for). Empty for an unknown table.
        Raises ConfigFault for a column that is not there."""
        ...

    def rows_with(self, target: Target, values: Mapping[str, str], *, limit: int = 100) -> list[dict[str, Any]]:
        """Live rows whose columns have these values, given as people type them, with `_load_id` and `_part`. Quick for
        the columns of the key. Raises ConfigFault for a column that is not there and a value that it cannot have."""
        ...

    def rows_of(self, target: Target, span: Span, *, limit: int = 100) -> list[dict[str, Any]]:
        """Some live rows of one batch, as `rows` gives them; none once it is withdrawn."""
        ...

    def discard(self, load_id: int) -> int:
        """Drop the temporary tables of a load; answers how many. Never touches anything live."""
        ...

    def tidy(self, *, keep_generations: int) -> int:
        """Drop generations beyond the newest `keep_generations` dead ones; answers how many."""
        ...

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one read-only statement: for tests, demos and counts, never with text from outside."""
        ...

    def close(self) -> None: ...
