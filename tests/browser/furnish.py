"""Fills a new house with what the stories find there: people, sources, runs and batches. A process of its own; it
prints what it made as JSON, and ends before the server starts, since one process owns the warehouse file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402 - Django must be set up before its models are read
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

from connectors.models import Connector, DataSource  # noqa: E402
from ingestion.access import clients  # noqa: E402
from ingestion.access.models import Organisation  # noqa: E402
from runs.lifecycle.starting import Asked, request  # noqa: E402
from runs.local import wait_for, workers  # noqa: E402
from runs.management.batches import push  # noqa: E402
from runs.models import Run  # noqa: E402
from runs.states import RunMode, RunStatus  # noqa: E402

LIBRARY = Path(settings.BASE_DIR) / "connectors" / "library"
SMALL = ["airlines", "airports", "planes"]


def main(api: str, password: str) -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    User.objects.create_superuser("admin", password=password)
    quick = source("Airports", api, endpoints=SMALL)
    slow = source("Flights", api, endpoints=["flights"])
    refused = source("Airports, wrong token", api, endpoints=["airlines"], token="wrong")
    with workers():
        completed, failed = run(quick, RunStatus.COMPLETED), run(refused, RunStatus.FAILED)
        again = run(quick, RunStatus.COMPLETED)
        batches = list(push())
    client = clients.create(organisation=Organisation.objects.get(), name="Nightly upload", by="admin").client
    return {
        "quick": quick.pk,
        "slow": slow.pk,
        "connector": quick.connector_id,
        "completed": completed.pk,
        "again": again.pk,  # of the same source
        "load": completed.data_load.pk,
        "failed": failed.pk,
        "dataset": batches[0].dataset_id,
        "batches": [batch.pk for batch in batches],  # replaced, live with bad rows, failed, live
        "client": client.pk,
        "organisation": client.organisation_id,
    }


def source(name: str, api: str, *, endpoints: list[str], token: str = "demo-token") -> DataSource:
    text = (LIBRARY / "nycflights.yaml").read_text()
    connector, _ = Connector.objects.get_or_create(name="Nycflights", defaults={"manifest": text})
    namespace = "".join(letter if letter.isalpha() else "_" for letter in name.lower())
    made = DataSource(
        name=name, connector=connector, namespace=namespace, endpoints=endpoints, settings={"base_url": api}
    )
    made.seal({"token": token})
    made.save()
    return made


def run(of: DataSource, ends: RunStatus) -> Run:
    asked = request(of.pk, RunMode.DESTRUCTIVE, asked=Asked(actor="admin", trigger="person"))
    done = wait_for(asked.pk, seconds=60)
    if done.status != ends:
        raise SystemExit(f"Run {done.pk} of {of} is {done.status}, not {ends}: {done.outcome}")
    return done


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
