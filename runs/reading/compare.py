"""Two runs side by side: facts, stages, tables, messages and configuration. A fixed number of queries."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Sum

from connectors.models import ConfigRevision
from ingestion.models import Batch
from runs.models import Message, Run
from runs.reading.chains import batches_of, brought, percent
from runs.reading.durations import last_good
from runs.reading.stages import Stage, stages_of

MOST_KINDS = 200  # kinds of messages of each run


@dataclass(frozen=True, kw_only=True)
class StagePair:
    name: str
    left: Stage
    right: Stage
    left_took: timedelta | None
    right_took: timedelta | None
    change: float | None


@dataclass(frozen=True, kw_only=True)
class TablePair:
    """Rows that each run brought into a table; None where it had no part in it. `columns` names those of one alone."""

    name: str
    left: int | None
    right: int | None
    change: float | None
    columns: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class KindPair:
    """How often each run said one kind of message."""

    text: str
    level: int
    left: int
    right: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    left: Run
    right: Run
    left_took: timedelta | None
    right_took: timedelta | None
    stages: Sequence[StagePair]
    tables: Sequence[TablePair]
    messages: Sequence[KindPair]
    configuration: Sequence[str]  # a unified diff; empty where both ran on the same


def partner_of(run: Run) -> Run | None:
    """What a run is compared with unless somebody says otherwise: the last good run, else the one before it."""
    earlier = Run.objects.filter(source=run.source_id, pk__lt=run.pk).order_by("-pk")
    return last_good(run) or earlier.first()


def compare(left: Run, right: Run, *, now: datetime) -> Comparison:
    """`left` is the one that is compared with, usually the older and better one."""
    return Comparison(
        left=left,
        right=right,
        left_took=left.duration(now=now),
        right_took=right.duration(now=now),
        stages=_stages(left, right, now=now),
        tables=_tables(left, right),
        messages=_messages(left, right),
        configuration=config_diff(left.config, right.config),
    )


def _stages(left: Run, right: Run, *, now: datetime) -> list[StagePair]:
    return [_stage(one, other, now=now) for one, other in zip(stages_of(left), stages_of(right), strict=True)]


def _stage(left: Stage, right: Stage, *, now: datetime) -> StagePair:
    before, after = left.duration(now=now), right.duration(now=now)
    change = percent(_seconds(before), _seconds(after))
    return StagePair(name=left.name, left=left, right=right, left_took=before, right_took=after, change=change)


def _seconds(value: timedelta | None) -> int | None:
    """As long as the page says it took, so that the change beside it agrees."""
    return int(value.total_seconds()) if value is not None else None


def _tables(left: Run, right: Run) -> list[TablePair]:
    before, after = ({str(batch.dataset): batch for batch in batches_of(run)} for run in (left, right))
    return [_table(name, before.get(name), after.get(name)) for name in sorted({*before, *after})]


def _table(name: str, left: Batch | None, right: Batch | None) -> TablePair:
    rows = [brought(batch) if batch else None for batch in (left, right)]
    columns = _columns(right.changes if right else [])
    return TablePair(name=name, left=rows[0], right=rows[1], change=percent(*rows), columns=columns)


def _columns(changes: Sequence[dict[str, str]]) -> list[str]:
    return [f"{change.get('kind')}: {change.get('column')}" for change in changes]


def _messages(left: Run, right: Run) -> list[KindPair]:
    kinds = [{row["fingerprint"]: row for row in _kinds(run)} for run in (left, right)]
    newest = {name: row["newest"] for side in kinds for name, row in side.items()}
    examples = Message.objects.in_bulk(list(newest.values()))
    pairs = [
        KindPair(
            text=examples[pk].text,
            level=examples[pk].level,
            left=kinds[0].get(name, {}).get("said", 0),
            right=kinds[1].get(name, {}).get("said", 0),
        )
        for name, pk in newest.items()
    ]
    return sorted(pairs, key=lambda pair: (bool(pair.left) and bool(pair.right), -pair.level, pair.text))


def _kinds(run: Run) -> list[dict[str, Any]]:
    counted = run.messages.order_by().values("fingerprint").annotate(said=Sum("count"), newest=Max("pk"))
    return [{**row} for row in counted.order_by("-newest")[:MOST_KINDS]]


def config_diff(left: ConfigRevision, right: ConfigRevision) -> list[str]:
    """What differs between two revisions, line by line."""
    if left.pk == right.pk:
        return []
    before, after = (f"{revision.source.name} revision {revision.number}" for revision in (left, right))
    return list(difflib.unified_diff(_lines(left), _lines(right), before, after, lineterm=""))


def _lines(revision: ConfigRevision) -> list[str]:
    rest = json.dumps({"settings": revision.settings, "options": revision.options}, indent=2, sort_keys=True)
    return [*revision.manifest.splitlines(), *rest.splitlines()]
