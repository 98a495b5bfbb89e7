"""What the commands share: finding a source, saying a refusal, following a run to its end."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models.functions import Now

from connectors.manifest import ManifestError
from connectors.models import DataSource
from connectors.protocol import SourceError
from connectors.secrets import SealError
from ingestion.errors import IngestionError
from runs.errors import Refused
from runs.local import wait_for, workers
from runs.models import Run, Sweep
from runs.states import RUN_ENDED, RunStatus


@contextmanager
def refused() -> Iterator[None]:
    """Turns a refusal into the command's error."""
    try:
        yield
    except (SourceError, IngestionError) as error:
        raise CommandError(f"{error.message} {error.advice}".strip()) from error
    except (Refused, ManifestError, SealError) as error:
        raise CommandError(str(error)) from error


def source_named(name: str) -> DataSource:
    found = DataSource.objects.filter(pk=int(name)) if name.isdigit() else DataSource.objects.filter(name=name)
    if source := found.first():
        return source
    known = ", ".join(f"“{source}”" for source in DataSource.objects.all()[:20]) or "none yet"
    raise CommandError(f"There is no data source “{name}”. There are: {known}.")


def run_numbered(number: int) -> Run:
    run = Run.objects.filter(pk=number).first()
    if run is None:
        raise CommandError(f"There is no run {number}.")
    return run


def somebody_works() -> bool:
    """Whether workers elsewhere will take the run up: a broker that reaches them, or a server seen a moment ago."""
    lately = Now() - timedelta(seconds=settings.SWEEP_SECONDS * 2 + 1)
    return bool(settings.REDIS_URL) or Sweep.objects.filter(at__gt=lately).exists()


def end_of_run(command: BaseCommand, run_id: int, *, timeout: float) -> Run:
    """Follow a run to its end, working it here when nobody else does; fails the command when the run failed."""
    with nullcontext() if somebody_works() else workers():
        run = wait_for(run_id, seconds=timeout)
    if run.status not in RUN_ENDED:
        raise CommandError(f"Run {run.pk} is still “{run.get_status_display()}” after {timeout:.0f} s; it goes on.")
    command.stdout.write(f"Run {run.pk}: {run.get_status_display()}. {run.outcome}")
    if run.status == RunStatus.FAILED:
        raise CommandError(_why(run))
    return run


def _why(run: Run) -> str:
    message = run.messages.filter(level=3).order_by("pk").first()
    return f"{message.text} {message.advice}".strip() if message else run.outcome
