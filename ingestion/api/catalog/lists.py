"""Lists of the catalogue: maps from an id to an object, cut to a page and to the members that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from django.db.models import F, Model, OuterRef, QuerySet, Subquery
from rest_framework.request import Request

from ingestion.api import wire
from ingestion.api.base import bad_request
from ingestion.api.catalog import selecting
from ingestion.api.catalog.asked import Asked, Query
from ingestion.api.catalog.fields import Field, Kind, Members
from ingestion.models import Batch, Dataset
from ingestion.states import BatchStatus

Row = TypeVar("Row", bound=Model)


def query_of(request: Request) -> Query:
    return dict(request.query_params.lists())


def numbers(rows: QuerySet[Any], members: Members, wanted: Asked, *, usual: Sequence[str] = ("-pk",)) -> list[int]:
    """The numbers of the rows on the page. Only they are looked for, by an index where there is one; a page far down
    the list costs no more than stepping over their numbers."""
    selection = selecting.Selection(rows, members)
    selection.where(selecting.conditions(wanted))
    page = selection.order_by(wanted.order, usual=usual).values_list("pk", flat=True)
    return list(page[wanted.start : wanted.start + wanted.limit])


def in_order(rows: QuerySet[Row], keys: Sequence[int]) -> list[Row]:
    """The rows of these numbers, in their order; one that was deleted meanwhile is left out."""
    if not keys:
        return []
    found = {row.pk: row for row in rows.filter(pk__in=keys)}
    return [found[key] for key in keys if key in found]


def told(rows: Iterable[Row], show: Callable[[Row], Mapping[str, Any]], wanted: Asked) -> dict[str, Any]:
    """The answer: each object by its id."""
    return {str(getattr(row, "public_id", "")): cut(show(row), wanted.members) for row in rows}


def cut(shown: Mapping[str, Any], members: Sequence[str] | None) -> dict[str, Any]:
    """Only these members; an object that has none of them becomes an empty one."""
    return dict(shown) if members is None else {name: shown[name] for name in members if name in shown}


def unique(rows: QuerySet[Any], members: Members, field: str, wanted: Asked, *, at_most: int) -> list[Any]:
    """The different values of one member among the rows that are asked for."""
    selection = selecting.Selection(rows, members)
    selection.where(selecting.conditions(wanted))
    member = members.fields[field]
    column = selection.column(member)
    there = selection.rows if member.only is None else selection.rows.filter(member.only)
    found = there.exclude(**{f"{column}__isnull": True}).order_by().values_list(F(column), flat=True).distinct()
    return sorted(_value(member, value) for value in found[:at_most])


def _value(member: Field, value: Any) -> Any:
    if member.kind == Kind.TIME:
        return wire.milliseconds(value)
    return wire.version(value) if member.kind == Kind.VERSION else value


def datasets_with_last(rows: QuerySet[Dataset], keys: Sequence[int]) -> list[Dataset]:
    """These datasets, each with its newest batches in `last`. Three queries, however many they are."""
    datasets = in_order(rows, keys)
    newest = newest_batches(keys)
    for dataset in datasets:
        vars(dataset)["last"] = newest.get(dataset.pk, {})
    return datasets


def newest_batches(datasets: Sequence[int]) -> dict[int, dict[str, Batch]]:
    """By dataset: its newest batch, its newest one that succeeded, and its newest one that failed."""
    if not datasets:
        return {}
    found = list(Dataset.objects.filter(pk__in=datasets).annotate(**NEWEST).values_list("pk", *NEWEST))
    named = Batch.objects.only("public_id", "status", "organisation", "sandbox", "created_at", "updated_at")
    batches = named.in_bulk([number for _, *numbers in found for number in numbers if number])
    return {
        dataset: {which: batches[number] for which, number in zip(NEWEST, numbers, strict=True) if number in batches}
        for dataset, *numbers in found
    }


def whose_last_is(datasets: QuerySet[Dataset], words: Sequence[str]) -> QuerySet[Dataset]:
    """Those whose newest batch has one of these statuses. Raises Problem."""
    try:
        wanted = [status for word in words for each in word.split(",") for status in wire.statuses(each.strip())]
    except ValueError as error:
        raise bad_request(f"lastBatchStatus: “{words[0][:80]}” is no status of a batch.") from error
    last = Batch.objects.filter(dataset=OuterRef("pk")).order_by("-pk").values("status")[:1]
    return datasets.alias(last_status=Subquery(last)).filter(last_status__in=wanted)


def _newest(**narrowed: BatchStatus) -> Subquery:
    rows = Batch.objects.filter(dataset=OuterRef("pk"), **narrowed)
    return Subquery(rows.order_by("-pk").values("pk")[:1])


NEWEST: Final = {
    wire.NEWEST: _newest(),
    "success": _newest(status=BatchStatus.SUCCESS),
    "failed": _newest(status=BatchStatus.FAILED),
}
