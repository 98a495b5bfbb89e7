"""Finding or making the dataset of a table, with a name that the warehouse can hold."""

from collections.abc import Sequence

from django.conf import settings

from ingestion.blueprint.names import fold
from ingestion.models import Dataset


def dataset_for(*, namespace: str, table: str, description: str, key: Sequence[str], schema_policy: str) -> Dataset:
    """The dataset of a source's table; made at first sight, its description, key and policy brought up to date."""
    dataset, _ = Dataset.objects.update_or_create(
        organisation=settings.ORGANISATION,
        sandbox=settings.SANDBOX,
        namespace=namespace,
        name=fold(table),
        defaults={
            "source_name": table,
            "description": description,
            "key": list(key),
            "schema_policy": schema_policy,
        },
    )
    return dataset
