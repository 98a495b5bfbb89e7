"""The ways of retrying a run, and the plan of each: what it reuses, what is called again, why it is not possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.conf import settings

from runs.errors import Refused
from runs.lifecycle.adoption import Staged, reusable
from runs.models import Run, Task
from runs.states import KIND_WORDS, RunMode, RunStatus, TaskKind, TaskStatus


class Choice(StrEnum):
    FAILED = "failed"  # reuses all that is finished
    CONSOLIDATION = "consolidation"  # reuses every extraction, and merges anew
    INGESTION = "ingestion"  # reuses every extraction and what was merged
    WINDOW = "window"  # reads again what the old run was to read
    EVERYTHING = "everything"  # as a new run of the same type


WORDS: Final[dict[Choice, tuple[str, str]]] = {
    Choice.FAILED: ("Failed tasks only", "What is finished is reused; the rest is fetched from the source."),
    Choice.CONSOLIDATION: ("From consolidation", "Nothing is fetched; the staged files are put together anew."),
    Choice.INGESTION: ("From ingestion", "Nothing is fetched or put together anew; the staged files are loaded again."),
    Choice.WINDOW: ("Same window", "All of it is fetched again, from where the old run began to where it ended."),
    Choice.EVERYTHING: ("Everything", "All of it is fetched again, up to now."),
}
REUSING: Final = frozenset({Choice.FAILED, Choice.CONSOLIDATION, Choice.INGESTION})
CHANGED: Final = "The data source has been changed since, so nothing that was staged can be reused."


@dataclass(frozen=True, kw_only=True)
class Called:
    """What is called again at one endpoint. `call_count` is estimated from the last time; None where none is known."""

    endpoint: str
    task_count: int
    call_count: int | None


@dataclass(frozen=True, kw_only=True)
class Way:
    """One choice with its plan. `refusal` is "" where it is possible; `remark` says what else to know."""

    choice: Choice
    title: str
    about: str
    refusal: str
    remark: str
    task_count: int  # extractions that are reused
    row_count: int
    byte_count: int
    called: Sequence[Called]

    @property
    def call_count(self) -> int | None:
        """All estimates together; None where one is not known."""
        known = [each.call_count for each in self.called]
        return None if None in known else sum(count or 0 for count in known)


def plan(run: Run) -> list[Way]:
    """Every choice, the usual one first. Whether the run can be retried at all is another question. Reads only."""
    staged = reusable(run) if run.status != RunStatus.REJECTED and same_configuration(run) else {}
    tasks = _extractions(run)
    known = _calls(run)
    return [_way(choice, run, tasks, staged, known) for choice in Choice]


def why_not(choice: Choice, run: Run) -> Refused | None:
    """The reason why this choice is not possible for a run that can be retried; None where it is."""
    text = _refusal(choice, run, _extractions(run), reusable(run)) if choice not in _ALWAYS else ""
    return Refused(text, code="choice", run_id=run.pk) if text else None


_ALWAYS: Final = frozenset({Choice.FAILED, Choice.EVERYTHING})


def same_configuration(run: Run) -> bool:
    """Whether the source stands as it did when the run began. Makes no revision, as starting one would."""
    source, config = run.source, run.config
    options = {name: getattr(source, name) for name in ("endpoints", "schema_policy", "on_failure", "namespace")}
    return (config.manifest, config.settings, config.options) == (source.connector.manifest, source.settings, options)


def since_of(run: Run) -> dict[str, str]:
    """The bookmark that each endpoint of the run began at, for those that had one."""
    tasks = run.tasks.filter(kind=TaskKind.EXTRACTION).exclude(since="")
    return dict(tasks.values_list("endpoint", "since"))


def _extractions(run: Run) -> list[Task]:
    """Those of the run; for one that was rejected, of the last completed run of its type."""
    of = run if run.status != RunStatus.REJECTED else _last_good(run)
    fields = ("pk", "run_id", "key", "endpoint", "status", "call_count", "row_count")
    return list(of.tasks.filter(kind=TaskKind.EXTRACTION).only(*fields)) if of else []


def _last_good(run: Run) -> Run | None:
    good = Run.objects.filter(source=run.source_id, mode=run.mode, status=RunStatus.COMPLETED)
    return good.order_by("-pk").first()


def _calls(run: Run) -> dict[str, int]:
    """Calls of each extraction when it last came to its end, by key: in this run, else in the last good one."""
    known = dict[str, int]()
    for of in filter(None, (_last_good(run), run)):
        done = of.tasks.filter(kind=TaskKind.EXTRACTION, status=TaskStatus.COMPLETED)
        # A reused task has called nothing itself; its output says what its twin called.
        known |= {
            key: output.get("call_count", calls)
            for key, output, calls in done.values_list("key", "output", "call_count")
        }
    return known


def _way(
    choice: Choice, run: Run, tasks: Sequence[Task], staged: Mapping[str, Staged], known: Mapping[str, int]
) -> Way:
    refusal = _refusal(choice, run, tasks, staged)
    reused = staged if choice in REUSING and not refusal else {}
    again = [task for task in tasks if task.key not in reused] if not refusal else []
    title, about = WORDS[choice]
    return Way(
        choice=choice,
        title=title,
        about=about,
        refusal=refusal,
        remark=_remark(choice, run) if not refusal else "",
        task_count=len(reused),
        row_count=sum(each.task.row_count for each in reused.values()),
        byte_count=sum(each.byte_count for each in reused.values()),
        called=_called(again, known),
    )


def _called(tasks: Sequence[Task], known: Mapping[str, int]) -> list[Called]:
    by_endpoint: dict[str, list[str]] = {}
    for task in tasks:
        by_endpoint.setdefault(task.endpoint, []).append(task.key)
    return [
        Called(
            endpoint=endpoint,
            task_count=len(keys),
            call_count=sum(known[key] for key in keys) if all(key in known for key in keys) else None,
        )
        for endpoint, keys in by_endpoint.items()
    ]


def _refusal(choice: Choice, run: Run, tasks: Sequence[Task], staged: Mapping[str, Staged]) -> str:
    if choice in _ALWAYS:
        return ""
    if run.status == RunStatus.REJECTED:
        return f"Run {run.pk} was rejected before it began: it has no window and has staged nothing."
    if choice == Choice.WINDOW:
        return ""
    if not same_configuration(run):
        return CHANGED
    left = [task for task in tasks if task.key not in staged]
    if left or not tasks:
        return _unfinished(left)
    return _not_merged(run) if choice == Choice.INGESTION else ""


def _unfinished(left: Sequence[Task]) -> str:
    if not left:
        return "The run has no extraction that could be reused."
    gone = sum(task.status == TaskStatus.COMPLETED for task in left)
    if gone == len(left):
        return f"The staged files of {gone:,} extractions are past their {settings.KEEP_STAGED_DAYS} days and deleted."
    if len(left) == 1:
        return "One extraction is not finished, so it must be fetched first."
    return f"{len(left):,} extractions are not finished, so they must be fetched first."


def _not_merged(run: Run) -> str:
    stages = (TaskKind.METADATA, TaskKind.CONSOLIDATION)
    open_tasks = run.tasks.filter(kind__in=stages).exclude(status=TaskStatus.COMPLETED)
    if task := open_tasks.first():
        return f"{KIND_WORDS[task.kind]} did not finish, so it comes first."
    return ""


def _remark(choice: Choice, run: Run) -> str:
    if choice == Choice.FAILED and run.status != RunStatus.REJECTED and not same_configuration(run):
        return CHANGED
    if choice == Choice.WINDOW and run.mode == RunMode.DESTRUCTIVE:
        return "Only endpoints that are split by date have an end; others are read up to now."
    if choice == Choice.WINDOW:
        return "Bookmarks are those of the old run; only endpoints that are split by date also have its end."
    return ""
