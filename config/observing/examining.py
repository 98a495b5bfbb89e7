"""The doctor's questions: each tries one component for real and leaves nothing behind. Answers never hold a secret."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import boto3
import dramatiq
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from config.observing.logs import known_secrets
from config.observing.probes import impatient
from connectors.secrets import redact
from ingestion.rooms import store, warehouse
from ingestion.staging.base import ObjectExists
from runs import presence
from runs.models import Sweep, Task

Verdict = Literal["ok", "warn", "fail"]
FULL, CROWDED = 0.95, 0.85  # of a disk
SKEW, FAR = 2.0, 30.0  # seconds
ANY_CAUSE: Final = "See docs/settings.md for what the address of it looks like."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's table."""

    name: str
    verdict: Verdict
    said: str
    advice: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, said: str) -> Finding:
    return Finding(name=name, verdict="ok", said=said)


def warn(name: str, said: str, advice: str) -> Finding:
    return Finding(name=name, verdict="warn", said=said, advice=advice)


def fail(name: str, said: str, advice: str) -> Finding:
    return Finding(name=name, verdict="fail", said=said, advice=advice)


def secrets() -> Iterator[Finding]:
    key = settings.SECRET_KEY
    weak = len(key) < 40 or len(set(key)) < 8 or key.startswith("django-insecure-")
    make = 'Make one: python -c "import secrets; print(secrets.token_urlsafe(50))", and set DJANGO_SECRET_KEY.'
    yield fail("secret key", "It is short or easily guessed.", make) if weak else ok("secret key", "Long and random.")
    from connectors.secrets import SecretBox

    try:
        SecretBox(settings.CREDENTIAL_KEYS)
    except ValueError as error:
        yield fail("credential keys", f"They cannot be used: {error}.", "Correct HEADGATE_CREDENTIAL_KEYS.")
    else:
        yield ok("credential keys", f"{len(settings.CREDENTIAL_KEYS)} in use; the first seals.")


def web() -> Iterator[Finding]:
    if settings.DEBUG:
        yield fail("debug", "Pages of errors show settings and code.", "Unset DJANGO_DEBUG.")
    else:
        yield ok("debug", "Off.")
    if "*" in settings.ALLOWED_HOSTS:
        yield fail("hosts", "Any host name is answered.", "Name them in DJANGO_ALLOWED_HOSTS.")
    else:
        yield ok("hosts", f"{len(settings.ALLOWED_HOSTS)} names are answered.")
    if settings.BEHIND_TLS:
        yield ok("TLS", "Cookies are sent over https only.")
    else:
        yield warn("TLS", "Cookies and passwords may travel in the clear.", "Set HEADGATE_BEHIND_TLS behind a proxy.")


def database() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    yield ok("database", f"{connection.vendor} answers.")
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield fail("migrations", f"{len(waiting)} are waiting.", "Run manage.py migrate.")
    else:
        yield ok("migrations", "All are applied.")
    yield from _database_clock()


def _database_clock() -> Iterator[Finding]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
        yield _clock("clock, database", row[0] if row else timezone.now())


def _clock(name: str, theirs: datetime) -> Finding:
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    said = f"{apart:.1f} s apart from this host."
    advice = "Leases go by the database's clock, but S3 refuses clocks that are far off: have all hosts use NTP."
    if apart > FAR:
        return fail(name, said, advice)
    return warn(name, said, advice) if apart > SKEW else ok(name, said)


def broker() -> Iterator[Finding]:
    if not settings.REDIS_URL:
        yield ok("broker", "In this process: the embedded profile.")
        return
    with impatient(settings.REDIS_URL) as client:
        client.ping()
        yield ok("broker", "Redis answers.")
        told: Any = client.info()
        policy = told.get("maxmemory_policy")
        if policy == "noeviction":
            yield ok("broker, memory", "It refuses when it is full, and forgets nothing.")
        else:
            text = f"It evicts when it is full ({policy}): a queue is one key, so that all its messages would go."
            yield fail("broker, memory", text, "Set maxmemory-policy noeviction, and give it an instance of its own.")
        if told.get("aof_enabled"):
            yield ok("broker, persistence", "An append-only file is kept.")
        else:
            text = "What is queued is lost with a restart; the sweeper repeats it, some seconds late."
            yield warn("broker, persistence", text, "Set appendonly yes and appendfsync everysec.")
        queues = dramatiq.get_broker().get_declared_queues()
        dead = sum(int(client.zcard(f"dramatiq:{queue}.XQ")) for queue in queues)
        if dead:
            yield warn(
                "broker, dead letters", f"{dead} messages were given up.", "Read the workers' logs of that time."
            )
        else:
            yield ok("broker, dead letters", "None.")


