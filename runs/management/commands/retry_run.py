"""Retry a failed, cancelled or rejected run as a new run."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.lifecycle.retrying import Choice, Way, plan
from runs.lifecycle.starting import Asked, retry
from runs.management.working import end_of_run, refused, run_numbered


class Command(BaseCommand):
    help = "Retry the newest failed, cancelled or rejected run of a source, reusing what it has staged."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int)
        ways = "failed tasks only (as without it), from consolidation, from ingestion, the same window, everything"
        parser.add_argument("--from", dest="choice", choices=[str(c) for c in Choice], default="failed", help=ways)
        parser.add_argument("--everything", action="store_true", help="the same as --from everything")
        parser.add_argument("--plan", action="store_true", help="only say what each way reuses and calls again")
        parser.add_argument("--no-wait", action="store_true", help="only ask for the run; workers elsewhere do it")
        parser.add_argument("--timeout", type=float, default=86_400, help="seconds to wait for the end")

    def handle(self, *_: Any, **options: Any) -> None:
        old = run_numbered(options["run"])
        if options["plan"]:
            for way in plan(old):
                self.stdout.write(_line(way))
            return
        choice = Choice.EVERYTHING if options["everything"] else Choice(options["choice"])
        with refused():
            run = retry(old.pk, asked=Asked(actor="command line", trigger="retry"), choice=choice)
        reused = run.tasks.exclude(reused_from=None).count()
        self.stdout.write(f"Run {run.pk} retries run {old.pk}; {reused} finished tasks are reused.")
        if not options["no_wait"]:
            end_of_run(self, run.pk, timeout=options["timeout"])


def _line(way: Way) -> str:
    if way.refusal:
        return f"{way.choice}: not possible. {way.refusal}"
    calls = "an unknown number of" if way.call_count is None else f"about {way.call_count:,}"
    reused = f"reuses {way.task_count:,} tasks with {way.row_count:,} rows ({way.byte_count:,} bytes)"
    return f"{way.choice}: {reused}; {calls} calls at {len(way.called):,} endpoints. {way.remark}".rstrip()
