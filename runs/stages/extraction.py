"""Extraction: read one endpoint or partition page by page, and stage what comes in parts that count with the cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from connectors.engines import open_revision
from connectors.protocol import CallCount, Endpoint, Note, ReadRequest, Source
from ingestion import batches
from ingestion.batches import Destination, Flushed, SpooledPage, Writer
from ingestion.errors import DataFault
from ingestion.formats.base import TableSpec
from ingestion.models import Batch
from runs import journal, planning
from runs.errors import Ghost, Released, Stopped
from runs.lifecycle import working
from runs.lifecycle.ending import warn_about_parts
from runs.lifecycle.working import Claim, Outcome
from runs.models import Level
from runs.planning import LIST_PARENTS
from runs.pulse import Pulse
from runs.stages.bookmarks import later
from runs.stages.telling import tell_incidents, tell_page, tell_parts
from runs.stages.warnings import in_words

LONGEST_CURSOR = 200  # characters of a bookmark
NUMBERS_PER_TASK = 100_000  # parts of a task are numbered from its id, so that numbers never meet


def extract(claim: Claim, pulse: Pulse) -> Outcome:
    source = open_revision(claim.run.config)
    try:
        endpoint = next(item for item in source.discover() if item.name == claim.task.endpoint)
        work = _Extraction(claim, pulse, source, endpoint)
        try:
            return work.list_parents() if _lists_parents(claim) else work.run()
        finally:
            tell_incidents(claim.log, source.usage)
            working.count_calls(claim, **work.usage())
    finally:
        source.close()


def _lists_parents(claim: Claim) -> bool:
    return claim.task.key.endswith(f"/{LIST_PARENTS}")


class _Extraction:
    """The work of one attempt: what is read, what is staged, and how far both have come."""

    def __init__(self, claim: Claim, pulse: Pulse, source: Source, endpoint: Endpoint) -> None:
        self.claim, self.pulse, self.source, self.endpoint = claim, pulse, source, endpoint
        self.checkpoint: dict[str, Any] = dict(
            claim.task.checkpoint or {"flushes": 0, "records": 0, "cursor": "", "state": None}
        )
        self.earlier = (claim.task.call_count, claim.task.throttled_count, claim.task.waited_seconds)
        self.notes: Counter[Note] = Counter()
        self.batches: dict[str, Batch] = {
            batch.dataset.source_name: batch
            for batch in Batch.objects.filter(owner=claim.run.owner).select_related("dataset")
        }

    def list_parents(self) -> Outcome:
        """Find the parent records and add a task for each group of them."""
        since, now = self.claim.task.since, timezone.now().isoformat()
        found = self.source.partitions(self.endpoint.name, since=since or None, now=now, stop=self._should_stop)
        self.pulse.check()
        more = planning.extraction_tasks(self.endpoint, found) if found else []
        return Outcome(note=f"{len(more)} groups of parent records", more=more, since=since)

    def run(self) -> Outcome:
        request = ReadRequest(
            endpoint=self.endpoint.name,
            partition=planning.partition_of(self.claim.task.partition),
            since=self.claim.task.since or None,
            resume=self.checkpoint["state"],
        )
        first = self.claim.task.pk * NUMBERS_PER_TASK + self.checkpoint["flushes"]
        with Writer(self._destinations(), self.claim.task.label, self.claim.attempt, first) as writer:
            for page in self.source.read(request, stop=self._should_stop):
                self.pulse.check(**self.usage())
                tell_incidents(self.claim.log, self.source.usage)
                tell_page(self.claim.log, page)
                self.notes.update(page.notes)
                facts = SpooledPage(
                    number=page.number, count=page.count, request_id=page.request_id, state=dict(page.state)
                )
                writer.add(page.lines, facts)
                if writer.full:
                    self._commit_all(writer.turn())
            self.pulse.check()
            self._commit_all(writer.finish())
        return self._outcome()

    def _destinations(self) -> list[Destination]:
        main = self.endpoint.tables[0]
        run, org = self.claim.run, f"{settings.ORGANISATION}/{settings.SANDBOX}"
        return [
            Destination(
                spec=TableSpec(
                    name=table.name,
                    array_path=table.array_path,
                    key=table.key if table is main else (),
                    parent_key=() if table is main else main.key,
                    cursor=table.cursor,
                    depth=table.depth,
                    types=table.types,
                ),
                batch=self.batches[table.name].pk,
                prefix=f"{org}/{self.batches[table.name].dataset_id}/{run.owner.replace('/', '-')}",
            )
            for table in self.endpoint.tables
        ]

    def usage(self) -> dict[str, Any]:
        """What the task's row says of its calls, over all attempts."""
        counts = self._counts()
        if until := self.source.usage.quota_until:
            counts["quota_until"] = datetime.fromtimestamp(until, UTC)
        return {**counts, "calls": self._calls()}

    def _counts(self) -> dict[str, Any]:
        calls, throttled, waited = self.earlier
        usage = self.source.usage
        return {
            "call_count": calls + usage.calls,
            "throttled_count": throttled + usage.throttled,
            "waited_seconds": waited + usage.waited_seconds,
        }

    def _calls(self) -> dict[str, Any]:
        found = {title: CallCount.from_json(value) for title, value in self.claim.task.calls.items()}
        for title, count in self.source.usage.ledger.copy().items():
            found.setdefault(title, CallCount()).add(count)
        return {title: count.to_json() for title, count in found.items()}

    def _should_stop(self) -> bool:
        """Asked while the engine waits, too: then the page shows what it waits for."""
        try:
            self.pulse.check(**self.usage())
        except (Stopped, Ghost, Released):
            return True
        return False

    def _commit_all(self, flushed: Iterator[Flushed]) -> None:
        for done in flushed:
            self._commit(done)

    def _commit(self, done: Flushed) -> None:
        tell_parts(self.claim.log, done, number=self.checkpoint["flushes"] + 1)
        main = self.batches[self.endpoint.tables[0].name].pk
        for batch, _, part in done.parts:
            if batch == main and part.cursor_max:
                _refuse_long_cursor(part.cursor_max, self.endpoint)
                self.checkpoint["cursor"] = later(self.checkpoint["cursor"], part.cursor_max)
        self.checkpoint |= {
            "flushes": self.checkpoint["flushes"] + 1,
            "records": self.checkpoint["records"] + done.record_count,
            "state": done.pages[-1].state,
        }
        working.checkpoint(
            self.claim,
            commit=lambda: batches.commit(done),
            state=self.checkpoint,
            page_count=done.pages[-1].number,
            **self.usage(),
        )
        warnings = [warning for _, _, part in done.parts for warning in in_words(part, self.endpoint)]
        warn_about_parts(self.claim.run, self.claim.task, warnings)

    def _outcome(self) -> Outcome:
        for note, count in self.notes.items():
            level = Level.WARNING if note.level == "warning" else Level.INFO
            journal.say(self.claim.run, level, note.text, code=note.code, task=self.claim.task, count=count)
        self._say_when_empty()
        filled = set(self.claim.task.tables.values_list("batch", flat=True))
        empty = {
            batch.pk: 0 for batch in (self.batches[t.name] for t in self.endpoint.tables) if batch.pk not in filled
        }
        cursor = {"cursor": self.checkpoint["cursor"], "cursor_is_time": self.endpoint.cursor_is_time}
        return Outcome(output={**cursor, **self._counts()}, tables=empty)

    def _say_when_empty(self) -> None:
        if self.checkpoint["records"]:
            return
        where = f"“{self.claim.task.name}”"
        if self.claim.task.since:
            text = f"No changes at the source for {where} since {self.claim.task.since}: this is normal."
            journal.say(self.claim.run, Level.INFO, text, code="nothing_new", task=self.claim.task)
        else:
            text = f"{where} answered no records."
            advice = "If that is not expected, look at the source before anybody uses the table."
            journal.say(self.claim.run, Level.WARNING, text, code="no_records", task=self.claim.task, advice=advice)


def _refuse_long_cursor(value: str, endpoint: Endpoint) -> None:
    if len(value) > LONGEST_CURSOR:
        raise DataFault(
            f"The cursor “{endpoint.tables[0].cursor}” of '{endpoint.title}' holds a value of {len(value):,} "
            f"characters, and a bookmark takes {LONGEST_CURSOR}.",
            advice="Choose another `cursor.field` for the endpoint in the manifest: a time, or a number that grows.",
        )
