"""After the control database was restored from a backup: its numbers must not be given out a second time.

The ledger, live rows and staged objects go by the numbers of runs, loads, batches and datasets. A number that was given
out after the backup, and again after the restore, would be taken for what is live already.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection, models
from django.db.models import Max

from ingestion.models import Batch, Dataset, Load
from ingestion.models.batches import PARTS_PER_BATCH
from ingestion.rooms import warehouse
from ingestion.warehouse.sql import book
from runs.models import Run, Task

NUMBERED: Final[tuple[type[models.Model], ...]] = (Run, Task, Load, Batch, Dataset)
SHOWN: Final = 20


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A load that is live in the warehouse and that the restored database does not know."""

    load: int
    facts: dict[str, Any]
    published_at: Any


def raise_numbers(by: int) -> dict[str, int]:
    """Go on with higher numbers than were ever given out; answers the next one of each kind."""
    highest = _in_the_warehouse()
    after = {}
    for model in NUMBERED:
        known = model._default_manager.aggregate(highest=Max("pk"))["highest"] or 0
        start = max(known, highest.get(model, 0)) + by
        _set_next(model, start)
        after[str(model._meta.verbose_name)] = start
    return after


def unknown_loads() -> list[Unknown]:
    """Ask before `raise_numbers` and before anything has run."""
    known = Load.objects.aggregate(highest=Max("pk"))["highest"] or 0
    sql = f"SELECT load_id, facts, published_at FROM {book('_loads')} WHERE load_id > ? ORDER BY load_id"
    return [
        Unknown(load=load, facts=_read(facts), published_at=at) for load, facts, at in warehouse().query(sql, (known,))
    ]


def _in_the_warehouse() -> dict[type[models.Model], int]:
    def most(column: str, table: str) -> int:
        return int(warehouse().query(f"SELECT coalesce(max({column}), 0) FROM {book(table)}")[0][0])

    return {
        Load: max(most("load_id", "_loads"), most("load_id", "_fence")),
        Dataset: max(most("dataset", "_datasets"), most("dataset", "_fence")),
        Batch: max(most("batch", "_withdrawals"), most("part", "_parts") // PARTS_PER_BATCH),
    }


def _read(facts: Any) -> dict[str, Any]:
    told = json.loads(facts) if isinstance(facts, str) else facts
    return told if isinstance(told, dict) else {}


def _set_next(model: type[models.Model], number: int) -> None:
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [table, "id", number])
            return
        cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [number, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number])
