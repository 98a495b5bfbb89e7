"""Where a client's dataset lives in the warehouse: a namespace for each sandbox, and a free table name in it."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Final

from django.conf import settings

from ingestion.blueprint.names import LONGEST, fold
from ingestion.models import Dataset

LAKE: Final = "lake"  # of this installation's own organisation and sandbox
OF_WAREHOUSES: Final = ("pg_", "headgate_", "information_schema", "public", "main", "temp", "system")
TAIL: Final = 6


def namespace_of(organisation: str, sandbox: str) -> str:
    """The schema of a sandbox. No two share one: where folding loses what tells them apart, a hash is added."""
    if (organisation, sandbox) == (settings.ORGANISATION, settings.SANDBOX):
        return LAKE
    spelled = f"{organisation}_{sandbox}"  # a sandbox has no underscore: the last one is ours
    folded = fold(spelled)
    if folded == spelled and folded != LAKE and not folded.startswith(OF_WAREHOUSES):
        return folded
    tail = hashlib.sha256(f"{organisation}\0{sandbox}".encode()).hexdigest()[:TAIL]
    stem = f"org_{folded}" if folded.startswith(OF_WAREHOUSES) else folded
    return f"{stem[: LONGEST - TAIL - 1]}_{tail}"


def free_table(namespace: str, wanted: str) -> str:
    """`wanted` as a table's name; with the first free number behind it where that is taken, also by a dataset that
    was deleted: its live table may still stand."""
    name = fold(wanted)
    stem = name[: LONGEST - 8]
    taken = set(Dataset.objects.filter(namespace=namespace, name__startswith=stem).values_list("name", flat=True))
    if name not in taken:
        return name
    return next(numbered for number in count(2) if (numbered := f"{stem}_{number}") not in taken)
