"""If-Match and If-None-Match: a change only of what the client has seen. What it has seen is a version or a time."""

from __future__ import annotations

from typing import Final

from rest_framework.request import Request

from ingestion.api import wire
from ingestion.api.base import Problem
from ingestion.models import Batch, Dataset

HEADERS: Final = ("If-Match", "If-None-Match")


def tag(row: Batch | Dataset) -> str:
    return f'"{wire.version(row.version)}"'


def check(request: Request, row: Batch | Dataset) -> None:
    """Raises Problem: 412."""
    known = {wire.version(row.version), str(wire.milliseconds(row.updated_at)), "*"}
    wanted, unwanted = (_tags(request.headers.get(name, "")) for name in HEADERS)
    if (wanted and not wanted & known) or unwanted & known:
        raise Problem(412, f"This is not the version that the request is for: it is {wire.version(row.version)}.")


def _tags(header: str) -> set[str]:
    plain = (each.strip().removeprefix("W/").strip('"') for each in header.split(","))
    return {each for each in plain if each}
