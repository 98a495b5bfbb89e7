"""From a source's endpoints and a mode to the tasks of each phase. Pure: decides, writes nothing, calls nobody."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.protocol import Endpoint, Partition, Partitioning, Source, Table
from runs.states import PHASES, RunMode, TaskKind

LIST_PARENTS = "list"  # the partition key of the task that lists the parent records


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """A task that does not exist yet. `batch` is None, or the id of the one table it works on."""

    kind: TaskKind
    key: str
    name: str
    endpoint: str = ""
    partition: Mapping[str, Any] | None = None
    batch: int | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedTable:
    """A table that the run fills, and how its rows become live."""

    table: Table
    parent: Table | None  # the endpoint's own table, for a child table
    endpoint: str
    mode: str  # replace | merge | append | window
    description: str


def endpoints_of(source: Source, chosen: Sequence[str]) -> tuple[Endpoint, ...]:
    """The endpoints that a run reads, in the manifest's order."""
    return tuple(endpoint for endpoint in source.discover() if not chosen or endpoint.name in chosen)


def is_incremental(endpoint: Endpoint, mode: RunMode, bookmarks: Mapping[str, str]) -> bool:
    """Whether this endpoint asks only for what changed: it has a cursor, and a completed run has left a bookmark."""
    return mode == RunMode.INCREMENTAL and endpoint.incremental and endpoint.name in bookmarks


def tables_of(endpoint: Endpoint, *, incremental: bool) -> list[PlannedTable]:
    """The tables an endpoint fills. An endpoint without a cursor is fetched whole and replaced in any mode; without
    a key an incremental one replaces its window, never blindly appends. A child table follows its parent's records:
    it merges by parent and index."""
    main = endpoint.tables[0]
    return [
        PlannedTable(
            table=table,
            parent=None if table is main else main,
            endpoint=endpoint.name,
            mode=_mode(table, main) if incremental else "replace",
            description=table.description or f"{endpoint.title}, from the endpoint “{endpoint.name}”.",
        )
        for table in endpoint.tables
    ]


def _mode(table: Table, main: Table) -> str:
    return "merge" if main.key else "window"


def extraction_tasks(endpoint: Endpoint, partitions: Sequence[Partition]) -> list[PlannedTask]:
    """One task for each partition. Where the partitions are parent records, first one task that lists them."""
    if endpoint.partitioning == Partitioning.PARENT and not partitions:
        return [_extraction(endpoint, LIST_PARENTS, f"{endpoint.title}: list the parent records", None)]
    if not partitions:
        return [_extraction(endpoint, "", endpoint.title, None)]
    return [_extraction(endpoint, p.key, f"{endpoint.title} {p.title}", p) for p in partitions]


def _extraction(endpoint: Endpoint, key: str, name: str, partition: Partition | None) -> PlannedTask:
    return PlannedTask(
        kind=TaskKind.EXTRACTION,
        key=f"{endpoint.name}/{key}" if key else endpoint.name,
        name=name,
        endpoint=endpoint.name,
        partition=_as_json(partition) if partition else None,
    )


def _as_json(partition: Partition) -> dict[str, Any]:
    return {"key": partition.key, "title": partition.title, "slices": [dict(item) for item in partition.slices]}


def partition_of(value: Mapping[str, Any] | None) -> Partition | None:
    return Partition(key=value["key"], title=value["title"], slices=tuple(value["slices"])) if value else None


def closing_tasks(warehouse: str) -> list[PlannedTask]:
    """The tasks that every run has besides its extractions, from the start."""
    return [
        PlannedTask(kind=TaskKind.METADATA, key="run", name="Metadata consolidation"),
        PlannedTask(kind=TaskKind.COMPLETION, key="run", name=f"Complete {warehouse} ingestion"),
    ]


def consolidation_task(table: str, batch: int) -> PlannedTask:
    return PlannedTask(kind=TaskKind.CONSOLIDATION, key=table, name=f"Table consolidation: {table}", batch=batch)


def ingestion_task(table: str, batch: int, warehouse: str) -> PlannedTask:
    return PlannedTask(kind=TaskKind.INGESTION, key=table, name=f"{warehouse} ingestion: {table}", batch=batch)


def next_phase(phase: TaskKind, counts: Mapping[TaskKind, int]) -> TaskKind | None:
    """The phase that opens after `phase`: the next one that has tasks; None when it was the last."""
    later = PHASES[PHASES.index(phase) + 1 :]
    return next((kind for kind in later if counts.get(kind)), None)
