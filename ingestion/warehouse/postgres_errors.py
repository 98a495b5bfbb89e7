"""What Postgres answers, in our words: may the same be tried again, what was tried where, and what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ingestion.errors import DiskFull, IngestionError, SchemaFault
from ingestion.warehouse.base import LoadFault, WarehouseRefused, WarehouseUnavailable

WAIT: Final = "Nothing needs to be done: it is tried again. If it lasts, ask whoever runs the warehouse."
LATER: Final = ("08", "40", "53", "55", "57", "58", "25P")  # classes of states that pass by themselves
REFUSED: Final = ("28", "3D", "42501", "25006", "3F")
# A connection that is refused comes without a state, so the text has to tell.
REFUSED_TEXT: Final = re.compile(
    r"password|authentication|no pg_hba\.conf entry|does not exist|permission denied|SSL|not permitted|invalid"
)
REASONS: Final = {
    "55P03": "another session holds a lock on the table",
    "40P01": "two sessions waited for each other",
    "40001": "another session changed the same rows",
    "57014": "the statement was ended by the server or took too long",
    "57P01": "the server is shutting down",
    "57P02": "the server crashed",
    "57P03": "the server is starting",
    "53300": "the server has no free connection",
    "53200": "the server is out of memory, or of locks (max_locks_per_transaction) for so many tables at once",
}


@dataclass(frozen=True)
class Place:
    """Where a warehouse is, in words that hold no credential."""

    host: str
    port: str
    database: str
    user: str

    @classmethod
    def of(cls, dsn: str) -> "Place":
        known = conninfo_to_dict(dsn)
        texts = {name: str(known.get(name) or "") for name in ("host", "port", "dbname", "user")}
        return cls(texts["host"] or "localhost", texts["port"] or "5432", texts["dbname"], texts["user"])

    def __str__(self) -> str:
        return f"Postgres at {self.host}:{self.port}, database {self.database!r}, as {self.user!r}"


@contextmanager
def translated(place: Place, doing: str) -> Iterator[None]:
    """Raise Postgres's errors as ours. `doing` completes "… while <doing>"."""
    try:
        yield
    except psycopg.Error as error:
        raise fault(error, place, doing) from error


def fault(error: psycopg.Error, place: Place, doing: str) -> IngestionError:
    state = error.sqlstate or ""
    where = f"while {doing} ({place})"
    if not state:
        return _without_state(error, where)
    if state == "53100":
        advice = "Make room on the warehouse's disk; it is tried again."
        return DiskFull(f"The warehouse's disk is full, {where}.", advice=advice, detail=_text(error))
    if state.startswith(REFUSED):
        return WarehouseRefused(
            f"The warehouse refused {where}: {_primary(error)}.",
            advice="Give the user of WAREHOUSE_URL this right, or name another user or database there.",
        )
    if state.startswith(LATER):
        reason = REASONS.get(state, "the server could not go on")
        return WarehouseUnavailable(f"The warehouse broke off {where}: {reason}.", advice=WAIT, detail=_text(error))
    if state == "2BP01":
        return _in_the_way(error, where)
    if state == "54000" and "index row" in _primary(error):
        return LoadFault(
            f"A value of the key is longer than Postgres can look up (about 2,700 bytes), {where}.",
            advice="Choose another `key` for this endpoint in the manifest: one of short fields.",
            detail=_text(error),
        )
    return LoadFault(
        f"The warehouse could not take the data {where}.",
        advice="Show the technical detail to whoever looks after this source.",
        detail=_text(error),
    )


def connecting(error: psycopg.Error, place: Place) -> IngestionError:
    """An error of opening a connection: refused for good, or not to be reached now."""
    text = str(error).strip()
    said = text.rsplit("FATAL:", 1)[-1].strip().splitlines()[0] if "FATAL:" in text else text.splitlines()[0]
    starting = "starting up" in text or "shutting down" in text or "too many" in text or "recovery" in text
    if "FATAL:" in text and REFUSED_TEXT.search(said) and not starting:
        return WarehouseRefused(
            f"The warehouse refused the connection ({place}): {said}.",
            advice="Check user, password and database name in WAREHOUSE_URL, and that this user may connect.",
        )
    return WarehouseUnavailable(
        f"The warehouse could not be reached ({place}): {said}.",
        advice="Check that the server runs and that WAREHOUSE_URL names the right host and port. It is tried again.",
        detail=text,
    )


def _without_state(error: psycopg.Error, where: str) -> IngestionError:
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return WarehouseUnavailable(f"The connection was lost {where}.", advice=WAIT, detail=_text(error))
    return LoadFault(f"The warehouse could not take the data {where}.", detail=_text(error))


def _in_the_way(error: psycopg.Error, where: str) -> IngestionError:
    return SchemaFault(
        f"A column changes its type, but something that depends on the table cannot follow, {where}: "
        f"{error.diag.message_detail or _primary(error)}",
        advice="Drop or change what depends on the table, then retry.",
        detail=_text(error),
    )


def _primary(error: psycopg.Error) -> str:
    return (error.diag.message_primary or "no reason given").rstrip(".")


def _text(error: psycopg.Error) -> str:
    lines = (str(error), error.diag.message_detail, error.diag.context)
    return "\n".join(line for line in lines if line)
