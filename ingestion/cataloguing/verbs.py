"""Making, changing and removing a client's dataset. Those that runs fill are not touched here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion.cataloguing.describing import Description, check
from ingestion.cataloguing.naming import free_table, namespace_of
from ingestion.models import Dataset, Origin
from ingestion.refusals import Refused, Why

TRIES: Final = 5  # at finding a free table name while others create, too


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose dataset it is, and who makes it."""

    organisation: str
    sandbox: str
    client: str
    user: str


def create(description: Description, *, owner: Owner, table: str = "") -> Dataset:
    """Make a dataset with a table of its own, named `table` or as the dataset is. Its live table comes into being with
    the first batch. Raises Refused for a description that cannot be taken."""
    check(description)
    namespace = namespace_of(owner.organisation, owner.sandbox)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                return Dataset.objects.create(
                    organisation=owner.organisation,
                    sandbox=owner.sandbox,
                    namespace=namespace,
                    name=free_table(namespace, table or description.title),
                    origin=Origin.CLIENTS,
                    created_client=owner.client,
                    created_user=owner.user,
                    updated_user=owner.user,
                    **description.columns(),
                )
        except IntegrityError:  # another dataset of that name was made between our look and our insert
            continue
    raise Refused(Why.BUSY, "Too many datasets of this name are being created at once. Try again.", retry_after=1)


def change(dataset: Dataset, description: Description, *, user: str) -> None:
    """Describe a dataset anew, if it is still as it was read into `dataset`. Raises Refused."""
    _of_clients(dataset)
    check(description, before=dataset)
    unchanged = Dataset.objects.filter(pk=dataset.pk, version=dataset.version, deleted_at=None)
    facts = {"version": F("version") + 1, "updated_at": Now(), "updated_user": user}
    if not unchanged.update(**description.columns(), **facts):
        raise Refused(
            Why.CONFLICT, "The dataset was changed by somebody else at the same time. Read it again, then change it."
        )


def remove(dataset: Dataset, *, user: str) -> None:
    """Take a dataset out of the catalogue. Its live table stays until the janitor drops it. Repeating it does nothing.

    Raises Refused for a dataset of runs, and while batches of it are open.
    """
    _of_clients(dataset)
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)
        batches = dataset.batches.open().order_by("pk")
        if still_open := list(batches.values_list("public_id", flat=True)[:3]):
            raise Refused(
                Why.CONFLICT,
                f"The dataset has open batches: {', '.join(still_open)} … "
                "Wait until they have ended, or abort those that are loading; then delete it.",
            )
        Dataset.objects.filter(pk=dataset.pk, deleted_at=None).update(
            deleted_at=Now(), updated_at=Now(), updated_user=user, version=F("version") + 1
        )


def _of_clients(dataset: Dataset) -> None:
    if dataset.origin != Origin.CLIENTS:
        raise Refused(
            Why.CONFLICT,
            f"“{dataset}” is filled by a data source's runs and can only be read here. Change its data source instead.",
        )
