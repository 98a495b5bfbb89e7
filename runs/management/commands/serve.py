"""The embedded profile in one process: the web pages, workers and the sweeper."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs.local import workers
from runs.management.serving import serve


class Command(BaseCommand):
    help = "Serve the admin and the API, and work runs, in this one process until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *_: Any, **options: Any) -> None:
        with workers():
            serve(self.stdout, host=options["host"], port=options["port"])
