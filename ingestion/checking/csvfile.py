"""Checks a delimited file: header, options, ragged rows, and casts to the types of the schema's columns. A failing cast
fails the file; rows that are no rows are turned down one by one. No other validation: CSV is taken on a legacy basis.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from ingestion.blueprint.paths import join_path
from ingestion.blueprint.types import TEXT, Type
from ingestion.checking import codes
from ingestion.checking.base import CheckReport, CheckRequest
from ingestion.checking.casts import Cast, cast_of
from ingestion.checking.codes import refuse
from ingestion.checking.compiling import compile_checked
from ingestion.checking.csvtext import CsvText
from ingestion.checking.judge import shown
from ingestion.checking.keyed import Keyed
from ingestion.checking.problems import Problems
from ingestion.checking.rejects import Rejects
from ingestion.checking.schema import COLUMN_TYPES, Place
from ingestion.checking.tabular import Field, PartWriter, bounded, joined
from ingestion.formats.base import Warning  # noqa: A004
from ingestion.formats.duck import make_room, private_duck
from ingestion.formats.exact import TEXTS

FIRST_ROWS: Final = 5  # that a message about a failing cast names


@dataclass(frozen=True)
class CsvColumn:
    """A column of the file: `id` in our queries."""

    id: str
    name: str
    place: Place | None

    @property
    def source(self) -> str:
        return join_path((self.name,))

    @property
    def type(self) -> Type:
        return Type.parse(COLUMN_TYPES.get(self.place.type, "text")) if self.place else TEXT

    @property
    def cast(self) -> Cast | None:
        return cast_of(self.place, f"nullif({self.id}, '')") if self.place else None

    def field(self, has_nul: bool) -> Field:
        cast = self.cast
        if cast is None:
            return Field(self.source, f"replace({self.id}, chr(0), '')" if has_nul else self.id, self.type)
        # error() must depend on the row, or it would be raised as the query is planned.
        blank = f"{self.id} IS NULL OR {self.id} = ''"
        sql = f"CASE WHEN {blank} THEN NULL WHEN {cast.test} THEN {cast.staged} ELSE error({self.id}) END"
        return Field(self.source, sql, self.type)


def check_csv(request: CheckRequest) -> CheckReport:
    """Raises FileRefused."""
    path = joined(request)
    source = CsvText(request, path)
    columns = _columns(request, source)
    with Problems(request) as problems, private_duck(request.folder, threads=request.threads) as duck:
        make_room(duck, columns=4 * len(columns))
        return _Conversion(request, source, columns, problems, duck).report()


def _columns(request: CheckRequest, source: CsvText) -> list[CsvColumn]:
    schema = compile_checked(request.schema) if request.schema is not None else None
    places = schema.root.fields if schema else {}
    names = source.header() if request.csv.header else list(places)
    if not names:
        raise refuse(codes.NO_COLUMNS, name=request.name)
    if len(names) > request.limits.fields:
        raise refuse(codes.TOO_MANY_COLUMNS, name=request.name, came=len(names), expected=request.limits.fields)
    if twice := next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None:
        raise refuse(codes.DUPLICATE_HEADER, name=request.name, field=shown((twice,)))
    unknown = next((name for name in names if name not in places), None)
    if schema and schema.root.is_sealed and unknown is not None:
        why = f"its column {shown((unknown,))} is not in the dataset's schema, which permits no others"
        raise refuse(codes.BAD_OPTION, name=request.name, why=why)
    return [CsvColumn(f"c{number}", name, places.get(name)) for number, name in enumerate(names)]


class _MixedEnds(Exception):
    """Line ends of several kinds may have made one row of several."""


class _Conversion:
    """One way through one file."""

    def __init__(
        self,
        request: CheckRequest,
        source: CsvText,
        columns: Sequence[CsvColumn],
        problems: Problems,
        duck: duckdb.DuckDBPyConnection,
    ) -> None:
        self._request, self._source, self._columns = request, source, columns
        self._problems, self._duck = problems, duck
        self._fields = bounded([column.field(source.nul_count > 0) for column in columns])
        self._rejects = Rejects(duck, request, columns=len(columns))

    def report(self) -> CheckReport:
        try:
            return self._converted()
        except duckdb.InvalidInputException:
            self._refuse_failed_casts()
        except _MixedEnds:
            pass
        self._source.rewrite()  # line ends of several kinds, which the engine does not take
        try:
            return self._converted()
        except duckdb.InvalidInputException as error:
            self._refuse_failed_casts()
            raise refuse(codes.DAMAGED, name=self._request.name, why="its rows cannot be told apart") from error

    def _warnings(self) -> list[Warning]:
        count = self._source.nul_count
        return [Warning(code="nul_removed", count=count, text=TEXTS["nul_removed"])] if count else []

    @property
    def _rows(self) -> str:
        return self._source.reader([column.id for column in self._columns])

    def _forget_rejects(self) -> None:
        for table in ("reject_errors", "reject_scans"):
            self._duck.execute(f"DROP TABLE IF EXISTS {table}")

    def _converted(self) -> CheckReport:
        self._forget_rejects()
        writer = PartWriter(self._duck, self._request, self._fields)
        if self._request.key:
            keyed = Keyed(self._duck, self._request, self._fields)
            keyed.take(f"FROM {self._rows}", self._problems)
            parts = writer.write(keyed.rows, superseded=keyed.superseded, warnings=self._warnings())
        else:
            parts = writer.write(f"FROM {self._rows}", warnings=self._warnings())
        if self._source.has_mixed_ends and not self._source.is_rewritten and self._rejects.may_have_swallowed:
            for part in parts:
                part.path.unlink()
            raise _MixedEnds
        self._rejects.tell(self._problems)
        read = sum(part.extracted for part in parts) + self._problems.bad
        if not read:
            raise refuse(codes.EMPTY_FILE)
        return CheckReport(
            parts=tuple(parts),
            read=read,
            bad=self._problems.bad,
            errors=self._problems.errors,
            problem_files=self._problems.files,
        )

    def _refuse_failed_casts(self) -> None:
        """Was it a value that is not of its column's type? Then say which column, and where the first are."""
        for column in self._columns:
            cast = column.cast
            if cast is None:
                continue
            self._forget_rejects()
            bad = f"{column.id} <> '' AND NOT coalesce({cast.test}, false)"
            try:
                found = self._duck.execute(
                    f"SELECT n, count(*) OVER () FROM (SELECT row_number() OVER () AS n, * FROM {self._rows}) "
                    f"WHERE {bad} ORDER BY n LIMIT {FIRST_ROWS}"
                ).fetchall()
            except duckdb.InvalidInputException:
                return  # the rows themselves cannot be told apart
            if found:
                self._refuse_cast(column, [row[0] for row in found], found[0][1])

    def _refuse_cast(self, column: CsvColumn, numbers: Sequence[int], count: int) -> None:
        lines = ", ".join(map(str, self._lines_of(numbers)))
        expected = column.place.type if column.place else "text"
        raise refuse(
            codes.CAST_FAILED,
            name=self._request.name,
            field=shown((column.name,)),
            expected=expected,
            count=count,
            lines=lines,
        )

    def _lines_of(self, numbers: Sequence[int]) -> list[int]:
        """Where rows stand in the file: those that were turned down count too, and so does the header."""
        lost, lines = self._rejects.lines(), []
        for number in numbers:
            line = number + self._request.csv.header
            for other in lost:
                if other > line:
                    break
                line += 1
            lines.append(line)
        return lines
