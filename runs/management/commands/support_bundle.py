"""Write the support bundle of a run."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from runs.management.working import run_numbered
from runs.reading.bundle import filename, write_bundle


class Command(BaseCommand):
    help = "Write all that is known of a run into one zip, without secrets and without records."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--output", type=Path, help="file or folder; without it, the current folder")
        parser.add_argument("--plain", action="store_true", help="without technical details and host names")

    def handle(self, *_: Any, **options: Any) -> None:
        run = run_numbered(options["run"])
        path: Path = options["output"] or Path()
        path = path / filename(run) if path.is_dir() else path
        try:
            with path.open("wb") as target:
                write_bundle(run, target, raw=not options["plain"], made_by="command line", now=timezone.now())
        except OSError as error:
            raise CommandError(f"The bundle cannot be written to {path}: {error.strerror}.") from error
        self.stdout.write(f"Run {run.pk}: {path} ({path.stat().st_size:,} bytes)")
