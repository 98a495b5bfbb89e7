"""What a data load is made of: its phases with their times, what was said on the way, its files. For a run's load and
for a client's batch alike; each is a few queries, however many files and messages there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from typing import Any, Final

from django.core.paginator import Page, Paginator
from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import Coalesce

from ingestion.models import Batch, BatchFile, Part
from runs.models import DataLoad, Level, Message, Run
from runs.reading.stages import stages_of
from runs.states import RUN_WORDS, LoadStatus, TaskKind

MESSAGES: Final = 20  # at first, and with each "Load more"
MOST_MESSAGES: Final = 1000
FILES_PER_PAGE: Final = 50


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One step on the way to live data; `at` is when it was over."""

    word: str
    about: str
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing that was said, or that happened."""

    at: datetime
    level: int
    text: str
    advice: str = ""
    who: str = ""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """The newest lines first; `more` are how many to ask for next, 0 where there are no older ones."""

    lines: Sequence[Line]
    more: int


@dataclass(frozen=True, kw_only=True)
class FileLine:
    name: str
    state: str
    rows: int | None
    size: int


def phases_of(load: DataLoad) -> list[Phase]:
    """Uploaded, validated, processed, live, and what is done after that."""
    found = _of_run(load.run) if load.run else _of_batch(_batch(load))
    after = {
        LoadStatus.RUNNING: "Steps after the load are at work",
        LoadStatus.FAILED: "A step after the load did not run; the data stays live",
        LoadStatus.COMPLETED: load.note or "Nothing is left to do",
    }
    return [*found, Phase(word="Completed", about=after[LoadStatus(load.status)], at=load.finished_at)]


def _batch(load: DataLoad) -> Batch:
    assert load.batch
    return load.batch


def _of_run(run: Run) -> list[Phase]:
    over = {stage.kind: stage.finished_at for stage in stages_of(run)}
    processed = over[TaskKind.INGESTION]
    return [
        Phase(word="Uploaded", about="Fetched from the source and staged as files", at=over[TaskKind.EXTRACTION]),
        Phase(word="Validated", about="Columns of all files agreed", at=over[TaskKind.METADATA]),
        Phase(word="Processed", about="Loaded into temporary tables", at=processed),
        Phase(word="Live", about="All tables in one step", at=run.finished_at),
    ]


def _of_batch(batch: Batch) -> list[Phase]:
    checked = batch.files.aggregate(last=Max("checked_at"))["last"]
    return [
        Phase(word="Uploaded", about="The client completed it", at=batch.completed_at),
        Phase(word="Validated", about="Every file was checked", at=checked),
        Phase(word="Processed", about="Loaded, in the step that makes it live", at=batch.finished_at),
        Phase(word="Live", about="Readers see its rows", at=batch.finished_at),
    ]


def stream_of(load: DataLoad, count: int) -> Stream:
    """The newest `count` lines of the load's run or batch."""
    count = min(max(count, MESSAGES), MOST_MESSAGES)
    lines = _said_of_run(load.run, count) if load.run else _said_of_batch(_batch(load), count)
    newest = nlargest(count + 1, lines, key=lambda line: line.at)
    older = len(newest) > count and count < MOST_MESSAGES
    return Stream(lines=newest[:count], more=min(count + MESSAGES, MOST_MESSAGES) if older else 0)


def _said_of_run(run: Run, count: int) -> Iterable[Line]:
    """What the run's tasks said, and each move of the run."""
    for message in run.messages.defer("detail").order_by("-last_at", "-pk")[: count + 1]:
        yield _message(message)
    for event in run.events.filter(task=None).order_by("-pk")[: count + 1]:
        reason = f": {event.reason}" if event.reason else ""
        word = RUN_WORDS.get(event.after, event.after)
        yield Line(at=event.at, level=Level.INFO, text=f"The run is “{word}”{reason}", who=event.actor)


def _message(message: Message) -> Line:
    times = f" ({message.count:,} times)" if message.count > 1 else ""
    return Line(at=message.last_at, level=message.level, text=f"{message.text}{times}", advice=message.advice)


def _said_of_batch(batch: Batch, count: int) -> Iterable[Line]:
    """Each move of the batch; how many rows it had to leave out."""
    for event in batch.events.order_by("-pk")[: count + 1]:
        reason = f": {event.reason}" if event.reason else ""
        yield Line(at=event.at, level=Level.INFO, text=f"The batch is “{event.after}”{reason}", who=event.actor)
    if batch.rejected_count and batch.finished_at:
        text = f"{batch.rejected_count:,} bad rows of {batch.extracted_count:,} were left out."
        advice = "Their reasons are on the batch's page. If they are wanted, the client must send them corrected."
        yield Line(at=batch.finished_at, level=Level.WARNING, text=text, advice=advice)


def file_states(load: DataLoad) -> list[tuple[str, int]]:
    """How many files are in which state, those without any left out."""
    if load.run:
        counts = _parts(load.run).aggregate(
            loaded=Count("pk", filter=Q(merged_into=None)), merged=Count("pk", filter=Q(merged_into__isnull=False))
        )
        words = {"loaded": "Loaded", "merged": "Merged into a larger file"}
    else:
        bad = Q(bad_count__gt=0)
        counts = _batch(load).files.aggregate(
            fine=Count("pk", filter=Q(checked_at__isnull=False) & ~bad),
            bad=Count("pk", filter=bad),
            unchecked=Count("pk", filter=Q(checked_at=None) & ~bad),
        )
        words = {"fine": "Loaded whole", "bad": "Loaded without its bad rows", "unchecked": "Not checked"}
    return [(word, counts[name]) for name, word in words.items() if counts[name]]


def files_of(load: DataLoad, page: int) -> tuple[Page[Any], list[FileLine]]:
    """One page of all files, in the order in which they came."""
    if load.run:
        parts = Paginator(_parts(load.run).order_by("pk"), FILES_PER_PAGE).get_page(page)
        return parts, [_part(part) for part in parts]
    files = Paginator(_batch(load).files.order_by("ordinal"), FILES_PER_PAGE).get_page(page)
    return files, [_file(file) for file in files]


def _parts(run: Run) -> QuerySet[Part]:
    batches = Batch.objects.filter(load=run.load_id, owner=run.owner)
    fields = ("batch", "number", "key", "row_count", "size", "merged_into")
    return Part.objects.filter(batch__in=batches).only(*fields)


def _part(part: Part) -> FileLine:
    state = "Merged into a larger file" if part.merged_into_id else "Loaded"
    return FileLine(name=part.key, state=state, rows=part.row_count, size=part.size)


def _file(file: BatchFile) -> FileLine:
    if file.checked_at is None:
        return FileLine(name=file.path, state="Not checked", rows=None, size=file.size)
    state = f"Loaded without {file.bad_count:,} bad rows" if file.bad_count else "Loaded whole"
    return FileLine(name=file.path, state=state, rows=file.read_count - file.bad_count, size=file.size)


def coming() -> list[Run]:
    """The runs that are at work now: each becomes a data load, if it completes."""
    open_runs = Run.objects.open().select_related("source").order_by("-pk")
    return list(open_runs.annotate(since=Coalesce("started_at", "created_at"))[:FILES_PER_PAGE])
