"""From a source's spelling to a live table, on both warehouses: what is live says what was staged, for any records.

That what is staged says what the source said is the matter of `test_convert_properties`; together nothing changes
silently on the whole way.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings

from ingestion.blueprint.columns import Blueprint, Column
from ingestion.blueprint.merge import agree, relabel
from ingestion.formats.base import ConvertedPart
from ingestion.warehouse.base import Mode, Part, PublishRequest, StageRequest, TableChange, Target, Warehouse
from tests.ingestion.parts_kit import converted, read_rows
from tests.ingestion.test_convert_properties import RECORDS

LOADS = count(1)
ON_BOTH = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def bring_live(warehouse: Warehouse, parts: Sequence[ConvertedPart], blueprint: Blueprint, target: Target) -> None:
    load = next(LOADS)
    staged = warehouse.stage(
        StageRequest(
            load_id=load,
            attempt=1,
            target=target,
            columns=blueprint.columns,
            parts=tuple(
                Part(
                    uri=part.path.as_uri(),
                    columns=(*(column.name for column in relabel(part.columns, blueprint)), "_part"),
                    rows=part.rows,
                    size=part.size,
                    sha256=part.sha256,
                    open=lambda path=part.path: path.open("rb"),
                )
                for part in parts
            ),
        )
    )
    change = TableChange(target=target, mode=Mode.REPLACE, columns=blueprint.columns, staged=staged)
    warehouse.publish(PublishRequest(load_id=load, token=1, tables=(change,)))


def live_rows(warehouse: Warehouse, target: Target, columns: Sequence[Column]) -> list[tuple]:
    as_text = {column.name for column in columns if column.type.kind == "json"}
    fields = (f'cast("{c.name}" as text)' if c.name in as_text else f'"{c.name}"' for c in columns)
    names = ", ".join(fields) or "_part"
    return warehouse.query(f'select {names} from "{target.schema}"."{target.name}"')


def says(live: object, staged: str | None, column: Column) -> bool:
    """Does the live value say what the staged text says?"""
    if live is None or staged is None:
        return live is None and staged is None
    kind = column.type.kind
    if kind == "boolean":
        return live is (staged == "true")
    if kind in ("integer", "numeric"):
        return Decimal(str(live)) == Decimal(staged)
    if kind == "double":
        return float(live) == float(staged)
    if kind == "timestamp":
        moment = datetime.fromisoformat(staged)
        return live == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return str(live) == staged


def check(warehouse: Warehouse, target: Target, part: ConvertedPart, blueprint: Blueprint) -> None:
    columns = blueprint.columns
    staged = read_rows(part.path, [column.source for column in part.columns])
    left = live_rows(warehouse, target, columns)
    assert len(left) == len(staged)
    for row in staged:
        found = next(
            (
                values
                for values in left
                if all(says(value, row[c.source], c) for value, c in zip(values, columns, strict=False))
            ),
            None,
        )
        assert found is not None, f"no live row says {row}: {left}, {blueprint}"
        left.remove(found)


@ON_BOTH
@given(lines=RECORDS)
def test_live_rows_say_what_was_staged(warehouse: Warehouse, lines: list[str]) -> None:
    with TemporaryDirectory() as folder:
        table = converted(Path(folder), [line.encode() for line in lines])["t"]
        blueprint = agree(Blueprint(), [("task", table.part.columns)]).blueprint
        target = Target(dataset=next(LOADS), schema="values", name=f"t{next(LOADS)}")

        bring_live(warehouse, [table.part], blueprint, target)

        check(warehouse, target, table.part, blueprint)


@ON_BOTH
@given(before=RECORDS, after=RECORDS)
def test_a_column_that_changes_between_loads_is_widened_and_says_it_all(warehouse, before, after) -> None:
    target, blueprint = Target(dataset=next(LOADS), schema="values", name=f"t{next(LOADS)}"), Blueprint()
    for lines in (before, after):
        with TemporaryDirectory() as folder:
            table = converted(Path(folder), [line.encode() for line in lines])["t"]
            blueprint = agree(blueprint, [("task", table.part.columns)]).blueprint

            bring_live(warehouse, [table.part], blueprint, target)

            wide = [Column(name=c.name, source=c.source, type=c.type) for c in blueprint.columns]
            staged = read_rows(table.part.path, [column.source for column in table.part.columns])
            assert len(live_rows(warehouse, target, wide)) == len(staged)


NASTY = [
    "",
    "\\N",
    "\\.",
    '"',
    '""',
    ",",
    "a\nb",
    "a\r\nb",
    "\r",
    "\u2028",
    "\t",
    "back\\",
    "\ufeffbom",
    "e\u0301",
    "שלום",
    "😀",
    "NaN",
    "null",
    "true",
    "007",
    "1e5",
    "=1+1",
]
LONG = {"Redshift": "x" * 65_535}  # the longest that it holds


@pytest.mark.parametrize("first", ["plain", ""])
def test_nasty_texts_arrive_byte_for_byte(warehouse: Warehouse, tmp_path: Path, first: str) -> None:
    texts = [first, *NASTY, LONG.get(warehouse.label, "x" * 70_000)]
    records = [{"n": number, "v": text} for number, text in enumerate(texts)]
    records.append({"n": len(records), "v": None})
    table = converted(tmp_path, records)["t"]
    blueprint = agree(Blueprint(), [("task", table.part.columns)]).blueprint
    target = Target(dataset=1, schema="values", name="nasty")

    bring_live(warehouse, [table.part], blueprint, target)

    assert sorted(warehouse.query('select n, v from "values".nasty')) == [(r["n"], r["v"]) for r in records]


EXACT = {
    "i64": ["9223372036854775807", "-9223372036854775808"],
    "beyond": ["9223372036854775808", "1"],
    "d38": ["12345678901234567890123456789012345678", "-1"],
    "d39": ["123456789012345678901234567890123456789", "2"],
    "fine": ["0.1234567890123456789", "1"],
    "mixed": ["1", "1.5"],
    "huge": ["1e400", "1"],
    "tiny": ["1E-7", "0"],
}


def test_numbers_arrive_exactly(warehouse: Warehouse, tmp_path: Path) -> None:
    lines = ["{" + ",".join(f'"{name}":{pair[at]}' for name, pair in EXACT.items()) + "}" for at in (0, 1)]
    table = converted(tmp_path, [line.encode() for line in lines])["t"]
    blueprint = agree(Blueprint(), [("task", table.part.columns)]).blueprint
    target = Target(dataset=2, schema="values", name="numbers")

    bring_live(warehouse, [table.part], blueprint, target)

    for name, pair in EXACT.items():
        got = {Decimal(str(value)) for (value,) in warehouse.query(f'select {name} from "values".numbers')}
        assert got == {Decimal(text) for text in pair}, name
    assert {c.source for c in blueprint.columns if c.type.kind == "text"} == {"d39", "huge"}
