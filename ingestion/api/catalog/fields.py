"""The members of batches and datasets that lists can be asked for and ordered by: of what kind, and kept where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from django.db.models import DateTimeField, DurationField, ExpressionWrapper, F, IntegerField, Q, Value
from django.db.models.functions import Cast, Coalesce, NullIf

from ingestion.api import wire
from ingestion.api.catalog.json_text import JsonText
from ingestion.models import Dataset
from ingestion.states import BatchStatus


class Kind(StrEnum):
    TEXT = "text"
    LIST = "list"  # JSON: a list of texts, or one
    NUMBER = "number"
    TIME = "time"  # milliseconds
    VERSION = "version"
    FLAG = "flag"
    STATUS = "status"


@dataclass(frozen=True, kw_only=True)
class Field:
    """One member. `only` says which rows have it at all; `among` is a quicker way to ask for equal values."""

    kind: Kind = Kind.TEXT
    at: Any  # a column, or an expression
    only: Q | None = None
    among: Callable[[list[str]], Q] | None = None
    is_always_there: bool = False  # no nulls: so an index gives its order both ways


@dataclass(frozen=True, kw_only=True)
class Members:
    """What one kind of object can be asked for. `paths` are the JSON columns by the member that shows them; `lists`
    those whose values are lists. Members in `closed` are shown, and cannot be asked for."""

    fields: Mapping[str, Field]
    paths: Mapping[str, str]
    lists: frozenset[str]
    closed: frozenset[str]
    constants: Mapping[str, str]  # by member: the column that scopes every query anyway

    def field(self, name: str) -> Field | None:
        """None for a member that no object has."""
        if found := self.fields.get(name):
            return found
        head, _, rest = name.partition(".")
        if rest and head in self.paths:
            kind = Kind.LIST if head in self.lists else Kind.TEXT
            return Field(kind=kind, at=JsonText(self.paths[head], *_names(head, rest)))
        return None


def _names(head: str, rest: str) -> list[str]:
    """A tag's name may hold dots: it is one name. Of other members each dot leads deeper."""
    return [rest] if head == "tags" else rest.split(".")


def _time(column: str, *, always: bool = False) -> Field:
    return Field(kind=Kind.TIME, at=column, is_always_there=always)


def _number(column: str, only: Q | None = None) -> Field:
    return Field(kind=Kind.NUMBER, at=column, only=only)


def _external(values: list[str]) -> Q:
    return Q(external_id__in=values) | Q(external_id=None, public_id__in=values)


def _of_datasets(values: list[str]) -> Q:
    """By the datasets' numbers, looked up now: only so does the database know how many batches to expect of them."""
    return Q(dataset__in=list(Dataset.objects.filter(public_id__in=values).values_list("pk", flat=True)))


CSV: Final = Q(input_format__format="csv")
COUNTED: Final = Q(finished_at__isnull=False) & ~CSV
MEASURED: Final = Q(status=BatchStatus.SUCCESS) & ~CSV
CLIENTS: Final = Q(self_promoting=True)
LIVE_ONCE: Final = Q(status__in=wire.SHOWN_LIVE)
OUTPUT: Final = Coalesce(F("loaded_count"), F("staged_count"))
DATASET_ID: Final = Field(at="dataset__public_id", is_always_there=True, among=_of_datasets)
BATCH_ID: Final = Field(at="public_id", is_always_there=True)
KEPT: Final = ExpressionWrapper(
    Cast("dataset__retention_days", IntegerField()) * Value(timedelta(days=1)), output_field=DurationField()
)
EXPIRES: Final = ExpressionWrapper(F("finished_at") + KEPT, output_field=DateTimeField())

BATCH_CLOSED: Final = frozenset(
    ("errors", "availableDates", "relatedObjects", "metrics", "failedBatchLocation", "tags", "replay", "inputFormat")
)
DATASET_CLOSED: Final = frozenset(
    """
    tags schema schemaRef fileDescription classification extensions observableSchema key state basePath files
    statsCache dule lastBatchId lastBatchStatus lastSuccessfulBatch lastFailedBatch
    """.split()  # noqa: SIM905 - a table of names reads better so
)

