"""Client batches for the demo: what a program that pushes its data sees, good and bad."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from ingestion import cataloguing
from ingestion.access.caller import Caller
from ingestion.cataloguing.describing import Description
from ingestion.cataloguing.verbs import Owner
from ingestion.models import Batch, Dataset
from ingestion.states import OPEN, BatchStatus
from ingestion.uploads import completing, creating, files, spooling
from ingestion.uploads.checksums import Checksums
from ingestion.uploads.creation import read_creation
from runs.demo import data

PROGRAM = Caller(organisation="default", sandbox="prod", client_id="demo-program", user="demo-program@headgate")
TITLE = "Airports, pushed"
PATIENCE = 120
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["faa", "name"],
    "properties": {
        "faa": {"type": "string", "pattern": "^[A-Z0-9]{3,4}$"},
        "name": {"type": "string"},
        "location": {
            "type": "object",
            "properties": {
                "lat": {"type": "number", "minimum": -90, "maximum": 90},
                "lon": {"type": "number", "minimum": -180, "maximum": 180},
            },
        },
    },
}


def push() -> Iterator[Batch]:
    """Send the airports: whole; with a few bad rows among them; with so many that the batch fails; and again in place
    of the first. Yields each batch when it is done with."""
    dataset = _dataset()
    good = [json.dumps(record).encode() + b"\n" for record in data.records(data.find_folder(), "airports")]
    bad = [b'{"name": "an airport without a code"}\n', b'{"faa": "JFK", "name": 7, "location": {"lat": 91}}\n']
    first = _send(dataset, good)
    yield first
    yield _send(dataset, [*good[:98], *bad], enableErrorDiagnostics=True, partialIngestionPercent=5)
    yield _send(dataset, [*good[:10], *bad], enableErrorDiagnostics=True)
    yield _send(dataset, good, replay={"predecessors": [f"${first.public_id}"], "reason": "replace"})


def _dataset() -> Dataset:
    known = Dataset.objects.of(PROGRAM.organisation, PROGRAM.sandbox).filter(title=TITLE).first()
    owner = Owner(
        organisation=PROGRAM.organisation, sandbox=PROGRAM.sandbox, client=PROGRAM.client_id, user=PROGRAM.user
    )
    about = Description(title=TITLE, description="Sent by a program through the batch API.", schema=SCHEMA)
    return known or cataloguing.verbs.create(about, owner=owner)


def _send(dataset: Dataset, lines: list[bytes], **options: Any) -> Batch:
    asked = {"datasetId": dataset.public_id, "inputFormat": {"format": "json"}, **options}
    batch = creating.create(PROGRAM, read_creation(asked))
    place = files.place_for(PROGRAM, batch.public_id, dataset.public_id, "airports.json")
    files.put(place, spooling.stored(place.batch, lines, Checksums({})))
    completing.complete(PROGRAM, batch.public_id)
    return _wait_for(batch)


def _wait_for(batch: Batch) -> Batch:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        batch.refresh_from_db()
        if BatchStatus(batch.status) not in OPEN:
            break
        time.sleep(0.02)
    return batch
