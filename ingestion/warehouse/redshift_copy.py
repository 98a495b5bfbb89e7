"""COPY of staged parts into Redshift: the warehouse itself reads them from S3, by a manifest that names each.

Nothing passes through this process but a manifest, which is written beside the parts where the run's own does not fit.
"""

import csv
import io
import json
import re
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import psycopg

from ingestion.warehouse.base import CountMismatch, LoadFault, Part, StageRequest
from ingestion.warehouse.redshift_address import RedshiftAddress
from ingestion.warehouse.redshift_s3 import Bucket, beside
from ingestion.warehouse.redshift_session import RedshiftConnections, RedshiftSession, constant
from ingestion.warehouse.sql import PART, names, stored
from ingestion.warehouse.unpacking import DAMAGED, unpacked

BEAT_SECONDS: Final = 5.0
LONGEST_ROW_BLOCKS: Final = 5  # of 1 MB: Redshift takes no row beyond 4 MB
# '\\N' is \N to Redshift, which takes a backslash in a text constant as the beginning of an escape.
FORMAT: Final = (
    "FORMAT AS CSV DELIMITER ',' QUOTE '\"' GZIP MANIFEST NULL AS '\\\\N' TIMEFORMAT 'auto' DATEFORMAT 'auto' "
    "MAXERROR 0 COMPUPDATE OFF STATUPDATE OFF"
)
VALUE: Final = re.compile(r",? ?Value '.*?'(?=, (?:Pos|Type|Length)|$)", re.DOTALL)
FAILED: Final = re.compile(r"sys_load_error_detail|stl_load_errors|Load into table", re.IGNORECASE)
DETAIL: Final = (
    "SELECT trim(file_name), line_number, trim(column_name), trim(column_type), trim(error_message) "
    "FROM sys_load_error_detail WHERE query_id = ? ORDER BY start_time DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True)
class Copying:
    """One COPY: parts with the same columns, into one table."""

    table: str
    columns: tuple[str, ...]
    parts: tuple[Part, ...]
    manifest: str

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def copy_statement(copying: Copying, address: RedshiftAddress) -> str:
    role = "default" if address.iam_role == "default" else constant(address.iam_role)
    return (
        f"COPY {stored(copying.table)} ({names(copying.columns)}) FROM {constant(copying.manifest)} "
        f"IAM_ROLE {role} REGION {constant(address.region)} {FORMAT}"
    )


class Copier:
    """Loads the parts of one request. Redshift takes one COPY of a table at a time, and spreads its files over all its
    slices by itself."""

    def __init__(self, connections: RedshiftConnections, bucket: Bucket, request: StageRequest) -> None:
        self._connections, self._bucket, self._request = connections, bucket, request
        self._running: psycopg.Connection[tuple[Any, ...]] | None = None
        self._stop = threading.Event()

    def load(self, table: str) -> int:
        """Load every part into a table; answers the number of rows. The heartbeat's error ends it."""
        if not self._request.parts:
            return 0
        with ThreadPoolExecutor(1, thread_name_prefix="copy") as pool:
            work = pool.submit(self._load, table)
            try:
                while not wait([work], timeout=BEAT_SECONDS, return_when=FIRST_COMPLETED).done:
                    self._request.heartbeat()
                rows = work.result()
            except BaseException:  # also the heartbeat's word to stop: the COPY must end before we do
                self._interrupt()
                raise
        self._request.heartbeat()
        return rows

    def _load(self, table: str) -> int:
        self._bucket.verify(self._request.parts)
        return sum(self._copy(copying) for copying in self._plan(table))

    def _plan(self, table: str) -> list[Copying]:
        layouts: dict[tuple[str, ...], list[Part]] = {}
        for part in self._request.parts:
            layouts.setdefault(part.columns, []).append(part)
        return [
            Copying(
                table=table, columns=columns, parts=tuple(parts), manifest=self._manifest(number, parts, len(layouts))
            )
            for number, (columns, parts) in enumerate(layouts.items(), start=1)
        ]

    def _manifest(self, number: int, parts: Sequence[Part], layouts: int) -> str:
        """The run's own names all parts: it serves where they have the same columns."""
        if layouts == 1 and self._request.manifest_uri:
            return self._request.manifest_uri
        uri = beside(self._request.manifest_uri or parts[0].uri, self._request, number)
        self._bucket.write(uri, manifest(parts))
        return uri

    def _copy(self, copying: Copying) -> int:
        if self._stop.is_set():
            raise InterruptedError("the load was given up")
        with self._connections.session(
            f"loading {len(copying.parts)} files into {self._request.target.name}"
        ) as session:
            self._running = session.connection
            try:
                rows = self._copied(session, copying)
            finally:
                self._running = None
            if rows != copying.rows:
                raise _mismatch(copying, rows, session)
        return rows

    def _copied(self, session: RedshiftSession, copying: Copying) -> int:
        try:
            session.run(copy_statement(copying, self._connections.address))
        except psycopg.Error as error:
            if not FAILED.search(str(error)):
                raise
            raise self._refused(session, copying, error) from error
        return int(session.rows("SELECT pg_last_copy_count()")[0][0])

    def _refused(self, session: RedshiftSession, copying: Copying, error: psycopg.Error) -> LoadFault:
        """What Redshift wrote down of the row that it could not take. No transaction is open any more."""
        found = session.rows("SELECT pg_last_copy_id()")
        details = session.rows(DETAIL, (found[0][0],))
        if not details:
            return _unexplained(copying, self._request.target.name, error)
        return load_fault(details[0], self._request.target.name)

    def _interrupt(self) -> None:
        self._stop.set()
        if running := self._running:
            with suppress(psycopg.Error):  # it ended by itself
                running.cancel_safe(timeout=5)


def manifest(parts: Sequence[Part]) -> bytes:
    """Redshift's list of files. Without `mandatory`, one that is missing would be left out without a word."""
    entries = [{"url": part.uri, "mandatory": True, "meta": {"content_length": part.size}} for part in parts]
    return json.dumps({"entries": entries}, indent=1).encode()


def load_fault(detail: Sequence[Any], table: str) -> LoadFault:
    """An entry of SYS_LOAD_ERROR_DETAIL in our words, without the value that it quotes."""
    file, line, column, kind, message = detail
    reason = VALUE.sub("", str(message or "")).strip(" ,") or "no reason given"
    what = f"the value of {column} does not fit ({reason})" if column else f"the row does not fit the table ({reason})"
    return LoadFault(
        f"Row {line} of {file} could not be loaded: {what}. Nothing of this table was loaded.",
        advice="Look at this row in the staged file, and at the column's type.",
        detail=f"table {table}, column {column or '?'} ({kind or 'unknown type'}): {reason}",
    )


def _unexplained(copying: Copying, table: str, error: psycopg.Error) -> LoadFault:
    return LoadFault(
        f"Redshift could not load {len(copying.parts)} files into {table}, and wrote down no row that is at fault.",
        advice="Ask whoever runs the warehouse to look at SYS_LOAD_HISTORY for this load.",
        detail=f"{error.diag.message_primary or type(error).__name__}; manifest {copying.manifest}",
    )


def _mismatch(copying: Copying, rows: int, session: RedshiftSession) -> CountMismatch:
    """Redshift counts all files together: which one it was, the numbers of the parts say."""
    found = dict(session.rows(f"SELECT {PART}, count(*) FROM {stored(copying.table)} GROUP BY 1"))
    what = f"{copying.manifest} was staged with {copying.rows} rows, but {rows}"
    for part in copying.parts:
        number = _number(part)
        if found.get(number, 0) != part.rows:
            what = f"{part.uri} was staged with {part.rows} rows, but {found.get(number, 0)}"
            break
    return CountMismatch(
        f"{what} arrived in the warehouse. Nothing became live.",
        advice="The staged file was changed or damaged after it was written. Retry the run: it is read again.",
    )


def _number(part: Part) -> int | None:
    """The part's number, which ends its first row; None where there is none to be read."""
    try:
        with part.open() as packed:
            begin = b"".join(islice(unpacked(packed), LONGEST_ROW_BLOCKS))
        return int(next(csv.reader(io.StringIO(begin.decode(errors="replace"), newline="")))[-1])
    except (StopIteration, ValueError, csv.Error, *DAMAGED):
        return None
