"""The statements of the three requests that every batch takes, written out.

Composing them by the query builder takes five times as long as all else that is done with them; two thousand batches a
minute ask each three times a second on every core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from django.db import connection

from ingestion.access.caller import Caller
from ingestion.models import Batch, Dataset

WRITTEN: Final = (  # of a batch, for those that write to it
    "public_id", "organisation", "sandbox", "status", "self_promoting", "files_left", "input_size", "dataset",
)  # fmt: skip
SHOWN: Final = (  # besides, for those that show it to its client while it is loading
    "external_id", "input_format", "diagnostics", "error_percent", "replay", "tags", "errors", "created_at",
    "created_client", "created_user", "updated_at", "updated_user", "started_at", "completed_at", "finished_at",
    "touched_at", "version", "extracted_count", "rejected_count", "successor",
)  # fmt: skip
MADE_FROM: Final = ("public_id", "origin", "file_format", "error_diagnostics", "tags", "key")  # of a dataset


def batch_of(
    caller: Caller,
    public_id: str,
    *,
    fields: Sequence[str] = WRITTEN,
    beside: Mapping[str, str] | None = None,
    given: Sequence[object] = (),
    lock: bool = False,
) -> Batch | None:
    """The caller's batch with these fields and its dataset's public id, and the answers of the subqueries `beside` as
    attributes; `given` are their parameters, `batch` is its row in them. Other fields are read when asked for."""
    sql = _of_batch(tuple(fields), tuple((beside or {}).items()), lock)
    found = list(Batch.objects.raw(sql, [*given, caller.organisation, caller.sandbox, public_id]))
    return _with_dataset(found[0]) if found else None


def locked_batch(batch_id: int) -> Batch:
    """The batch's row, held until the transaction ends: COMPLETE comes either before an upload or after it. Raises
    DoesNotExist."""
    found = list(Batch.objects.raw(_locked(), [batch_id]))
    if not found:
        raise Batch.DoesNotExist
    return found[0]


def dataset_of(caller: Caller, public_id: str) -> Dataset | None:
    """The caller's dataset, with what it takes to make a batch of it."""
    found = list(Dataset.objects.raw(_of_dataset(), [caller.organisation, caller.sandbox, public_id]))
    return found[0] if found else None


@cache
def _of_batch(fields: tuple[str, ...], beside: tuple[tuple[str, str], ...], lock: bool) -> str:
    columns = [
        *(f"batch.{column}" for column in _columns(Batch, fields)),
        "dataset.public_id AS dataset_public_id",
        *(f"({sql}) AS {name}" for name, sql in beside),
    ]
    return (
        f"SELECT {', '.join(columns)} FROM {Batch._meta.db_table} batch "
        f"JOIN {Dataset._meta.db_table} dataset ON dataset.id = batch.dataset_id "
        f"WHERE batch.organisation = %s AND batch.sandbox = %s AND batch.public_id = %s{_held('batch') if lock else ''}"
    )


@cache
def _locked() -> str:
    columns = ", ".join(_columns(Batch, WRITTEN))
    return f"SELECT {columns} FROM {Batch._meta.db_table} batch WHERE id = %s{_held('batch')}"


@cache
def _of_dataset() -> str:
    columns = ", ".join(_columns(Dataset, MADE_FROM))
    return f"SELECT {columns} FROM {Dataset._meta.db_table} WHERE organisation = %s AND sandbox = %s AND public_id = %s"


def _columns(model: Any, fields: Sequence[str]) -> list[str]:
    return [str(model._meta.get_field(name).column) for name in ("id", *fields)]


def _held(row: str) -> str:
    """SQLite has one writer at a time, who holds everything."""
    return f" FOR NO KEY UPDATE OF {row}" if connection.features.has_select_for_no_key_update else ""


def _with_dataset(batch: Any) -> Batch:
    known = [batch.dataset_id, batch.dataset_public_id]
    batch.dataset = Dataset.from_db(batch._state.db, ["id", "public_id"], known)
    return batch  # type: ignore[no-any-return]
