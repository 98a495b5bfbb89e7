"""Checks a delimited file: header, options, ragged rows, and casts to the types of the schema's columns. A failing cast
fails the file; rows that are no rows are turned down one by one. No other validation: CSV is taken on a legacy basis.
"""

from collections.abc import Iterator, Sequence

import duckdb

from ingestion.checking import codes
from ingestion.checking.abreast import Tally, Ticket, side_by_side
from ingestion.checking.base import CheckReport, CheckRequest
from ingestion.checking.codes import refuse
from ingestion.checking.csvcasts import CastSearch
from ingestion.checking.csvcolumns import CsvColumn, columns_of
from ingestion.checking.csvcuts import Piece, Unsure, pieces
from ingestion.checking.csvdocuments import Documents
from ingestion.checking.csvtext import CsvText
from ingestion.checking.engine import Engines
from ingestion.checking.keyed import Keyed
from ingestion.checking.problems import Problems
from ingestion.checking.rejects import Rejects
from ingestion.checking.tabular import bounded, discard, joined, write_part
from ingestion.formats.base import ConvertedPart, Warning  # noqa: A004
from ingestion.formats.duck import make_room
from ingestion.formats.exact import TEXTS


def check_csv(request: CheckRequest) -> CheckReport:
    """Raises FileRefused."""
    source = CsvText(request, joined(request))
    columns = columns_of(request, source)
    with Engines(request) as engines:
        return _checked(request, engines, source, columns)


def _checked(request: CheckRequest, engines: Engines, source: CsvText, columns: Sequence[CsvColumn]) -> CheckReport:
    try:
        return _Conversion(request, engines, source, columns, is_careful=False).report()
    except duckdb.InvalidInputException:
        discard(request)
        _refuse_failed_casts(request, engines, source, columns)
    except Unsure:
        pass
    discard(request)
    if source.has_mixed_ends:
        source.rewrite()  # line ends of several kinds, which the engine does not take
    try:
        return _Conversion(request, engines, source, columns, is_careful=True).report()
    except duckdb.InvalidInputException as error:
        discard(request)
        _refuse_failed_casts(request, engines, source, columns)
        raise refuse(codes.DAMAGED, name=request.name, why="its rows cannot be told apart") from error


def _refuse_failed_casts(
    request: CheckRequest, engines: Engines, source: CsvText, columns: Sequence[CsvColumn]
) -> None:
    """Was it a value that is not of its column's type?"""
    signs = source.signs(len(columns))
    CastSearch(request, engines, source, columns).refuse(pieces(request, source.path, signs, is_careful=True))


class _Conversion:
    """One way through one file. Raises Unsure where pieces may have been cut wrongly, or rows be several."""

    def __init__(
        self,
        request: CheckRequest,
        engines: Engines,
        source: CsvText,
        columns: Sequence[CsvColumn],
        *,
        is_careful: bool,
    ) -> None:
        self._request, self._engines, self._source, self._is_careful = request, engines, source, is_careful
        self._ids = [column.id for column in columns]
        self._documents = [column for column in columns if column.has_documents]
        self._fields = bounded([column.field(has_nul=source.nul_count > 0) for column in columns])

    def report(self) -> CheckReport:
        tally = Tally(self._request.first_part)
        with Problems(self._request) as problems:
            self._problems = problems
            made = side_by_side(self._pieces(), self._convert, tally=tally, threads=self._request.threads)
            parts = self._kept(list(made))
            if not tally.read:
                raise refuse(codes.EMPTY_FILE)
            return CheckReport(
                parts=tuple(parts),
                read=tally.read,
                bad=problems.bad,
                errors=problems.errors,
                problem_files=problems.files,
            )

    def _pieces(self) -> Iterator[Piece]:
        signs = self._source.signs(len(self._ids))
        return pieces(self._request, self._source.path, signs, is_careful=self._is_careful)

    def _convert(self, piece: Piece, ticket: Ticket) -> ConvertedPart:
        try:
            with self._engines.borrow() as duck:
                make_room(duck, columns=4 * len(self._ids))
                return self._converted(duck, piece, ticket)
        finally:
            piece.remove()

    def _converted(self, duck: duckdb.DuckDBPyConnection, piece: Piece, ticket: Ticket) -> ConvertedPart:
        rows = f"FROM {self._source.reader(self._ids, piece)}"
        documents = Documents(duck, self._documents) if self._documents else None
        if documents:
            documents.take(rows)
            rows = documents.rows
        keyed = Keyed(duck, self._request, self._fields) if self._request.key else None
        if keyed:
            keyed.take(rows)
        part = write_part(
            duck,
            self._request,
            self._fields,
            keyed.rows if keyed else rows,
            number=self._request.first_part + piece.number,
            superseded=keyed.superseded if keyed else 0,
            warnings=[*(() if piece.number else self._warnings()), *(documents.warnings() if documents else ())],
        )
        rejects = Rejects(duck, self._request, columns=len(self._ids), header=self._source.header_of(piece))
        self._refuse_to_guess(piece, rejects)
        with ticket.turn() as tally:
            before = self._problems.bad
            if keyed:
                keyed.tell(self._problems, first=tally.read)
            rejects.tell(self._problems, first=tally.read)
            tally.read += part.extracted + self._problems.bad - before
        return part

    def _refuse_to_guess(self, piece: Piece, rejects: Rejects) -> None:
        """What looks like one row may be several, of line ends of another kind or since a piece was cut within it."""
        if self._is_careful:
            return
        if (not piece.is_all and rejects.may_be_cut) or (self._source.has_mixed_ends and rejects.may_have_swallowed):
            raise Unsure

    def _warnings(self) -> tuple[Warning, ...]:
        count = self._source.nul_count
        return (Warning(code="nul_removed", count=count, text=TEXTS["nul_removed"]),) if count else ()

    def _kept(self, parts: list[ConvertedPart]) -> list[ConvertedPart]:
        """Without those of no rows at the end. One in between stays, since numbers of parts have no gaps."""
        while parts and not parts[-1].extracted:
            parts.pop().path.unlink()
        return parts
