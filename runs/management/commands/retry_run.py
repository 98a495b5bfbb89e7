"""Retry a failed, cancelled or rejected run as a new run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.lifecycle.starting import Asked, retry
from runs.management.working import end_of_run, refused, run_numbered


class Command(BaseCommand):
    help = "Retry the newest failed, cancelled or rejected run of a source, reusing what it has staged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--everything", action="store_true", help="extract everything anew")
        parser.add_argument("--no-wait", action="store_true", help="only ask for the run; workers elsewhere do it")
        parser.add_argument("--timeout", type=float, default=86_400, help="seconds to wait for the end")

    def handle(self, *_: Any, **options: Any) -> None:
        old = run_numbered(options["run"])
        with refused():
            asked = Asked(actor="command line", trigger="retry")
            run = retry(old.pk, asked=asked, everything=options["everything"])
        reused = run.tasks.exclude(reused_from=None).count()
        self.stdout.write(f"Run {run.pk} retries run {old.pk}; {reused} finished tasks are reused.")
        if not options["no_wait"]:
            end_of_run(self, run.pk, timeout=options["timeout"])
