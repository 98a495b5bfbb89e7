"""Loads for the warehouse tests: rows written as staged parts, staged and published in one call."""

import gzip
import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ingestion.blueprint.columns import Column
from ingestion.blueprint.types import Type
from ingestion.warehouse.base import (
    Mode,
    Part,
    Published,
    PublishRequest,
    Span,
    Staged,
    StageRequest,
    TableChange,
    Target,
    Warehouse,
)

SURVEYS = Target(dataset=7, schema="live", name="surveys", key=("id",), description="All surveys")
PLAIN = replace(SURVEYS, key=())


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name=name, source=name, type=Type.parse(word)) for name, word in types.items())


ID_NAME = columns(id="integer", name="text")


def cell(value: Any) -> str:
    """A value in the staged format: text quoted, everything else bare, null as \\N."""
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value)


class Bare(str):
    """A value that is written without quotes: a date, a long number, or something broken."""


def line(values: Iterable[Any]) -> str:
    return ",".join(value if isinstance(value, Bare) else cell(value) for value in values)


def packed(number: int, names: Sequence[str], data: bytes, rows: int) -> Part:
    return Part(
        uri=f"file:///staging/part-{number}.csv.gz",
        columns=(*names, "_part"),
        rows=rows,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        open=lambda: io.BytesIO(data),
    )


def part(number: int, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Part:
    text = "".join(f"{line(row)},{number}\n" for row in rows)
    return packed(number, names, gzip.compress(text.encode(), 1), len(rows))


def parts(layout: Sequence[Column], rows: Sequence[Sequence[Any]]) -> tuple[Part, ...]:
    return (part(1, [column.name for column in layout], rows),)


@dataclass
class Load:
    """One load of one table; `run` stages and publishes it."""

    number: int
    rows: Sequence[Sequence[Any]] = ()
    columns: tuple[Column, ...] = ID_NAME
    mode: Mode = Mode.REPLACE
    target: Target = SURVEYS
    parts: tuple[Part, ...] | None = None
    order: str | None = None
    window: tuple[str, str] | None = None
    attempt: int = 1
    withdraws: tuple[Span, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    def stage(self, warehouse: Warehouse) -> Staged:
        given = parts(self.columns, self.rows) if self.parts is None else self.parts
        return warehouse.stage(
            StageRequest(
                load_id=self.number,
                attempt=self.attempt,
                target=self.target,
                columns=self.columns,
                parts=given,
                **self.more,
            )
        )

    def change(self, staged: Staged) -> TableChange:
        return TableChange(
            target=self.target,
            mode=self.mode,
            columns=self.columns,
            staged=staged,
            order=self.order,
            window=self.window,
            manifest_digest=f"digest-{self.number}",
            withdraws=self.withdraws,
        )

    def run(self, warehouse: Warehouse, *, token: int = 1) -> Published:
        return publish(warehouse, self.number, [self.change(self.stage(warehouse))], token=token)


def publish(warehouse: Warehouse, load: int, changes: Sequence[TableChange], *, token: int = 1) -> Published:
    return warehouse.publish(PublishRequest(load_id=load, token=token, tables=tuple(changes)))


def live(warehouse: Warehouse, what: str = "id, name", target: Target = SURVEYS) -> list[tuple[Any, ...]]:
    return warehouse.query(f"SELECT {what} FROM {target.schema}.{target.name} ORDER BY 1, 2")


def tamper(warehouse: Warehouse, sql: str) -> None:
    """What an intruder or a disk might do: change rows behind the warehouse's back."""
    inner = getattr(warehouse, "_connections", None) or warehouse._file  # type: ignore[attr-defined]
    with inner.session("tampering") as session:
        session.run(sql)
