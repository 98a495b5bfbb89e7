"""The statements that Redshift is sent, compared with kept files, and each of them parsed in Redshift's dialect.

After a change that is meant: GOLDEN=write pytest tests/ingestion/test_redshift_sql.py, and read the difference.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

from ingestion.warehouse.base import Mode, Span, Warehouse, WithdrawRequest
from tests.ingestion.redshift_kit import opened
from tests.ingestion.warehouse_kit import PLAIN, SURVEYS, Bare, Load, columns, part
from tests.services.redshift import RunningRedshift

KEPT = Path(__file__).parent / "golden" / "redshift"
WRITE = os.environ.get("GOLDEN") == "write"
VARYING = (
    (re.compile(r"s3://t-[0-9a-f]{12}/"), "s3://bucket/"),
    (re.compile(r"parts/[0-9a-f]{8}/"), "parts/"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<digest>"),
    (re.compile(r"timestamp '[^']+'|CAST\('20[^']+' AS timestamp\)"), "<time>"),
    (re.compile(r"\bcheck_\d+\b"), "check_<process>"),
)
# sqlglot keeps these as they are, or does not know them: BEGIN READ ONLY, LOCK TABLE.
OPAQUE = re.compile(r"^(SET |BEGIN|LOCK TABLE |FETCH |DECLARE |CLOSE |CREATE SCHEMA |COMMENT |GRANT )")
ROWS = [(1, "one"), (2, "two")]
Story = Callable[[Warehouse, Path], object]


def set_up(warehouse: Warehouse, _: Path) -> None:
    Load(1, parts=()).stage(warehouse)


def replace(warehouse: Warehouse, _: Path) -> None:
    Load(1, ROWS).run(warehouse)
    Load(2, ROWS).run(warehouse)


def merge(warehouse: Warehouse, _: Path) -> None:
    Load(2, [(1, "eins"), (1, "uno"), (3, "drei")], mode=Mode.MERGE).run(warehouse)


def append_and_window(warehouse: Warehouse, _: Path) -> None:
    day = columns(id="integer", day="date")
    Load(2, [(1, Bare("2026-01-01"))], day, Mode.APPEND, PLAIN).run(warehouse)
    both = [(1, Bare("2026-01-01")), (2, Bare("2026-01-02"))]
    Load(3, both, day, Mode.WINDOW, PLAIN, window=("day", "2026-01-02")).run(warehouse)


def columns_added_and_widened(warehouse: Warehouse, _: Path) -> None:
    Load(2, [(1, "x", True)], columns(id="integer", name="text", seen="boolean"), Mode.MERGE).run(warehouse)
    Load(3, [(Bare("1.5"), "x")], columns(id="numeric(38,2)", name="text"), Mode.MERGE).run(warehouse)


def json_text_and_several_layouts(warehouse: Warehouse, _: Path) -> None:
    both = (part(1, ["id", "data"], [(1, '{"a": [1]}')]), part(2, ["id"], [(2,)]))
    Load(2, parts=both, columns=columns(id="integer", data="json")).run(warehouse)


def withdraw_export_and_drop(warehouse: Warehouse, folder: Path) -> None:
    warehouse.withdraw(WithdrawRequest(target=SURVEYS, spans=(Span(batch=9, load_id=1, first=1, last=1),)))
    warehouse.export(9, folder)
    warehouse.drop_withdrawn(9)


def read_rows(warehouse: Warehouse, _: Path) -> None:
    kinds = columns(id="integer", n="numeric(38,2)", f="double", b="boolean", d="date", t="timestamp", j="json")
    row = (1, Bare("1.50"), Bare("0.5"), True, Bare("2026-01-02"), Bare("2026-01-02T03:04:05Z"), "{}")
    Load(2, [row], kinds, target=SURVEYS).run(warehouse)
    warehouse.rows(SURVEYS, limit=5)


def give_up_discard_and_tidy(warehouse: Warehouse, _: Path) -> None:
    warehouse.give_up(7, token=1, datasets=[7])
    Load(3, ROWS).stage(warehouse)
    warehouse.discard(3)
    Load(4, ROWS).run(warehouse)
    warehouse.published(4)
    warehouse.tidy(keep_generations=0)


def check(warehouse: Warehouse, _: Path) -> None:
    assert all(probe.ok for probe in warehouse.check())


FIRST: dict[str, Story] = {"set_up": set_up, "replace": replace, "check": check}
AFTER_A_LOAD: dict[str, Story] = {
    story.__name__: story
    for story in (
        merge,
        append_and_window,
        columns_added_and_widened,
        json_text_and_several_layouts,
        withdraw_export_and_drop,
        read_rows,
        give_up_discard_and_tidy,
    )
}


@pytest.fixture
def redshift(redshift_database: str, redshift_server: RunningRedshift, s3_bucket: str) -> Iterator[Warehouse]:
    with opened(redshift_database, redshift_server.bucket, s3_bucket) as warehouse:
        yield warehouse


def sent(server: RunningRedshift, since: int) -> list[str]:
    found = []
    for statement in server.statements[since:]:
        for pattern, instead in VARYING:
            statement = pattern.sub(instead, statement)
        found.append(re.sub(r"\s+", " ", statement).strip() + ";")
    return found


@pytest.mark.parametrize("name", [*FIRST, *AFTER_A_LOAD])
def test_redshift_is_sent_these_statements(
    redshift: Warehouse, redshift_server: RunningRedshift, tmp_path: Path, name: str
):
    if name in AFTER_A_LOAD:
        Load(1, ROWS).run(redshift)
    since = len(redshift_server.statements)

    (FIRST | AFTER_A_LOAD)[name](redshift, tmp_path)

    text, kept = "\n".join(sent(redshift_server, since)) + "\n", KEPT / f"{name}.sql"
    if WRITE:
        kept.write_text(text)
    assert text == kept.read_text()


@pytest.mark.parametrize("name", [*FIRST, *AFTER_A_LOAD])
def test_every_statement_is_redshifts_own_sql(name: str):
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it says of each statement that it leaves as it is
    for statement in (KEPT / f"{name}.sql").read_text().replace("<time>", "'2026-01-01'").splitlines():
        if not OPAQUE.match(statement):
            parsed = sqlglot.parse_one(statement.rstrip(";"), read="redshift", error_level=sqlglot.ErrorLevel.RAISE)

            assert not isinstance(parsed, exp.Command), statement
