"""What must be done once between restoring the control database and starting workers again."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db.models.functions import Now

from ingestion.errors import IngestionError
from runs.management.restoring import SHOWN, Unknown, raise_numbers, unknown_loads
from runs.models import Sweep


class Command(BaseCommand):
    help = "After a restore of the control database: go on with new numbers, and say what it does not know of."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", type=int, default=100_000, help="more than were used up since the backup")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["by"] < 1:
            raise CommandError("--by is a number from 1 on.")
        lately = timedelta(seconds=settings.SWEEP_SECONDS * 2 + 1)
        if Sweep.objects.filter(at__gt=Now() - lately).exists():
            raise CommandError("A sweeper is at work. Stop the web processes, workers and sweepers first.")
        try:
            unknown = unknown_loads()
            numbers = raise_numbers(options["by"])
        except IngestionError as error:
            raise CommandError(f"{error.message} {error.advice}".strip()) from error
        told = ", ".join(f"{kind} {number + 1:,}" for kind, number in numbers.items())
        self.stdout.write(f"The next numbers: {told}.")
        self._say(unknown)

    def _say(self, unknown: list[Unknown]) -> None:
        self.stdout.write(f"Loads that are live and that this database does not know: {len(unknown):,}.")
        for load in unknown[:SHOWN]:
            facts = ", ".join(f"{name} {value}" for name, value in sorted(load.facts.items()))
            self.stdout.write(f"  load {load.load} of {load.published_at:%Y-%m-%d %H:%M}: {facts[:300]}")
        if len(unknown) > SHOWN:
            self.stdout.write(f"  … and {len(unknown) - SHOWN:,} more")
