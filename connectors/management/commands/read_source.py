"""Print the first records of an endpoint: reads the source, touches no table."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from connectors.engines import open_data_source
from connectors.manifest import ManifestError
from connectors.models import DataSource
from connectors.protocol import Partition, ReadRequest, Source, SourceError


class Command(BaseCommand):
    help = "Print the first records of an endpoint as JSON lines. Nothing is staged or loaded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", help="the data source's name or number")
        parser.add_argument("endpoint", nargs="?", help="the endpoint; without it the endpoints are listed")
        parser.add_argument("--records", type=int, default=10, help="how many (default 10)")
        parser.add_argument("--since", help="read as an incremental run with this bookmark would")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            source = open_data_source(_source_named(options["source"]))
        except ManifestError as error:
            raise CommandError(str(error)) from error
        try:
            self._show(source, options)
        except SourceError as error:
            raise CommandError(f"{error.message} {error.advice}".strip()) from error
        finally:
            source.close()

    def _show(self, source: Source, options: dict[str, Any]) -> None:
        names = [endpoint.name for endpoint in source.discover()]
        if options["endpoint"] not in names:
            listed = "\n".join(f"  {name}" for name in names)
            raise CommandError(f"Name one of the endpoints of this source:\n{listed}")
        lines = _lines(source, options["endpoint"], options["since"])
        sys.stdout.buffer.writelines(line + b"\n" for line in islice(lines, options["records"]))


def _lines(source: Source, endpoint: str, since: str | None) -> Iterator[bytes]:
    found = source.partitions(endpoint, since=since, now=timezone.now().isoformat())
    partitions: list[Partition | None] = [*found] or [None]
    for partition in partitions:
        request = ReadRequest(endpoint=endpoint, partition=partition, since=since)
        for page in source.read(request, stop=lambda: False):
            yield from page.lines.split(b"\n")[: page.count]


def _source_named(name: str) -> DataSource:
    found = DataSource.objects.filter(pk=int(name)) if name.isdigit() else DataSource.objects.filter(name=name)
    if source := found.first():
        return source
    known = ", ".join(f"“{source}”" for source in DataSource.objects.all()[:20]) or "none yet"
    raise CommandError(f"There is no data source “{name}”. There are: {known}.")
