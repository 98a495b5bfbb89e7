"""The columns of a delimited file: their names, the schema's places for them, and their text as SQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ingestion.blueprint.paths import join_path
from ingestion.blueprint.types import TEXT, Type
from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.casts import DOCUMENTS, Cast, cast_of
from ingestion.checking.codes import refuse
from ingestion.checking.compiling import compile_checked
from ingestion.checking.csvtext import CsvText
from ingestion.checking.judge import shown
from ingestion.checking.reading import nesting_of
from ingestion.checking.schema import COLUMN_TYPES, Place
from ingestion.checking.tabular import Field


@dataclass(frozen=True)
class CsvColumn:
    """A column of the file: `id` in our queries."""

    id: str
    name: str
    place: Place | None
    nesting: int  # of JSON in a cell

    @property
    def source(self) -> str:
        return join_path((self.name,))

    @property
    def type(self) -> Type:
        return Type.parse(COLUMN_TYPES.get(self.place.type, "text")) if self.place else TEXT

    @property
    def cast(self) -> Cast | None:
        return cast_of(self.place, self.id, nesting=self.nesting) if self.place else None

    @property
    def has_documents(self) -> bool:
        return self.place is not None and self.place.type in DOCUMENTS

    @property
    def expected(self) -> str:
        """What people are told that it should be."""
        told = self.place.type if self.place else "text"
        return f"{told} (JSON, nested at most {self.nesting} deep)" if self.has_documents else told

    def field(self, *, has_nul: bool) -> Field:
        cast = self.cast
        if cast is None:
            return Field(self.source, f"replace({self.id}, chr(0), '')" if has_nul else self.id, self.type)
        # error() must depend on the row, or it would be raised as the query is planned.
        blank = f"{self.id} IS NULL OR {self.id} = ''"
        usual = f"WHEN {cast.usual} THEN {self.id} " if cast.usual else ""
        sql = f"CASE WHEN {blank} THEN NULL {usual}WHEN {cast.test} THEN {cast.staged} ELSE error({self.id}) END"
        return Field(self.source, sql, self.type)


def columns_of(request: CheckRequest, source: CsvText) -> Sequence[CsvColumn]:
    """Raises FileRefused for a header that cannot be taken."""
    schema = compile_checked(request.schema) if request.schema is not None else None
    places = schema.root.fields if schema else {}
    names = source.header() if request.csv.header else list(places)
    if not names:
        raise refuse(codes.NO_COLUMNS, name=request.name)
    if len(names) > request.limits.fields:
        raise refuse(codes.TOO_MANY_COLUMNS, name=request.name, came=len(names), expected=request.limits.fields)
    if twice := next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None:
        raise refuse(codes.DUPLICATE_HEADER, name=request.name, field=shown((twice,)))
    if schema and len(names) == 1 and (sign := _other_delimiter(names[0], places)):
        why = f"its header is one column, {shown((names[0],))}, whose names are separated by {sign}"
        raise refuse(codes.BAD_OPTION, name=request.name, why=why)
    unknown = next((name for name in names if name not in places), None)
    if schema and schema.root.is_sealed and unknown is not None:
        why = f"its column {shown((unknown,))} is not in the dataset's schema, which permits no others"
        raise refuse(codes.BAD_OPTION, name=request.name, why=why)
    nesting = nesting_of(request) - 1  # the row itself is the outermost
    return [CsvColumn(f"c{number}", name, places.get(name), nesting) for number, name in enumerate(names)]


def _other_delimiter(name: str, places: Mapping[str, Place]) -> str:
    """What separates the schema's names in a header that looks like a single column; empty where nothing does."""
    if name in places:
        return ""
    words = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
    return next((word for sign, word in words.items() if len(_known(name, sign, places)) > 1), "")


def _known(name: str, sign: str, places: Mapping[str, Place]) -> set[str]:
    return {part.strip(' "') for part in name.split(sign)} & places.keys()
