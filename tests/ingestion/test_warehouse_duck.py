"""What only DuckDB has: one owner process, limits in its address, errors of files and memory."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from ingestion.errors import ConfigFault, DiskFull
from ingestion.warehouse.base import WarehouseRefused, WarehouseUnavailable
from ingestion.warehouse.connect import open_warehouse
from ingestion.warehouse.duck_errors import fault
from tests.ingestion.warehouse_kit import Load, columns, live, part

ROWS = [(1, "one"), (2, "two")]
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


def test_a_file_that_another_process_holds_is_named_with_its_holder(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    warehouse = open_warehouse(f"duckdb://{path}")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()

    with pytest.raises(WarehouseUnavailable, match=f"in use by process {holder.pid}"):
        Load(1, ROWS).stage(warehouse)
    (probe,) = warehouse.check()
    assert not probe.ok

    holder.communicate("")
    Load(1, ROWS).run(warehouse)
    assert live(warehouse) == ROWS
    warehouse.close()


def test_one_address_is_one_warehouse(tmp_path: Path):
    url = f"duckdb://{tmp_path}/warehouse.duckdb"

    assert open_warehouse(url) is open_warehouse(url)


def test_the_limits_in_the_address_are_set(tmp_path: Path):
    warehouse = open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb?memory_limit=256MB&threads=1")

    found = warehouse.query("SELECT current_setting('memory_limit'), current_setting('threads')")

    assert found == [("244.1 MiB", 1)]
    warehouse.close()


def test_too_little_memory_says_what_to_raise(tmp_path: Path):
    warehouse = open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb?memory_limit=20MB&threads=1")

    with pytest.raises(WarehouseUnavailable, match="memory") as raised:
        Load(1, [(1, "x" * 30_000_000)]).stage(warehouse)

    assert "memory_limit" in raised.value.advice
    warehouse.close()


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(WarehouseRefused, match="does not exist"):
        open_warehouse(f"duckdb://{tmp_path}/none/warehouse.duckdb").published(1)


def test_a_file_of_another_kind_is_refused(tmp_path: Path):
    (tmp_path / "warehouse.duckdb").write_bytes(b"not a database at all" * 1000)

    with pytest.raises(WarehouseRefused, match="not a DuckDB file"):
        open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb").published(1)


def test_a_file_named_like_our_schemas_works(tmp_path: Path):
    warehouse = open_warehouse(f"duckdb://{tmp_path}/headgate_books.duckdb")
    other = open_warehouse(f"duckdb://{tmp_path}/live.duckdb")

    for each in (warehouse, other):
        Load(1, ROWS).run(each)
        assert live(each) == ROWS
        each.close()


def test_a_part_in_a_file_is_read_where_it_is(tmp_path: Path):
    """And its stream is read to the end all the same, which is where a store verifies it."""
    made = part(1, ["id", "name"], ROWS)
    path = tmp_path / "part.csv.gz"
    path.write_bytes(made.open().read())
    ends = []

    class Watched:
        name = str(path)

        def __init__(self) -> None:
            self.stream = path.open("rb")

        def __enter__(self) -> "Watched":
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def read(self, size: int = -1) -> bytes:
            data = self.stream.read(size)
            ends.append(not data)
            return data

    warehouse = open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb")
    Load(1, parts=(replace(made, open=Watched),)).run(warehouse)

    assert live(warehouse) == ROWS
    assert ends[-1]
    warehouse.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (duckdb.IOException('Could not write file "x": No space left on device'), DiskFull),
        (duckdb.IOException('Cannot open file "x": Permission denied'), WarehouseRefused),
        (duckdb.TransactionException("Conflict on update!"), WarehouseUnavailable),
        (duckdb.FatalException("database has been invalidated"), WarehouseUnavailable),
    ],
)
def test_errors_say_whether_the_same_may_be_tried_again(error: duckdb.Error, expected: type[Exception]):
    found = fault(error, Path("/x"), "loading")

    assert isinstance(found, expected)
    assert found.advice


WRONG = ["", "warehouse", "mysql://host/db", "duckdb://", "duckdb:///", "duckdb://relative.duckdb"]
WRONG += ["duckdb:///x.duckdb?memory=1GB", "duckdb:///x.duckdb?threads=0", "duckdb:///x.duckdb?memory_limit=lots"]


@pytest.mark.parametrize("url", WRONG)
def test_a_wrong_address_says_how_to_write_it(url: str):
    with pytest.raises(ConfigFault) as raised:
        open_warehouse(url)

    assert "duckdb:///" in raised.value.advice


def test_columns_that_are_ours_cannot_be_loaded(tmp_path: Path):
    warehouse = open_warehouse(f"duckdb://{tmp_path}/warehouse.duckdb")

    with pytest.raises(ConfigFault, match="_load_id"):
        Load(1, [(1,)], columns(_load_id="integer")).stage(warehouse)
    warehouse.close()
