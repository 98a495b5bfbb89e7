"""What becomes of a batch whose files have all been checked: on to be published, or failed with errors to act on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from ingestion import dispatch, lifecycle
from ingestion.models import Batch, BatchFile, Dataset

MOST_ERRORS = 50  # entries of a batch's `errors`
MOST_SPANS = 20  # row spans of one entry
JUDGED = ("batch", "path", "problem", "errors", "read_count", "bad_count")
SUMMARY, UNDIAGNOSED = "INGEST-1212-400", "INGEST-1211-400"


def judge(batches: Sequence[Batch]) -> None:
    """Decide. Call in the transaction that settles their last files, with the batches' rows locked."""
    if not batches:
        return
    files: dict[int, list[BatchFile]] = defaultdict(list)
    for file in BatchFile.objects.filter(batch__in=batches).only(*JUDGED):
        files[file.batch_id].append(file)
    passed = [batch for batch in batches if _passes(batch, files[batch.pk])]
    for dataset in {batch.dataset_id for batch in passed}:
        _publish(dataset)


def _passes(batch: Batch, files: Sequence[BatchFile]) -> bool:
    problems = [_problem(file, several=len(files) > 1) for file in files if file.problem]
    read, bad = sum(file.read_count for file in files), sum(file.bad_count for file in files)
    errors = problems or _row_errors(batch, files, read, bad)
    if problems or not tolerated(bad, read, batch.error_percent):
        lifecycle.fail(batch.pk, actor="worker", reason=_reason(errors, bad, read, batch), errors=errors[:MOST_ERRORS])
        return False
    if errors:
        Batch.objects.filter(pk=batch.pk).update(errors=errors[:MOST_ERRORS])
    return True


def _publish(dataset_id: int) -> None:
    """Wake a publisher once this is committed, unless one is at work: that one looks again after it has let go."""

    def wake() -> None:
        at_work = Dataset.objects.filter(pk=dataset_id, publisher_until__gt=Now())
        if not at_work.exists():
            dispatch.send("publish_dataset", "publish", dataset_id)

    transaction.on_commit(wake, robust=True)


def tolerated(bad: int, read: int, percent: float | None) -> bool:
    """May a batch with so many bad rows of those read go on? Without partial ingestion not one may be bad. Exactly as
    many as are allowed may be: 0.29 % of 50,000 are 145, which binary fractions have below 145."""
    return bad == 0 or (percent is not None and bad * 100 <= Decimal(str(percent)) * read)


def _problem(file: BatchFile, *, several: bool) -> dict[str, Any]:
    found = file.problem or {}
    where = f" ({file.path})" if several and file.path not in found["text"] else ""
    return {"code": found["code"], "description": f"{found['text']}{where}", "rows": []}


def _row_errors(batch: Batch, files: Iterable[BatchFile], read: int, bad: int) -> list[dict[str, Any]]:
    if not bad:
        return []
    entries = list(_by_code(files))
    if not batch.diagnostics:
        first = entries[0]["description"] if entries else ""
        text = (
            f"{bad:,} of {read:,} rows could not be parsed, converted or validated. The first reason: {first} "
            "Send the batch again with enableErrorDiagnostics to see every row."
        )
        return [{"code": UNDIAGNOSED, "description": text, "rows": entries[0]["rows"] if entries else []}]
    passed = read - bad if tolerated(bad, read, batch.error_percent) else 0
    text = (
        f"{bad:,} errors were found and {passed:,} rows are ingested. The diagnostic files of the batch hold every row "
        "that was turned down, with its reasons."
    )
    return [{"code": SUMMARY, "description": text, "rows": [], "recordCount": bad}, *entries]


def _by_code(files: Iterable[BatchFile]) -> Iterable[dict[str, Any]]:
    """One entry for each code and reason, over all files. Rows count within their file."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file in files:
        for error in file.errors:
            entry = found.setdefault(
                (error["code"], error["text"]),
                {"code": error["code"], "description": error["text"], "rows": [], "recordCount": 0},
            )
            entry["recordCount"] += error["count"]
            entry["rows"] = [*entry["rows"], *error["rows"]][:MOST_SPANS]
    return sorted(found.values(), key=lambda entry: -entry["recordCount"])


def _reason(errors: list[dict[str, Any]], bad: int, read: int, batch: Batch) -> str:
    if bad and not any(entry["code"] not in (SUMMARY, UNDIAGNOSED) and "recordCount" not in entry for entry in errors):
        allowed = "none may be" if batch.error_percent is None else f"{batch.error_percent:g} % may be"
        return f"{bad:,} of {read:,} rows are bad, where {allowed}."
    return str(errors[0]["description"])[:500]
