"""The main job on the embedded profile: a real data set, served as an API on this machine, made live and shown."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from connectors.models import Connector, DataSource
from ingestion.states import BatchStatus
from runs.demo.running import DemoServerError, RunningServer, start_server
from runs.lifecycle.ending import cancel
from runs.lifecycle.starting import Asked, request
from runs.local import wait_for, workers
from runs.management.batches import push
from runs.management.serving import free_port, serve
from runs.models import Run
from runs.states import RunMode, RunStatus

LIBRARY = Path(settings.BASE_DIR) / "connectors" / "library"
ASKED = Asked(actor="demo", trigger="demo")
PATIENCE = 600


class Command(BaseCommand):
    help = "Serve a real data set as an API, ingest it, print what went live, and serve the admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end after the runs")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *_: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        self._login()
        try:
            with start_server() as api, workers():
                self._runs(api)
                self._batches()
                if not options["no_serve"]:
                    serve(self.stdout, host="127.0.0.1", port=free_port("127.0.0.1", options["port"]))
        except DemoServerError as error:
            raise CommandError(str(error)) from error

    def _login(self) -> None:
        """An admin login, made once; the password is kept in a private file so that a second demo can show it."""
        kept = settings.VAR / "demo-login"
        users = get_user_model().objects
        if not users.filter(username="admin").exists():
            password = secrets.token_urlsafe(12)
            users.create_superuser("admin", password=password)
            kept.touch(mode=0o600)
            kept.write_text(password)
        shown = kept.read_text() if kept.exists() else "the one you have set"
        self.stdout.write(f"Login: admin, password: {shown}")

    def _runs(self, api: RunningServer) -> None:
        self.stdout.write(f"Demo API (nycflights13) at {api.url}")
        settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, api.url.removeprefix("http://")]
        source = _source("Nycflights", "flights", api.url, token="demo-token")  # noqa: S106 - the demo's own
        refused = _source("Nycflights, wrong token", "flights_refused", api.url, token="wrong")  # noqa: S106
        self._first_runs(source)
        self._unlucky_runs(source, refused)

    def _first_runs(self, source: DataSource) -> None:
        for mode in (RunMode.DESTRUCTIVE, RunMode.INCREMENTAL):
            run = wait_for(request(source.pk, mode, asked=ASKED).pk, seconds=PATIENCE)
            self._show(run)
            if run.status != RunStatus.COMPLETED:
                raise CommandError(f"Run {run.pk} did not complete: {run.outcome}")

    def _unlucky_runs(self, source: DataSource, refused: DataSource) -> None:
        """A rejected, a cancelled and a failed run, so that their pages can be seen."""
        running = request(source.pk, RunMode.DESTRUCTIVE, asked=ASKED)
        rejected = request(source.pk, RunMode.INCREMENTAL, asked=ASKED)
        failed = request(refused.pk, RunMode.DESTRUCTIVE, asked=ASKED)
        cancel(running.pk, actor="demo")
        for run in (running, rejected, failed):
            self._say(wait_for(run.pk, seconds=PATIENCE))

    def _batches(self) -> None:
        self.stdout.write("A program pushes batches:")
        for batch in push():
            live = batch.staged_count if batch.status == BatchStatus.SUCCESS else 0
            self.stdout.write(
                f"  Batch {batch.public_id}: {batch.status}. {batch.extracted_count:,} rows read, "
                f"{batch.rejected_count:,} turned down, {live:,} made live in {batch.dataset}"
            )

    def _say(self, run: Run) -> None:
        self.stdout.write(f"Run {run.pk} of “{run.source}”, {run.mode}: {run.get_status_display()}. {run.outcome}")

    def _show(self, run: Run) -> None:
        self._say(run)
        loaded = {
            row.batch_id: row for row in run.tables.filter(task__kind="ingestion").select_related("batch__dataset")
        }
        for row in loaded.values():
            dataset = row.batch.dataset
            self.stdout.write(f"  {dataset!s:32} {row.row_count:>9,} loaded {dataset.live_rows or 0:>9,} live")
        if run.started_at and run.finished_at:
            seconds = (run.finished_at - run.created_at).total_seconds()
            rows = sum(row.row_count for row in loaded.values())
            self.stdout.write(f"  {rows:,} rows in {seconds:.1f} s: {rows / seconds:,.0f} rows/s, from request to live")


def _source(name: str, namespace: str, url: str, *, token: str) -> DataSource:
    connector, _ = Connector.objects.update_or_create(
        name="Nycflights", defaults={"manifest": (LIBRARY / "nycflights.yaml").read_text()}
    )
    source, _ = DataSource.objects.update_or_create(
        name=name, defaults={"connector": connector, "namespace": namespace, "settings": {"base_url": url}}
    )
    source.seal({"token": token})
    source.save()
    return source
