"""The search over tasks: five rules and a few operators, defined once for the pages and the API. Reads only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db.models import (
    Case,
    CharField,
    DurationField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now

from runs.models import Message, TableLoad, Task
from runs.states import KIND_WORDS, RUN_WORDS, TASK_WORDS, RunStatus, TaskStatus

# Every spelling that people type. Tasks have one word for both, so both find it.
RUN_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    RunStatus.CANCELING: ("cancelling", "canceling ..."),
    RunStatus.CANCELLED: ("canceled",),
}
TASK_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    TaskStatus.CANCELLED: ("canceled", "canceling", "cancelling"),
}
RULES: Final[tuple[str, ...]] = ("acronym", "name", "status", "table", "message")  # in the order that labels prefer
OPERATOR: Final = re.compile(r"(?:^|\s)(?:(status|kind|table):(\S+)|([<>])(\d{1,6})(s|m|h|d))(?=\s|$)", re.IGNORECASE)
UNITS: Final[Mapping[str, str]] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
TOOK = ExpressionWrapper(Coalesce(F("finished_at"), Now()) - F("started_at"), output_field=DurationField())


def matching(tasks: QuerySet[Task], text: str, *, run_id: int) -> QuerySet[Task]:
    """The tasks of the run that any of the five rules finds, each annotated with the rule, as `matched_rule`.

    Case does not matter, nor do spaces around the text; `%` and `_` stand for themselves. An empty text finds all.
    `status:failed`, `kind:extraction`, `table:emp`, `>10m` and `<5s` narrow what the rest of the text finds.
    """
    text = text.replace("\0", "").strip()  # a NUL is in no name, and Postgres refuses to be asked for one
    tasks = tasks.filter(run=run_id)
    for rule in _operators(text, run_id):
        tasks = tasks.alias(took=TOOK).filter(rule)
    text = OPERATOR.sub(" ", text).strip()
    if not text:
        return tasks.annotate(matched_rule=Value("", output_field=CharField()))
    found = Case(
        *(When(rule, then=Value(name)) for name, rule in _rules(text, run_id).items()),
        default=Value(""),
        output_field=CharField(),
    )
    return tasks.annotate(matched_rule=found).exclude(matched_rule="")


def rule_that_matched(task: Task, text: str) -> str:
    """The first of `RULES` that finds the task; "" where none does, or where there is nothing to find.

    Costs nothing for a task that came out of `matching`, one query for any other.
    """
    known: str | None = getattr(task, "matched_rule", None)
    if known is not None:
        return known
    found = matching(Task.objects.filter(pk=task.pk), text, run_id=task.run_id).first()
    return getattr(found, "matched_rule", "")


def runs_with_status(text: str) -> list[str]:
    """The statuses of runs whose shown word, in any spelling, starts with the text: "rej" gives rejected."""
    return _starting_with(text, RUN_WORDS, RUN_SPELLINGS)


def _operators(text: str, run_id: int) -> Iterator[Q]:
    for name, word, sign, number, unit in OPERATOR.findall(text):
        if sign:
            length = timedelta(**{UNITS[unit.lower()]: int(number)})
            yield Q(took__gt=length) if sign == ">" else Q(took__lt=length)
        elif name.lower() == "status":
            yield Q(status__in=_starting_with(word, TASK_WORDS, TASK_SPELLINGS))
        elif name.lower() == "kind":
            yield Q(kind__in=[kind for kind, shown in KIND_WORDS.items() if word.lower() in shown.lower()])
        else:
            yield _owning(TableLoad.objects.filter(_contains("name", word), run=run_id))


def _owning(told: QuerySet[TableLoad] | QuerySet[Message]) -> Q:
    """Tasks that own any of these rows of their run. Asked once for all: for each task apart, each would be a scan."""
    return Q(pk__in=told.filter(task__isnull=False).order_by().values("task"))


def _rules(text: str, run_id: int) -> dict[str, Q]:
    rules = {
        "acronym": _acronym(text),
        "name": _contains("name", text),
        "status": Q(status__in=_starting_with(text, TASK_WORDS, TASK_SPELLINGS)),
        "table": _owning(TableLoad.objects.filter(_contains("name", text), run=run_id)),
        "message": _owning(Message.objects.filter(_contains("text", text), run=run_id)),
    }
    return {name: rules[name] for name in RULES}


def _acronym(text: str) -> Q:
    """Two initials or more, from the first on; or all of them, by the setting TASK_SEARCH_ACRONYM."""
    if len(text) < 2:
        return Q(pk__in=[])
    exact = settings.TASK_SEARCH_ACRONYM == "exact"
    return Q(acronym__iexact=text) if exact else Q(acronym__istartswith=text)


def _contains(field: str, text: str) -> Q:
    """SQLite folds the case of ASCII alone, so other letters are looked for in each of their cases."""
    spellings = {text} if text.isascii() else {text, text.lower(), text.upper(), text.capitalize()}
    rule = Q()
    for spelling in sorted(spellings):
        rule |= Q(**{f"{field}__icontains": spelling})
    return rule


def _starting_with(text: str, words: Mapping[str, str], spellings: Mapping[str, tuple[str, ...]]) -> list[str]:
    start = text.strip().lower()
    return [
        str(status)
        for status, word in words.items()
        if any(spelling.lower().startswith(start) for spelling in (word, *spellings.get(status, ())))
    ]
