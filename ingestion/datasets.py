"""Finding or making the dataset of a table, with a name that the warehouse can hold."""

from collections.abc import Sequence

from django.conf import settings

from ingestion.blueprint.names import fold
from ingestion.errors import ConfigFault
from ingestion.models import Dataset, Origin


def dataset_for(*, namespace: str, table: str, description: str, key: Sequence[str], schema_policy: str) -> Dataset:
    """The dataset of a source's table; made at first sight, its description, key and policy brought up to date.

    Raises ConfigFault where the table is one that clients write to.
    """
    of_clients = Dataset.objects.filter(namespace=namespace, name=fold(table), origin=Origin.CLIENTS)
    if of_clients.exists():
        raise ConfigFault(
            f"The table {namespace}.{fold(table)} belongs to clients of the batch API, so a run cannot fill it.",
            advice="Choose another destination on the data source's page.",
        )
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
