"""R7: S3 refuses, stalls, loses answers, cuts and spoils reads while runs and batches go through; all rows are checked.

Beside every staged part lies a foreign object that looks like one. Wrong is a row that is lost, doubled or changed, a
run or batch that did not end as it should, and a part that was loaded and that no row names.
"""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tests.chaos.batch_kills import Clients
from tests.chaos.house import MANIFEST, ROOT, Crew, house
from tests.chaos.scenario import Answer, Options, main, set_up_django
from tests.services import faulty
from tests.services.faulty import Dice, FaultyProxy
from tests.services.s3 import CREDENTIALS, REGION, RunningS3, start_s3

TWIN = 5_000_000  # the foreign object beside part-7 is called part-5000007
FAULTS_OF_TWO = 12  # that a run and a batch meet together, at the very least
PATIENCE = 600  # seconds in which all runs, then all batches must have ended; a crowded machine needs them
PART = re.compile(r"/(?P<bucket>[^/]+)/(?P<folder>.+)/part-(?P<number>\d+)\.csv\.gz")
CHANCES = {
    ("*", faulty.BUSY): 0.07,
    ("*", faulty.BROKEN): 0.07,
    ("*", faulty.HANG): 0.02,
    ("*", faulty.RESET): 0.04,
    ("PUT", faulty.LATE_SUCCESS): 0.02,
    ("GET", faulty.CUT_BODY): 0.02,
    ("GET", faulty.SHORT_BODY): 0.01,
    ("GET", faulty.OTHER_ROWS): 0.02,
}


class S3Crew(Crew):
    """Workers that know the mutants of this scenario."""

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.s3_worker", self.mutant]
        self.agency = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.members = [self._hire() for _ in range(self.size)]


def play(options: Options) -> Answer:
    """R7. Runs first, then batches: as many of each as it takes to meet so many faults."""
    jobs = max(2, options.count // FAULTS_OF_TWO)
    os.environ |= CREDENTIALS
    with house() as api, _s3(options.seed) as (proxy, address):
        set_up_django(
            {
                "STAGING_URL": address,
                "HEADGATE_PUBLISH_PAUSE_SECONDS": "0.05",
                "HEADGATE_LEASE_SECONDS": "20",  # nobody dies here
            }
        )
        answer = Answer()
        facts = _story(api.url, options, jobs)
        answer.wrong += facts.pop("wrong")
        answer.injected = {fault: count for fault, count in sorted(proxy.met.items()) if fault}
        answer.facts |= facts | {"requests": sum(proxy.met.values())}
        return answer


@contextmanager
def _s3(seed: int) -> Iterator[tuple[FaultyProxy, str]]:
    with ExitStack() as stack:
        server = start_s3()
        stack.callback(server.stop)
        server.create_bucket("chaos")
        proxy = stack.enter_context(faulty.faulty(server.endpoint))
        proxy.dice = Dice(seed, CHANCES)
        proxy.stored = _twins(server)
        yield proxy, f"s3://chaos/staging?endpoint_url={proxy.url}&region={REGION}&timeout=2"


def _twins(server: RunningS3) -> Any:
    """Puts beside each part an object that no row names, as a dead attempt or a stranger would leave it."""
    client = server.client()

    def stored(path: str, body: bytes) -> None:
        if found := PART.fullmatch(path):
            name = f"{found['folder']}/part-{TWIN + int(found['number'])}.csv.gz"
            client.put_object(Bucket=found["bucket"], Key=name, Body=body)

    return stored


def _story(url: str, options: Options, jobs: int) -> dict[str, Any]:
    from tests.chaos.story import Story

    story = Story(url, MANIFEST, sources=min(4, jobs), runs=jobs)
    crew = S3Crew(options.mutant)
    sweeper = subprocess.Popen([sys.executable, "manage.py", "sweep"], cwd=ROOT)
    started = time.monotonic()
    try:
        crew.start()
        while not story.advance() and time.monotonic() - started < PATIENCE:
            time.sleep(0.2)
        facts = story.verdict()
        facts["runs_s"] = round(time.monotonic() - started)
        facts["batches"] = _batches(options, jobs)
        facts["wrong"] += facts["batches"].pop("wrong")
        facts["wrong"] += _unnamed()
    finally:
        crew.stop()
        sweeper.terminate()
        sweeper.wait()
    return facts


def _batches(options: Options, jobs: int) -> dict[str, Any]:
    clients = Clients(options.dice, jobs)
    started = time.monotonic()
    for number in range(jobs):
        clients.send(number)
    while clients.open() and time.monotonic() - started < PATIENCE:
        time.sleep(0.2)
    told = clients.verdict()
    mine = [batch for batch in _in_bulk(clients.expected) if batch.self_promoting]
    statuses = Counter(batch.status for batch in mine)
    return {"statuses": dict(statuses), "wrong": told["wrong"], "seconds": round(time.monotonic() - started)}


def _in_bulk(numbers: Any) -> list[Any]:
    from ingestion.models import Batch

    return list(Batch.objects.in_bulk(list(numbers)).values())


def _unnamed() -> list[str]:
    """Parts that the warehouse says it has loaded, and that no row names."""
    from ingestion.models import Part
    from ingestion.rooms import store, warehouse

    named = {store().uri(key) for key in Part.objects.values_list("key", flat=True)}
    loaded = [uri for (uri,) in warehouse().query("select uri from headgate_books._parts")]
    return [f"{uri} was loaded, and no row names it" for uri in loaded if uri not in named]


if __name__ == "__main__":
    raise SystemExit(main({"R7": play}))
