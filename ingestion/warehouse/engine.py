"""What an engine supplies: the steps of publishing and withdrawing that differ between warehouses."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from ingestion.warehouse.base import Target
from ingestion.warehouse.books import Generation, Session
from ingestion.warehouse.sql import Dialect, Shape

S = TypeVar("S", bound=Session)


class Engine(Protocol[S]):
    """The steps of a publish that differ between engines. All may be repeated."""

    dialect: Dialect
    row_id: str  # the engine's own name for a row's place in its table

    def session(self, doing: str) -> AbstractContextManager[S]:
        """A session that shares everything with others. The books are there."""
        ...

    def reading(self, doing: str) -> AbstractContextManager[S]:
        """A session in which all statements see the warehouse as it is now, and that can change nothing."""
        ...

    def exclusive(self, datasets: Sequence[int]) -> AbstractContextManager[S]:
        """A session that alone publishes into these datasets."""
        ...

    def transaction(self, session: S) -> AbstractContextManager[None]: ...

    def wait_briefly(self, session: S) -> None:
        """Inside a transaction: give up waiting for another session's lock before a person gives up waiting for us."""
        ...

    def columns(self, session: S, table: str) -> Shape: ...

    def current_shape(self, session: S, target: Target) -> Shape:
        """The columns that the dataset's newest rows are kept in; empty for a new dataset."""
        ...

    def shape_store(self, session: S, target: Target, shape: Shape) -> None:
        """Make room for these columns, before and outside the publish. Shows no row and hides none."""
        ...

    def retype(self, session: S, table: str, name: str, *, after: str, value: str) -> None:
        """Give a column of a table that nobody sees another type; `value` is what becomes of its values."""
        ...

    def fits(self, session: S, live: Generation, shape: Shape) -> bool:
        """Can rows of this shape be inserted into the live generation as it is?"""
        ...

    def distinct(self, session: S, table: str, key: Sequence[str]) -> bool: ...

    def ready_for_merge(self, session: S, live: Generation, key: Sequence[str]) -> None: ...

    def ready_for_duplicates(self, session: S, table: str) -> None: ...

    def ready_to_append(self, session: S, live: Generation) -> None:
        """Before rows are added as they are to a table of batches, each of which may be withdrawn."""
        ...

    def ready_to_withdraw(self, session: S, live: Generation) -> None:
        """Make it cheap to find the few rows of a batch among many."""
        ...

    def release(self, session: S, target: Target, staged: Generation) -> Generation:
        """Take a staged table back that an earlier try has attached to a store which is no longer the newest."""
        ...

    def attach(self, session: S, target: Target, staged: Generation) -> None:
        """Make a staged table the dataset's next generation, still out of sight."""
        ...

    def settle(self, session: S, targets: Sequence[Target]) -> None:
        """Between preparing and the publish: wait for readers that have looked at the tables as they were before, and
        may yet take a snapshot in which the load is live."""
        ...

    def show(self, session: S, target: Target, staged: Generation, shape: Shape) -> None:
        """Inside the publish: what else it takes to show a generation, besides the books."""
        ...

    def write_out(self, session: S, table: str, where: str, path: Path) -> Callable[[], int]:
        """Write rows of a table as a Parquet file. The answer is called after the session; it does what is left to do
        without one and answers the number of rows."""
        ...

    def transaction_number(self, session: S) -> int | None: ...

    def drop(self, session: S, generation: Generation) -> None: ...
