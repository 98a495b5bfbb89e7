"""A support bundle: one zip with all that is known of a run, without secrets and without records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from connectors.models import DataSource
from connectors.secrets import SealError
from runs.models import Event, Message, Run, Task
from runs.reading.chains import chains_of
from runs.reading.compare import config_diff
from runs.reading.durations import band_facts, band_of, last_good
from runs.reading.failures import failure_of, first_failure
from runs.reading.redaction import Censor
from runs.reading.stages import stages_of
from runs.states import TaskStatus

MOST_EVENTS, MOST_MESSAGES, MOST_TASKS = 20_000, 5_000, 5_000
IN_MEMORY = 2 * 1024 * 1024  # bytes
MOST_LOGS, LOG_LINES = 50, 2_000  # failed tasks, and lines of each
RUN_FIELDS = (
    "id",
    "mode",
    "status",
    "trigger",
    "phase",
    "fault",
    "outcome",
    "created_at",
    "started_at",
    "finished_at",
    "deadline_at",
    "cancel_requested_at",
    "task_count",
    "ended_task_count",
    "row_count",
    "live_row_count",
    "call_count",
    "message_count",
    "blocked_by_id",
    "retry_of_id",
    "load_id",
)
TASK_FIELDS = (
    "id",
    "kind",
    "key",
    "name",
    "endpoint",
    "status",
    "attempt",
    "failures",
    "lost",
    "note",
    "fault",
    "since",
    "row_count",
    "page_count",
    "call_count",
    "throttled_count",
    "waited_seconds",
    "table_count",
    "message_count",
    "reused_from_id",
    "created_at",
    "started_at",
    "finished_at",
)
MESSAGE_FIELDS = (
    "id",
    "task_id",
    "level",
    "code",
    "text",
    "advice",
    "table",
    "fingerprint",
    "count",
    "created_at",
    "last_at",
)
README = """Support bundle of run {run} of “{source}”.
Made {now:%Y-%m-%d %H:%M:%S %Z} by {who}.

run.json            the run, how long such runs usually take, its stages
failure.txt         what failed, what it did to the data, what to do (only if something failed)
tables.json         records of each table, from extracted to live, beside the last good run
configuration.json  the configuration revision that it ran on
configuration.diff  what was changed since the last good run (only if something was)
tasks.json          every task
messages.json       every message
events.json         every move of the run and of its tasks
logs/               what failed tasks did and said, in the order of time

Passwords, tokens, keys and e-mail addresses have been taken out. There are no records in it.
{detail}
"""
DETAILED = "It holds technical details and the names of hosts: its maker may see raw data."
PLAIN = "Technical details and the names of hosts are left out: its maker may not see raw data."


def filename(run: Run) -> str:
    return f"headgate-run-{run.pk}.zip"


def bundle_of(run: Run, *, raw: bool, made_by: str, now: datetime) -> IO[bytes]:
    """The zip as a file to read from its beginning; big ones lie on disk. Whoever takes it closes it."""
    target: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    write_bundle(run, target, raw=raw, made_by=made_by, now=now)
    target.seek(0)
    return target


def write_bundle(run: Run, target: IO[bytes], *, raw: bool, made_by: str, now: datetime) -> None:
    """Write the zip. `raw` adds technical details and host names, for those who may see them. Reads only."""
    censor = Censor(known=tuple(_secrets(run.source)))
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for name, content in _files(run, raw=raw, made_by=made_by, now=now):
            archive.writestr(name, censor.text(content) if isinstance(content, str) else _json(censor.data(content)))


def _secrets(source: DataSource) -> list[str]:
    """The source's own credentials, only to find them. Where the key to them is gone, patterns must do."""
    try:
        return list(source.credentials.values())
    except SealError:
        return []


