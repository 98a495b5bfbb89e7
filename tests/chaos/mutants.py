"""Builds with one rule switched off, for worker processes of the chaos scenarios: what the scenarios must catch."""

from collections.abc import Callable
from typing import Any

from connectors.rest import body, selection
from ingestion.models import Batch
from ingestion.promotion import grouping
from ingestion.warehouse import books
from runs import shutdown
from runs.lifecycle import working
from runs.models import Task
from runs.stages import extraction


def without_fence() -> None:
    """Writes back name the task alone: neither attempt nor status, in the control rows and in the parts' numbers."""
    working._held = lambda claim: Task.objects.filter(pk=claim.task.pk)
    working.move_task = _forgetting(working.move_task)
    working.queue = _forgetting(working.queue)
    writer = extraction.Writer
    extraction.Writer = lambda destinations, label, attempt, first: writer(
        destinations, label, attempt, first + attempt * 1000
    )


def _forgetting(move: Callable[..., bool]) -> Callable[..., bool]:
    def moved(*arguments: Any, fence: int | None = None, **facts: Any) -> bool:
        return move(*arguments, **facts) or True  # and a worker that is too late does not hear of it

    return moved


def with_a_new_load_for_each_try() -> None:
    """Client batches whose publish was broken off are published again as another load, which the ledger cannot know."""
    taken = grouping.take

    def take(dataset_id: int) -> list[Batch]:
        waiting = grouping.ready(dataset_id).exclude(load=None)
        Batch.objects.filter(pk__in=list(waiting.values_list("pk", flat=True))).update(load=None)
        return taken(dataset_id)

    grouping.take = take


def without_the_ledger() -> None:
    """Nobody looks into the warehouse's ledger: neither before a publish nor after one whose outcome is unknown."""
    books.published = lambda session, load: None


def taking_cut_answers_for_empty_ones() -> None:
    """An answer that breaks off is a page without records, the last one."""
    read_body, read_records = body.BodyReader.read, selection.Selector.read

    def read(self: body.BodyReader) -> tuple[bytes, int]:
        try:
            return read_body(self)
        except body.WireError:
            return b"{", 1

    def records(self: selection.Selector, text: bytes) -> selection.Contents:
        if text != b"{":
            return read_records(self, text)
        return selection.Contents(facts=dict.fromkeys(self._facts))

    body.BodyReader.read, selection.Selector.read = read, records


def without_release() -> None:
    """A worker that is told to stop just stops, and leaves its tasks as they are."""
    shutdown.StopAtPages.before_worker_shutdown = lambda self, *_: None
    globals()["STOP_MS"] = 200


STOP_MS = 20_000  # how long a worker that was told to stop waits for its tasks
MUTANTS: dict[str, Callable[[], None]] = {
    "none": lambda: None,
    "no_sweeper": lambda: None,  # the scenario starts none
    "no_fence": without_fence,
    "no_ledger": without_the_ledger,
    "new_load": with_a_new_load_for_each_try,
    "cut_is_empty": taking_cut_answers_for_empty_ones,
    "no_release": without_release,
}
