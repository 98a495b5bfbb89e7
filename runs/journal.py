"""Messages and history: the rows that people read. Only ever adds."""

import hashlib
import re

from django.db.models import F, Value
from django.db.models.functions import Greatest, Now

from runs.models import Event, Level, Message, Run, Task

MOST_ALIKE = 50  # messages of one kind on one task: later ones raise the count of the newest
_VARYING = re.compile(r"\d+|[0-9a-f]{8,}|'[^']*'|“[^”]*”")


def fingerprint(code: str, text: str) -> str:
    """The same for messages that differ only in numbers and names."""
    return hashlib.sha256(f"{code}\n{_VARYING.sub('#', text)}".encode()).hexdigest()[:32]


def say(
    run: Run,
    level: Level,
    text: str,
    *,
    code: str,
    task: Task | None = None,
    advice: str = "",
    detail: str = "",
    table: str = "",
    count: int = 1,
) -> None:
    """Leave a message. The same words on the same task raise a count instead of adding a row, and so do words that
    differ only in numbers and names once there are many of them."""
    if _counted(run, task, code, text, count):
        return
    Message.objects.create(
        run=run,
        task=task,
        level=level,
        code=code,
        text=text,
        advice=advice,
        detail=detail[:20_000],
        table=table,
        fingerprint=fingerprint(code, text),
        count=count,
    )
    raised = {"message_count": F("message_count") + 1, "worst_level": _worst(level)}
    Run.objects.filter(pk=run.pk).update(version=F("version") + 1, **raised)
    if task:
        Task.objects.filter(pk=task.pk).update(**raised)


def _counted(run: Run, task: Task | None, code: str, text: str, count: int) -> bool:
    """Raise the count of the same message, or of the newest of very many of its kind, where there is one."""
    alike = Message.objects.filter(run=run, task=task, fingerprint=fingerprint(code, text))
    heard = {"count": F("count") + count, "last_at": Now()}
    if alike.filter(code=code, text=text).update(**heard):
        return True
    newest = alike.order_by("-pk").values_list("pk", flat=True)[:MOST_ALIKE]
    return len(newest) == MOST_ALIKE and bool(Message.objects.filter(pk=newest[0]).update(**heard))


def _worst(level: Level) -> Greatest:
    return Greatest(F("worst_level"), Value(int(level)))


def record(run: Run, before: str, after: str, *, actor: str, reason: str = "", task: Task | None = None) -> None:
    """One move, as it was made. Call in the transaction that made it."""
    Event.objects.create(
        run=run,
        task=task,
        before=before,
        after=after,
        actor=actor,
        reason=reason,
        attempt=task.attempt if task else None,
    )