BATCH: Final = Members(
    fields={
        "id": BATCH_ID,
        "batch": BATCH_ID,
        "externalId": Field(at=Coalesce("external_id", "public_id"), among=_external),
        "status": Field(kind=Kind.STATUS, at="status", is_always_there=True),
        "dataSet": DATASET_ID,
        "dataSetId": DATASET_ID,
        **dict.fromkeys(("relatedObjects.id", "relatedObjects.*.id", "relatedObjects.0.id"), DATASET_ID),
        "created": _time("created_at", always=True),
        "updated": _time("updated_at", always=True),
        "started": _time("started_at"),
        "completed": _time("finished_at"),
        "availableDates.startDate": Field(kind=Kind.TIME, at="finished_at", only=LIVE_ONCE),
        "availableDates.endDate": Field(kind=Kind.TIME, at=EXPIRES, only=LIVE_ONCE),
        "createdClient": Field(at="created_client"),
        "createdUser": Field(at="created_user"),
        "updatedUser": Field(at=Coalesce(NullIf("updated_user", Value("")), "created_user")),
        "version": Field(kind=Kind.VERSION, at="version", is_always_there=True),
        "recordCount": _number("extracted_count", COUNTED),
        "failedRecordCount": _number("rejected_count", COUNTED),
        "size": _number("input_size", CLIENTS),
        "metrics.inputByteSize": _number("input_size", MEASURED & CLIENTS),
        "metrics.outputByteSize": _number("output_size", MEASURED & CLIENTS),
        **dict.fromkeys(
            ("metrics.inputRecordCount", "metrics.inputRecordSize", "metrics.recordsSize"),
            _number("extracted_count", MEASURED),
        ),
        **dict.fromkeys(
            ("metrics.outputRecordCount", "metrics.outputRecordSize"),
            Field(kind=Kind.NUMBER, at=OUTPUT, only=MEASURED),
        ),
        **dict.fromkeys(
            ("metrics.failedRecordCount", "metrics.invalidRecordCount"), _number("rejected_count", MEASURED)
        ),
        "metrics": Field(at="status", only=MEASURED),
        f"tags.{wire.SUCCESSOR_TAG}": Field(at="successor__public_id"),
        f"tags.{wire.DIAGNOSTICS_TAG}": Field(kind=Kind.FLAG, at="diagnostics", only=Q(diagnostics=True)),
        f"tags.{wire.PARTIAL_TAG}": _number("error_percent"),
    },
    paths={"tags": "tags", "inputFormat": "input_format", "replay": "replay"},
    lists=frozenset({"tags", "replay"}),
    closed=BATCH_CLOSED,
    constants={"imsOrg": "organisation", "sandboxId": "sandbox"},
)
DATASET: Final = Members(
    fields={
        "id": BATCH_ID,
        "viewId": BATCH_ID,
        "name": Field(at=Coalesce(NullIf("title", Value("")), NullIf("source_name", Value("")), "name")),
        "description": Field(at="description"),
        "namespace": Field(at="namespace", is_always_there=True),
        "created": _time("created_at", always=True),
        "updated": _time("updated_at", always=True),
        "createdClient": Field(at="created_client"),
        "createdUser": Field(at="created_user"),
        "users": Field(at="created_user"),
        "updatedUser": Field(at=Coalesce(NullIf("updated_user", Value("")), "created_user")),
        "version": Field(kind=Kind.VERSION, at="version", is_always_there=True),
        "enableErrorDiagnostics": Field(kind=Kind.FLAG, at="error_diagnostics", is_always_there=True),
        "schemaPolicy": Field(at="schema_policy"),
        "fileDescription.format": Field(at="file_format"),
        f"tags.{wire.TABLE_TAG}": Field(at="name", is_always_there=True),
        f"tags.{wire.FORMAT_TAG}": Field(at="file_format"),
        **{
            name: Field(at=JsonText("wire", *name.split(".")))
            for name in ("schemaRef.id", "schemaRef.contentType", "dataSourceId", "classification.dataBehavior")
        },
    },
    paths={"tags": "tags"},
    lists=frozenset({"tags"}),
    closed=DATASET_CLOSED,
    constants={"imsOrg": "organisation", "sandboxId": "sandbox"},
)
