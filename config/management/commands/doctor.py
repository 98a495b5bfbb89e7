"""Tries every component that this installation stands on."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.observing.examining import Finding, examine


class Command(BaseCommand):
    help = "Try settings, database, broker, store, warehouse, disks and clocks; say what is wrong and what to do."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object, for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        found = []
        for finding in examine():
            found.append(finding)
            if not options["json"]:
                self._line(finding)
        well = all(finding.verdict != "fail" for finding in found)
        if options["json"]:
            self.stdout.write(json.dumps({"ok": well, "findings": [finding.to_json() for finding in found]}))
        if not well:
            raise SystemExit(1)

    def _line(self, finding: Finding) -> None:
        paint = {"ok": self.style.SUCCESS, "warn": self.style.WARNING, "fail": self.style.ERROR}[finding.verdict]
        mark = paint(f"{finding.verdict:<5}")
        self.stdout.write(f"{mark} {finding.name:<32} {finding.seconds:6.2f} s  {finding.said}")
        if finding.advice:
            self.stdout.write(f"{'':<48}→ {finding.advice}")
