"""Agreeing: joins the columns that tasks have observed with a dataset's blueprint, and says what changes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ingestion.blueprint.columns import Blueprint, Change, Column
from ingestion.blueprint.names import assign
from ingestion.blueprint.types import NULL, Type, fits, join

POLICIES: Final = ("evolve", "freeze", "discard_columns")
MOST_COLUMNS: Final = 1500  # Postgres and Redshift stop at 1,600; a live table has columns of its own, and grows


@dataclass(frozen=True)
class Agreement:
    """The blueprint after a load. `problems` are sentences for people; with any of them the load must not go on.
    `too_wide` says that they are about the number of columns, which no policy allows."""

    blueprint: Blueprint
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    too_wide: bool = False


@dataclass
class _Sight:
    """What the tasks have seen of one field."""

    column: Column
    type: Type = NULL
    types: set[Type] = field(default_factory=set)
    labels: dict[Type, dict[str, None]] = field(default_factory=dict)

    def add(self, label: str, column: Column) -> None:
        self.type = join(self.type, column.type)
        self.types.add(column.type)
        self.labels.setdefault(column.type, {})[label] = None

    def asked_by(self, before: Type) -> tuple[str, ...]:
        """The labels whose values do not fit `before`."""
        asking = (labels for kind, labels in self.labels.items() if join(before, kind).label != before.label)
        return tuple(dict.fromkeys(label for labels in asking for label in labels))


def agree(
    current: Blueprint,
    observed: Sequence[tuple[str, Sequence[Column]]],
    *,
    policy: str = "evolve",
    declared: Mapping[str, str] | None = None,
) -> Agreement:
    """Join `observed` (label of the task, columns of one part) with `current`.

    Existing columns keep place and name; new ones follow in order of appearance. A declared type stands as long as all
    values fit it. The answer depends on the arguments alone, and repeating with the result changes nothing.
    Raises ValueError for an unknown policy or declared type.
    """
    if policy not in POLICIES:
        raise ValueError(f"unknown schema policy {policy!r}: use one of {', '.join(POLICIES)}")
    words = {source: Type.parse(word) for source, word in (declared or {}).items()}
    sights = _look(observed)
    known = current.by_source()
    kept = [_widened(column, sights.get(column.source), words.get(column.source)) for column in current.columns]
    new = [sight for source, sight in sights.items() if source not in known]
    names = assign((sight.column.source for sight in new), {column.source: column.name for column in current.columns})
    added = [_named(sight, names, words.get(sight.column.source)) for sight in new]
    changes = [*_changes_of(current.columns, kept, sights), *_additions(added, sights)]
    return _decide(current, kept, added, changes, policy)


def relabel(columns: Iterable[Column], blueprint: Blueprint) -> tuple[Column, ...]:
    """A part's columns under the names that the blueprint gives their fields; its own where the blueprint has none."""
    known = blueprint.by_source()
    return tuple(known.get(column.source, column) for column in columns)


def _look(observed: Sequence[tuple[str, Sequence[Column]]]) -> dict[str, _Sight]:
    sights: dict[str, _Sight] = {}
    for label, columns in observed:
        for column in columns:
            sights.setdefault(column.source, _Sight(column)).add(label, column)
    return sights


def _settle(seen: Type, types: Iterable[Type], word: Type | None) -> Type:
    return word if word and all(fits(kind, word) for kind in types) else seen


def _widened(column: Column, sight: _Sight | None, word: Type | None) -> Column:
    types = {column.type, *(sight.types if sight else ())}
    seen = join(column.type, sight.type) if sight else column.type
    return Column(name=column.name, source=column.source, type=_settle(seen, types, word))


def _named(sight: _Sight, names: Mapping[str, str], word: Type | None) -> Column:
    source = sight.column.source
    return Column(name=names[source], source=source, type=_settle(sight.type, sight.types, word))


def _changes_of(before: Sequence[Column], after: Sequence[Column], sights: Mapping[str, _Sight]) -> list[Change]:
    changes = []
    for old, new in zip(before, after, strict=True):
        sight = sights.get(old.source)
        if sight is None and sights:
            changes.append(Change(kind="missing", column=old.name, before=old.type.label))
        elif sight and old.type.label != new.type.label:
            by = sight.asked_by(old.type)
            changes.append(Change(kind="widened", column=old.name, before=old.type.label, after=new.type.label, by=by))
    return changes


def _additions(added: Sequence[Column], sights: Mapping[str, _Sight]) -> list[Change]:
    return [
        Change(
            kind="added",
            column=column.name,
            after=column.type.label,
            by=tuple(dict.fromkeys(label for labels in sights[column.source].labels.values() for label in labels)),
        )
        for column in added
    ]


def _decide(
    current: Blueprint, kept: list[Column], added: list[Column], changes: list[Change], policy: str
) -> Agreement:
    if policy == "evolve" or not current.columns:  # nothing to hold on to before the first load
        return _within_limit(Blueprint((*kept, *added)), changes)
    dropped = [column for column in added if policy == "discard_columns" or column.type.kind == "null"]
    names = {column.name for column in dropped}
    told = [_discarded(change) if change.kind == "added" and change.column in names else change for change in changes]
    if policy == "discard_columns":
        return _within_limit(Blueprint(tuple(kept)), told)
    problems = [_refusal(change) for change in told if change.kind in ("added", "widened")]
    return Agreement(current, tuple(told), tuple(problems))


def _discarded(change: Change) -> Change:
    return Change(kind="discarded", column=change.column, after=change.after, by=change.by)


def _refusal(change: Change) -> str:
    by = f" (seen by {', '.join(change.by[:3])})" if change.by else ""
    if change.kind == "added":
        return f"column {change.column} of type {change.after} is new{by}"
    return f"column {change.column} would change from {change.before} to {change.after}{by}"


def _within_limit(blueprint: Blueprint, changes: Sequence[Change]) -> Agreement:
    count = len(blueprint.columns)
    if count <= MOST_COLUMNS:
        return Agreement(blueprint, tuple(changes))
    problem = (
        f"the table would have {count:,} columns, and a warehouse takes no more than {MOST_COLUMNS:,} of ours: "
        "set a smaller depth for this endpoint, so that nested objects stay JSON"
    )
    return Agreement(blueprint, tuple(changes), (problem,), too_wide=True)
