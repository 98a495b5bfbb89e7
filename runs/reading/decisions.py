"""What a run decided about the columns of its tables, against the blueprint before it, and the types it has seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ingestion.blueprint.types import Type
from ingestion.models import Batch, Part
from runs.models import Run, Task

MOST_PARTS = 300  # of a table, that are looked through for the types seen
SHOWN_TASKS = 3
Seen = Mapping[str, Mapping[str, Sequence[str]]]  # field path → type → labels of tasks
WORDS = {
    "added": "New column",
    "widened": "Wider type",
    "missing": "Not sent this time",
    "discarded": "Left out",
}
EFFECTS = {
    "added": "The table gets it; rows from before have null.",
    "widened": "The table takes the wider type; nothing that fits is rewritten.",
    "missing": "The column stays; rows of this run have null.",
    "discarded": "The source's schema policy leaves new columns out.",
}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One column. `seen` names each type with the tasks that sent it."""

    column: str
    kind: str
    before: str
    after: str
    seen: Sequence[tuple[str, str]]

    @property
    def word(self) -> str:
        return WORDS.get(self.kind, self.kind)

    @property
    def effect(self) -> str:
        return EFFECTS.get(self.kind, "")


@dataclass(frozen=True, kw_only=True)
class TableDecisions:
    """One table: its columns before and after, and what changed."""

    table: str
    before: int
    after: int
    decisions: Sequence[Decision]

    @property
    def is_new(self) -> bool:
        return not self.before and bool(self.after)


def decisions_of(run: Run) -> list[TableDecisions]:
    """Tables with changes first. Three queries, however many tables there are."""
    own = Batch.objects.filter(load=run.load_id, owner=run.owner).exclude(blueprint=None).select_related("dataset")
    batches = list(own.only("blueprint", "changes", "dataset__namespace", "dataset__name").order_by("dataset__name"))
    seen = _seen([batch for batch in batches if batch.changes])
    names = dict(Task.objects.filter(run=run).values_list("pk", "name")) if seen else {}
    tables = [_table(batch, seen.get(batch.pk, {}), names) for batch in batches]
    return sorted(tables, key=lambda table: not table.decisions)


def _table(batch: Batch, seen: Seen, names: Mapping[int, str]) -> TableDecisions:
    sources = {column["name"]: column["source"] for column in batch.blueprint or []}
    found = [_decision(change, seen.get(sources.get(_column(change), ""), {}), names) for change in batch.changes]
    count = len(batch.blueprint or [])
    added = sum(one.kind == "added" for one in found)
    return TableDecisions(table=str(batch.dataset), before=count - added, after=count, decisions=found)


def _column(change: Mapping[str, Any]) -> str:
    return str(change.get("column") or "")


def _decision(change: Mapping[str, Any], seen: Mapping[str, Sequence[str]], names: Mapping[int, str]) -> Decision:
    told = [(kind, _who(labels, names)) for kind, labels in sorted(seen.items())]
    return Decision(
        column=_column(change),
        kind=str(change.get("kind") or ""),
        before=str(change.get("before") or ""),
        after=str(change.get("after") or ""),
        seen=told or [(str(change.get("after") or ""), _who(change.get("by") or [], names))],
    )


def _who(labels: Sequence[str], names: Mapping[int, str]) -> str:
    numbers = [label.rpartition("/")[2] for label in labels]
    known = [names.get(int(number), number) for number in numbers if number.isdecimal()]
    more = f" and {len(known) - SHOWN_TASKS} more" if len(known) > SHOWN_TASKS else ""
    return ", ".join(known[:SHOWN_TASKS]) + more


def _seen(batches: Sequence[Batch]) -> dict[int, Seen]:
    """By batch. Types are those of the parts as they were staged, before any merge."""
    found: dict[int, dict[str, dict[str, list[str]]]] = {}
    for batch, label, columns in _parts(batches):
        types = found.setdefault(batch, defaultdict(lambda: defaultdict(list)))
        for column in columns:
            labels = types[column["source"]][_word(column["type"])]
            if label not in labels:
                labels.append(label)
    return dict(found)


@cache
def _word(kind: str) -> str:
    """A type as people are shown it: without what is counted of its digits."""
    return Type.parse(kind).label


def _parts(batches: Sequence[Batch]) -> list[tuple[int, str, list[dict[str, str]]]]:
    if not batches:
        return []
    staged = Part.objects.filter(batch__in=batches, extracted_count__gt=0).order_by("pk")
    return list(staged.values_list("batch_id", "label", "columns")[: MOST_PARTS * len(batches)])