def _files(run: Run, *, raw: bool, made_by: str, now: datetime) -> Iterator[tuple[str, Any]]:
    detail = DETAILED if raw else PLAIN
    yield "README.txt", README.format(run=run.pk, source=run.source.name, now=now, who=made_by, detail=detail)
    yield "run.json", _run(run)
    failure = failure_of(run, first_failure(run), raw=raw)
    if failure:
        yield "failure.txt", _failure(failure)
    yield "tables.json", _tables(run)
    yield (
        "configuration.json",
        {
            "number": run.config.number,
            "manifest": run.config.manifest,
            "settings": run.config.settings,
            "options": run.config.options,
        },
    )
    good = last_good(run)
    if good and (difference := config_diff(good.config, run.config)):
        yield "configuration.diff", "\n".join(difference)
    yield "tasks.json", list(run.tasks.order_by("pk").values(*TASK_FIELDS, *(["worker"] if raw else []))[:MOST_TASKS])
    messages = run.messages.order_by("pk").values(*MESSAGE_FIELDS, *(["detail"] if raw else []))
    yield "messages.json", list(messages[:MOST_MESSAGES])
    yield "events.json", [_event(event, raw=raw) for event in run.events.order_by("-pk")[:MOST_EVENTS]][::-1]
    for task in run.tasks.filter(status=TaskStatus.FAILED).order_by("finished_at", "pk")[:MOST_LOGS]:
        yield f"logs/{run.pk}-T{task.pk}.log", "\n".join(log_of(task, raw=raw)) + "\n"


def _run(run: Run) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in RUN_FIELDS}
    stages = [
        {"name": s.name, "status": s.status, "tasks": s.total, "ended": s.ended, "failed": s.failed, "rows": s.rows}
        | {"started_at": s.started_at, "finished_at": s.finished_at}
        for s in stages_of(run)
    ]
    return {**facts, "source": run.source.name, "usual": band_facts(band_of(run)), "stages": stages}


def _failure(failure: Any) -> str:
    lines = [failure.title, "", failure.cause, "", f"The data: {failure.effect}", f"What to do: {failure.advice}"]
    lines.append(f"Safe to retry? {failure.retry}")
    if failure.task:
        lines.append(f"First task that failed: {failure.task.name} ({failure.failed_count} failed)")
    if failure.elsewhere:
        found = failure.elsewhere
        lines.append(f"The same in {found.runs} other runs of {found.sources} sources since {found.since}")
    return "\n".join([*lines, *(["", failure.detail] if failure.detail else [])]) + "\n"


def _tables(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "table": row.table,
            "mode": row.batch.mode,
            "status": row.batch.status,
            "extracted": row.batch.extracted_count,
            "rejected": row.batch.rejected_count,
            "superseded": row.batch.superseded_count,
            "staged": row.batch.staged_count,
            "loaded": row.batch.loaded_count,
            "live": row.batch.live_count,
            "last_good_run": row.rows_before,
            "change_percent": row.change,
            "unaccounted_for": row.lost,
            "columns": row.batch.changes,
        }
        for row in chains_of(run).rows
    ]


def _event(event: Event, *, raw: bool) -> dict[str, Any]:
    fields = ("id", "task_id", "before", "after", "reason", "attempt", "at")
    return {**{name: getattr(event, name) for name in fields}, "actor": _actor(event.actor, raw=raw)}


def _actor(actor: str, *, raw: bool) -> str:
    return "worker" if actor.startswith("worker ") and not raw else actor


def log_of(task: Task, *, raw: bool) -> list[str]:
    """What a task did and said, in the order of time; the last lines where there are too many."""
    told = [(event.at, _moved(event, raw=raw)) for event in task.events.order_by("-pk")[:LOG_LINES]]
    told += [(message.last_at, _said(message, raw=raw)) for message in task.messages.order_by("-pk")[:LOG_LINES]]
    lines: Iterable[str] = (
        f"{at:%Y-%m-%dT%H:%M:%S.%f}Z {line}" for at, text in sorted(told) for line in text.splitlines()
    )
    return list(lines)[-LOG_LINES:]


def _moved(event: Event, *, raw: bool) -> str:
    reason = f": {event.reason}" if event.reason else ""
    return f"MOVE {event.before or 'new'} -> {event.after} by {_actor(event.actor, raw=raw)}{reason}"


def _said(message: Message, *, raw: bool) -> str:
    times = f" ({message.count} times)" if message.count > 1 else ""
    detail = f"\n{message.detail}" if raw and message.detail else ""
    return f"{message.get_level_display().upper()} {message.code}: {message.text}{times} {message.advice}{detail}"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
