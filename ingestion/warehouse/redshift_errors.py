"""What Redshift answers, in our words: may the same be tried again, what was tried where, and what to do.

Redshift gives most of its own errors one state (XX000), so that their text has to tell.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from ingestion.errors import DiskFull, IngestionError, SchemaFault
from ingestion.warehouse.base import LoadFault, WarehouseRefused, WarehouseUnavailable
from ingestion.warehouse.redshift_address import RedshiftAddress

WAIT: Final = "Nothing needs to be done: it is tried again. If it lasts, ask whoever runs the warehouse."
LATER: Final = ("08", "40", "53", "55", "57", "58")  # classes of states that pass by themselves
REFUSED: Final = ("28", "3D", "42501", "25006", "3F")
REFUSED_TEXT: Final = re.compile(
    r"password|authentication|does not exist|permission denied|certificate|SSL|not permitted"
)
CONFLICT: Final = re.compile(r"\b1023\b|Serializable isolation violation|conflict with concurrent transaction|deadlock")
FULL: Final = re.compile(r"Disk Full|out of disk", re.IGNORECASE)
ROLE: Final = re.compile(r"S3ServiceException|AccessDenied|UnauthorizedException|Not authorized to get credentials|IAM")
GONE: Final = re.compile(r"could not (open|find) relation|relation .* does not exist", re.IGNORECASE)


class Conflict(WarehouseUnavailable):
    """Another session's transaction got in the way of ours, and nothing of ours was kept: the same can be tried at
    once, when the ledger has been asked."""


@contextmanager
def translated(address: RedshiftAddress, doing: str) -> Iterator[None]:
    """Raise Redshift's errors as ours. `doing` completes "… while <doing>"."""
    try:
        yield
    except psycopg.Error as error:
        raise fault(error, address, doing) from error


def fault(error: psycopg.Error, address: RedshiftAddress, doing: str) -> IngestionError:
    state, text, where = error.sqlstate or "", told(error), f"while {doing} ({address})"
    if state == "40001" or state.startswith("40P") or CONFLICT.search(text):
        return Conflict(
            f"Another session changed the same tables {where}. Nothing was changed.", advice=WAIT, detail=text
        )
    if FULL.search(text) or state == "53100":
        advice = "Make room on the warehouse's disks, or resize it; it is tried again."
        return DiskFull(f"The warehouse's disks are full, {where}.", advice=advice, detail=text)
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return WarehouseUnavailable(f"The connection was lost {where}.", advice=WAIT, detail=text)
    if state.startswith(REFUSED) or "permission denied" in text:
        return WarehouseRefused(
            f"The warehouse refused {where}: {_primary(error)}.",
            advice="Give the user of WAREHOUSE_URL this right, or name another user or database there.",
        )
    return _fault_of_text(state, text, where)


def _fault_of_text(state: str, text: str, where: str) -> IngestionError:
    if ROLE.search(text):
        return WarehouseRefused(
            f"Redshift could not read from S3 {where}.",
            advice="Check that the role in WAREHOUSE_URL is attached to the warehouse and may read the bucket.",
            detail=text,
        )
    if state.startswith(LATER) or GONE.search(text):
        reason = (
            "a lock was not to be had in time, or the statement was ended" if state == "57014" else "it could not go on"
        )
        return WarehouseUnavailable(f"The warehouse broke off {where}: {reason}.", advice=WAIT, detail=text)
    if state == "2BP01":
        return SchemaFault(
            f"A live table's columns change their types, but something depends on it, {where}.",
            advice="Make the views over it anew WITH NO SCHEMA BINDING, then retry.",
            detail=text,
        )
    advice = "Show the technical detail to whoever looks after this source."
    return LoadFault(f"The warehouse could not take the data {where}.", advice=advice, detail=text)


def connecting(error: psycopg.Error, address: RedshiftAddress) -> IngestionError:
    """An error of opening a connection: refused for good, or not to be reached now."""
    text = str(error).strip()
    said = text.rsplit("FATAL:", 1)[-1].strip().splitlines()[0]
    if ("FATAL:" in text or "certificate" in text or "SSL" in text) and REFUSED_TEXT.search(text):
        return WarehouseRefused(
            f"The warehouse refused the connection ({address}): {said}.",
            advice="Check user, password, database and sslmode in WAREHOUSE_URL, and that this user may connect.",
        )
    return WarehouseUnavailable(
        f"The warehouse could not be reached ({address}): {said}.",
        advice="Check that it runs, that its security group lets this machine in, and host and port in WAREHOUSE_URL. "
        "It is tried again.",
        detail=text,
    )


def told(error: psycopg.Error) -> str:
    lines = (str(error), error.diag.message_detail, error.diag.context)
    return "\n".join(line for line in lines if line)


def _primary(error: psycopg.Error) -> str:
    return (error.diag.message_primary or "no reason given").rstrip(".")
