"""The queries of the three requests that every batch takes, composed once.

Composing them takes five times as long as all else that is done with them, and two thousand batches a minute ask each
of them thirty times a second. What a caller may see is decided where it always is: by `of` of the querysets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from django.db.models import F, OuterRef, QuerySet, Subquery, Value

from ingestion.access.caller import Caller
from ingestion.models import Batch, BatchFile, Dataset

WRITTEN: Final = (  # of a batch, for those that write to it
    "public_id", "organisation", "sandbox", "status", "self_promoting", "files_left", "input_size", "dataset",
)  # fmt: skip
SHOWN: Final = (  # besides, for those that show it to its client while it is loading
    "external_id", "input_format", "diagnostics", "error_percent", "replay", "tags", "errors", "created_at",
    "created_client", "created_user", "updated_at", "updated_user", "started_at", "completed_at", "finished_at",
    "touched_at", "version", "extracted_count", "rejected_count", "successor",
)  # fmt: skip
MADE_FROM: Final = ("public_id", "origin", "file_format", "error_diagnostics", "tags", "key")  # of a dataset
# What stands in a composed query for what is known when it is asked. No id and no path holds a blank and a brace.
ORGANISATION, SANDBOX, ID, PATH = "{ organisation}", "{ sandbox}", "{ id}", "{ path}"
NUMBER: Final = -(2**40)  # of a row; none is negative


def dataset_of(caller: Caller, public_id: str) -> Dataset | None:
    """The caller's dataset, with what it takes to make a batch of it."""
    found: Dataset | None = _asked(Dataset, _dataset, _given(caller, public_id))
    return found


def batch_for_file(caller: Caller, public_id: str, path: str) -> Batch | None:
    """The caller's batch, with its dataset's public id, and as `known_file` the number of its file of this path."""
    return _with_dataset(_asked(Batch, _batch_for_file, {**_given(caller, public_id), PATH: path}))


def batch_to_complete(caller: Caller, public_id: str) -> Batch | None:
    """The caller's batch with its row locked, as it is shown, with its dataset's public id. `unfinished` is the path of
    a file that has not arrived, and `touched_when_seen` tells since when both are known."""
    return _with_dataset(_asked(Batch, _batch_to_complete, _given(caller, public_id)))


def locked_batch(batch_id: int) -> Batch:
    """The batch's row, held until the transaction ends: COMPLETE comes either before an upload or after it. Raises
    DoesNotExist."""
    batch: Batch | None = _asked(Batch, _locked_batch, {NUMBER: batch_id})
    if batch is None:
        raise Batch.DoesNotExist
    return batch


def _given(caller: Caller, public_id: str) -> dict[object, object]:
    return {ORGANISATION: caller.organisation, SANDBOX: caller.sandbox, ID: public_id}


def _asked(model: Any, query: Callable[[], QuerySet[Any]], given: Mapping[object, object]) -> Any:
    sql, parameters = _composed(query)
    return next(iter(model.objects.raw(sql, [given.get(each, each) for each in parameters])), None)


@cache
def _composed(query: Callable[[], QuerySet[Any]]) -> tuple[str, tuple[object, ...]]:
    sql, parameters = query().order_by().query.sql_with_params()
    return sql, tuple(parameters)


def _dataset() -> QuerySet[Dataset]:
    return Dataset.objects.of(ORGANISATION, SANDBOX).filter(public_id=ID).only(*MADE_FROM)


def _batch(*fields: str) -> QuerySet[Batch]:
    batches = Batch.objects.of(ORGANISATION, SANDBOX).filter(public_id=ID)
    return batches.only(*fields).annotate(dataset_public_id=F("dataset__public_id"))


def _batch_for_file() -> QuerySet[Batch]:
    known = BatchFile.objects.filter(batch=OuterRef("pk"), path=Value(PATH)).order_by().values("pk")
    return _batch(*WRITTEN).annotate(known_file=Subquery(known))


def _batch_to_complete() -> QuerySet[Batch]:
    unfinished = BatchFile.objects.filter(batch=OuterRef("pk"), is_complete=False).order_by().values("path")[:1]
    seen = Batch.objects.filter(pk=OuterRef("pk")).order_by().values("touched_at")
    batches = _batch(*WRITTEN, *SHOWN).annotate(unfinished=Subquery(unfinished), touched_when_seen=Subquery(seen))
    return batches.select_for_update(no_key=True, of=("self",))


def _locked_batch() -> QuerySet[Batch]:
    return Batch.objects.filter(pk=NUMBER).only(*WRITTEN).select_for_update(no_key=True)


def _with_dataset(batch: Any) -> Batch | None:
    if batch is not None:
        known = [batch.dataset_id, batch.dataset_public_id]
        batch.dataset = Dataset.from_db(batch._state.db, ["id", "public_id"], known)
    return batch  # type: ignore[no-any-return]
