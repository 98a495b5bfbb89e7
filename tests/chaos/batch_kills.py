"""Random kill -9 of workers while clients' batches become live, then a check of every row. Prints one JSON line.

`python -m tests.chaos.batch_kills --batches 150 --kills 25 --seed 1 [--mutant new_load]`; exits 1 when a row is lost or
doubled, a batch is stuck or ended otherwise than it should, or its count is wrong.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from tests.chaos.house import ROOT, Crew, house

PATIENCE = 90  # seconds after the last fault by which every batch must be done with


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=150)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mutant", default="none")
    options = parser.parse_args()
    with house():
        os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "HEADGATE_PUBLISH_PAUSE_SECONDS": "0.05"}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        clients = Clients(random.Random(options.seed), options.batches)
        crew = Crew(options.mutant, size=3)
        sweeper = subprocess.Popen([sys.executable, "manage.py", "sweep"], cwd=ROOT)
        try:
            crew.start()
            answer = _story(clients, crew, random.Random(options.seed), options.kills)
        finally:
            crew.stop()
            sweeper.terminate()
            sweeper.wait()
        answer |= {"kills": crew.kills, "mutant": options.mutant}
        print(json.dumps(answer), flush=True)
        return 0 if not answer["wrong"] else 1


def _story(clients: "Clients", crew: Crew, dice: random.Random, kills: int) -> dict[str, Any]:
    step = max(1, clients.wanted // (kills + 1))
    for number in range(clients.wanted):
        clients.send(number)
        if number % step == step - 1 and crew.kills < kills:
            time.sleep(dice.uniform(0.0, 0.6))
            crew.kill(dice.randrange(crew.size))
    last_fault = time.monotonic()
    while clients.open() and time.monotonic() - last_fault < PATIENCE:
        time.sleep(0.2)
    return clients.verdict() | {"recovered_after_s": round(time.monotonic() - last_fault, 1)}


class Clients:
    """Programs that send batches of some files each: plain ones, bad ones, and ones that replace an earlier one."""

    def __init__(self, dice: random.Random, wanted: int) -> None:
        from tests.flows.lake import SCHEMA, Lake

        self.dice, self.wanted, self.lake = dice, wanted, Lake()
        self.datasets = [self.lake.dataset(f"visits{n}", schema=SCHEMA) for n in range(2)]
        self.expected: dict[int, tuple[str, set[int]]] = {}  # batch → how it should end, its ids

    def send(self, number: int) -> None:
        from ingestion import dispatch
        from tests.flows.lake import lines, rows

        dataset = self.datasets[number % 2]
        first, size = number * 1000, self.dice.randint(1, 40)
        spoiled = number % 10 == 9
        batch = self.lake.batch(dataset)
        for file in range(self.dice.randint(1, 3)):
            start = first + file * 100
            data = rows(start, start + size - 1)
            self.lake.put(batch, f"{file}.json", data + (lines({"name": "no id"}) if spoiled else b""))
            ids = set(range(start, start + size))
            self.expected[batch.pk] = ("failed", set()) if spoiled else ("success", ids | self._ids(batch.pk))
        self.lake.complete(batch)
        dispatch.promote(batch.pk)

    def _ids(self, pk: int) -> set[int]:
        return self.expected.get(pk, ("", set()))[1]

    def open(self) -> bool:
        from ingestion.models import Batch

        return Batch.objects.open().exists()

    def verdict(self) -> dict[str, Any]:
        from ingestion.models import Batch, Load
        from ingestion.rooms import warehouse

        wrong: list[str] = []
        batches = Batch.objects.in_bulk()
        for pk, (status, ids) in self.expected.items():
            batch = batches[pk]
            if batch.status != status or (status == "success" and batch.loaded_count != len(ids)):
                wrong.append(f"batch {pk}: {batch.status}, {batch.loaded_count} rows, expected {status}, {len(ids)}")
        for number, dataset in enumerate(self.datasets):
            due = {n for pk, (_, ids) in self.expected.items() if batches[pk].dataset_id == dataset.pk for n in ids}
            found = Counter(int(row[0]) for row in warehouse().query(f"select id from lake.visits{number}"))
            lost, doubled = due - set(found), {n for n, count in found.items() if count > 1}
            strange = set(found) - due
            if lost or doubled or strange:
                wrong.append(f"{dataset}: {len(lost)} lost, {len(doubled)} doubled, {len(strange)} strange")
        statuses = Counter(batch.status for batch in batches.values())
        again = sum(1 for batch in batches.values() if batch.files.filter(attempt__gt=1).exists())
        return {"statuses": statuses, "wrong": wrong, "loads": Load.objects.count(), "files_taken_over": again}


if __name__ == "__main__":
    raise SystemExit(main())
