"""Objects of the staging store that no row names: counted, and deleted when told so."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ingestion import orphans
from ingestion.errors import IngestionError

SHOWN: Final = 20


class Command(BaseCommand):
    help = "Look for staged objects that no row names. Deletes nothing unless told to; the sweeper does it by and by."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hours", type=float, help="leave alone what was written since (1 at least)")
        parser.add_argument("--delete", action="store_true", help="delete what is found")
        parser.add_argument("--many", action="store_true", help="delete even when most objects are named by no row")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            found = orphans.look(hours=options["hours"], delete=options["delete"], many=options["many"])
        except IngestionError as error:
            raise CommandError(f"{error.message} {error.advice}".strip()) from error
        done = "deleted" if found.deleted else "found, none deleted (--delete deletes them)"
        for item in found.orphans[:SHOWN]:
            self.stdout.write(f"{item.written_at:%Y-%m-%d %H:%M} {item.size:>12,} {item.key}")
        if len(found.orphans) > SHOWN:
            self.stdout.write(f"… and {len(found.orphans) - SHOWN:,} more")
        self.stdout.write(
            f"{found.looked_at:,} objects looked at: {len(found.orphans):,} named by no row, {found.size:,} bytes, "
            f"and {found.unfinished:,} unfinished uploads: {done}."
        )
