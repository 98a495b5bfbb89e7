"""Start a run of a data source; with no server running, work it to its end here."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from runs.lifecycle.starting import Asked, request
from runs.management.working import end_of_run, refused, source_named
from runs.states import RunMode, RunStatus


class Command(BaseCommand):
    help = "Start a run of a data source and wait for its end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the data source's name or number")
        parser.add_argument("--destructive", action="store_true", help="fetch everything and replace what is live")
        parser.add_argument("--no-wait", action="store_true", help="only ask for the run; workers elsewhere do it")
        parser.add_argument("--timeout", type=float, default=86_400, help="seconds to wait for the end")

    def handle(self, *_: Any, **options: Any) -> None:
        source = source_named(options["source"])
        mode = RunMode.DESTRUCTIVE if options["destructive"] else RunMode.INCREMENTAL
        with refused():
            run = request(source.pk, mode, asked=Asked(actor="command line", trigger="command"))
        if run.status == RunStatus.REJECTED:
            raise CommandError(f"Run {run.pk} was rejected: run {run.blocked_by_id} of “{source}” is still open.")
        self.stdout.write(f"Run {run.pk} of “{source}” ({mode}) is accepted.")
        if not options["no_wait"]:
            end_of_run(self, run.pk, timeout=options["timeout"])
