"""The sweeper as a process, or one look."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from runs.local import sweep_until
from runs.shutdown import shutting_down
from runs.upkeep import sweep


class Command(BaseCommand):
    help = "Repeat lost wake-ups, take work from dead workers, close runs that nobody will close."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="look once and end")
        parser.add_argument("--dry-run", action="store_true", help="only say what one look would find")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["once"] or options["dry_run"]:
            found = sweep(dry_run=options["dry_run"])
            self.stdout.write(", ".join(f"{kind}: {count}" for kind, count in found.items()))
            return
        over = threading.Event()

        def stop(*_: Any) -> None:
            shutting_down.set()
            over.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        with import_string(settings.WATCHED)():
            sweep_until(over, settings.SWEEP_SECONDS)