def staging() -> Iterator[Finding]:
    here, name = store(), f"doctor/{uuid.uuid4().hex}"
    here.put_bytes(name, b"one")
    try:
        with here.open(name) as stream:
            same = stream.read() == b"one"
        if same:
            yield ok("store", "Objects can be written, read and deleted.")
        else:
            yield fail("store", "An object was read other than it was written.", "Look for a proxy that changes bytes.")
        try:
            here.put_bytes(name, b"two")
        except ObjectExists:
            yield ok("store, conditional put", "A second object under one key is refused.")
        else:
            text = "A second object under one key was taken: an old attempt could overwrite a newer one's file."
            yield fail("store, conditional put", text, "Use a store that knows If-None-Match.")
    finally:
        here.delete(name)


def staging_clock() -> Iterator[Finding]:
    """The Date header that the store's server answers with; a folder has none."""
    parts = urlsplit(settings.STAGING_URL)
    if parts.scheme != "s3":
        return
    options = dict(parse_qsl(parts.query))
    client: Any = boto3.client("s3", endpoint_url=options.get("endpoint_url"), region_name=options.get("region"))
    answer = client.list_objects_v2(Bucket=parts.netloc, MaxKeys=1)
    told = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if told:
        yield _clock("clock, store", parsedate_to_datetime(told))


def tables() -> Iterator[Finding]:
    """The warehouse's own steps: reach, create, insert, in a transaction that is undone."""
    for probe in warehouse().check():
        name = f"warehouse, {probe.name[0].lower()}{probe.name[1:]}"
        yield ok(name, probe.detail) if probe.ok else fail(name, probe.detail, probe.advice)


def disks() -> Iterator[Finding]:
    for name, path in (("disk of HEADGATE_VAR", settings.VAR), ("disk of HEADGATE_SCRATCH", settings.SCRATCH_DIR)):
        usage = shutil.disk_usage(_existing(Path(path)))
        part = usage.used / usage.total
        said = f"{part:.0%} used, {usage.free / 1024**3:.1f} GiB free."
        advice = "Make room: files under conversion and, embedded, all data are there."
        if part > FULL:
            yield fail(name, said, advice)
        else:
            yield warn(name, said, advice) if part > CROWDED else ok(name, said)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def company() -> Iterator[Finding]:
    """Whether anybody sweeps and works."""
    lately = timezone.now() - timedelta(seconds=max(30, settings.SWEEP_SECONDS * 3))
    if count := Sweep.objects.filter(at__gt=lately).count():
        yield ok("sweeper", f"{count} seen just now.")
    else:
        text = "None was seen lately: what a dead worker held stays with it, and lost wake-ups are not repeated."
        yield warn("sweeper", text, "Start manage.py sweep (or manage.py serve).")
    waiting = Task.objects.due().filter(created_at__lt=timezone.now() - timedelta(minutes=2))
    queues = list(presence.seen().values_list("queues", flat=True))
    idle = sorted(presence.queues_of(dramatiq.get_broker()) - {queue for taken in queues for queue in taken})
    said = f"{len(queues)} seen in the last minute."
    start = "Start manage.py rundramatiq (or manage.py serve)."
    if waiting.exists() and not Task.objects.running().filter(lease_until__gt=timezone.now()).exists():
        yield warn("workers", f"{said} Tasks are due, and nobody takes them.", start)
    elif idle:
        yield warn("workers", f"{said} Nobody takes what waits in: {', '.join(idle)}.", start)
    else:
        yield ok("workers", f"{said} Each queue has one.")


QUESTIONS: Final[Mapping[str, Callable[[], Iterator[Finding]]]] = {
    "secrets": secrets,
    "web": web,
    "database": database,
    "broker": broker,
    "store": staging,
    "store's clock": staging_clock,
    "warehouse": tables,
    "disks": disks,
    "workers and sweeper": company,
}


def examine(questions: Mapping[str, Callable[[], Iterator[Finding]]] = QUESTIONS) -> Iterator[Finding]:
    """Ask them all; one that breaks off is a finding itself."""
    for name, question in questions.items():
        began = monotonic()
        try:
            for finding in question():
                yield _timed(finding, began)
                began = monotonic()
        except Exception as error:  # noqa: BLE001 - whatever a broken component raises is what the doctor looks for
            yield _timed(fail(name, _words(error), getattr(error, "advice", "") or ANY_CAUSE), began)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300] if str(error).strip() else 'no words'}"


def _timed(finding: Finding, began: float) -> Finding:
    return Finding(
        name=finding.name,
        verdict=finding.verdict,
        said=redact(finding.said, known_secrets()),
        advice=redact(finding.advice, known_secrets()) if finding.verdict == "fail" else finding.advice,
        seconds=round(monotonic() - began, 3),
    )
