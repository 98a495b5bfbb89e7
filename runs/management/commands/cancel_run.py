"""Ask a run to stop."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.lifecycle.ending import cancel
from runs.management.working import refused, run_numbered
from runs.upkeep import force_close


class Command(BaseCommand):
    help = "Cancel a run. Asking twice changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)
        parser.add_argument("--force", metavar="REASON", help="close it now, without waiting for its workers")

    def handle(self, *_: Any, **options: Any) -> None:
        run = run_numbered(options["run"])
        with refused():
            if options["force"]:
                status = force_close(run.pk, actor="command line", reason=options["force"])
                self.stdout.write(f"Run {run.pk} was closed: {status}.")
                return
            answer = cancel(run.pk, actor="command line")
        who = "" if answer.first else f" (asked before, by {answer.run.cancel_requested_by})"
        self.stdout.write(f"Run {run.pk}: {answer.run.get_status_display()}{who}.")
