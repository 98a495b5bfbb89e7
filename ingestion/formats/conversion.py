"""Conversion of a spool: undecoded records in, one part per table out. Columnar and native where it keeps every value,
record by record where it would not.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import duckdb

from ingestion.formats import exact, native
from ingestion.formats.base import ConvertedPart, TableSpec
from ingestion.formats.declared import declare
from ingestion.formats.duck import Ducks, private_duck
from ingestion.formats.facts import Fact, settle
from ingestion.formats.native import Loaded
from ingestion.formats.reader import NeedsExact
from ingestion.formats.scan import survey
from ingestion.formats.tables import Filled, Stager

NOTHING_KNOWN: Final[Mapping[str, Fact]] = {}


def convert(
    spool: Sequence[Path],
    tables: Sequence[TableSpec],
    *,
    part_number: int,
    folder: Path,
    threads: int = 2,
    ducks: Ducks | None = None,
) -> list[ConvertedPart]:
    """Convert the files of a spool (JSON lines of records, one each) into a gzip part per table that has any.

    Safe to repeat and to call from several threads with folders of their own; leaves nothing in `folder` but the
    parts. A table all of whose rows were turned down has a part of no rows, for its counts. `ducks` spare a caller of
    many conversions the making of a database for each, and say how many threads it has.
    Raises DataFault, and OSError where the disk is full.
    """
    seen = survey(spool)
    borrow = ducks.borrow if ducks else partial(private_duck, folder, threads=threads)
    try:
        with borrow() as duck:
            loaded = native.load(duck, spool, tables, seen)
            return _stage(Stager(duck, part_number=part_number, folder=folder, exact=False), loaded, tables)
    except NeedsExact:
        pass
    with borrow() as duck:
        loaded = exact.load(duck, spool, tables, folder)
        return _stage(Stager(duck, part_number=part_number, folder=folder, exact=True), loaded, tables)


def _stage(stager: Stager, loaded: Loaded, tables: Sequence[TableSpec]) -> list[ConvertedPart]:
    filled = [settled(stager.duck, loaded, number) for number in range(len(loaded.layouts))]
    parts = [stager.stage(table, filled[0]) for table in filled if table.spec in tables]
    return [part for part in parts if part]


def settled(
    duck: duckdb.DuckDBPyConnection, loaded: Loaded, number: int, known: Mapping[str, Fact] = NOTHING_KNOWN
) -> Filled:
    """A loaded table with the types of its columns; `known` are the facts of columns, by id, that need no look."""
    layout, spans = loaded.layouts[number], loaded.spans[number]
    facts = (known.get(leaf.id) or settle(duck, f"t{number}", leaf, spans[leaf.id]) for leaf in layout.leaves)
    declared = layout.spec.types
    return Filled(
        number=number,
        spec=layout.spec,
        facts=tuple(
            declare(duck, f"t{number}", fact, declared[fact.leaf.source]) if fact.leaf.source in declared else fact
            for fact in facts
        ),
        rejected=sum(loaded.rejected[number].values()),
        warnings=loaded.warnings[number],
    )
