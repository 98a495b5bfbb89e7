"""Unlocking a name whose logins failed too often."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from runs import logins


class Command(BaseCommand):
    help = "Forget the failed logins of a name, so that it can be tried again at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the user name, as it was typed")

    def handle(self, *_: Any, **options: Any) -> None:
        count = logins.clear(options["name"])
        self.stdout.write("Unlocked." if count else "No login of that name has failed lately: nothing to unlock.")
