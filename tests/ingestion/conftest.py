"""The warehouses that the contract is run over, always all of them: DuckDB, Postgres, and Redshift's stand-in."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.warehouse.base import Warehouse
from ingestion.warehouse.connect import open_warehouse
from tests.ingestion import redshift_kit

STAND_IN = re.compile(r"[\[-]redshift[\]-]")
EVERY_TIME = ("test_warehouse_contract", "test_redshift_")


def pytest_itemcollected(item: pytest.Item) -> None:
    """All of the contract over Redshift's stand-in takes minutes: of it, the core is tried every time."""
    if STAND_IN.search(item.name) and not item.path.stem.startswith(EVERY_TIME):
        item.add_marker(pytest.mark.long)


@pytest.fixture(params=["duckdb", "postgres", "redshift"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/warehouse.duckdb?memory_limit=512MB&threads=2"
    return str(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, warehouse_url: str) -> Iterator[Warehouse]:
    if warehouse_url.startswith("redshift:"):
        server, bucket = request.getfixturevalue("redshift_server"), request.getfixturevalue("s3_bucket")
        with redshift_kit.opened(warehouse_url, server.bucket, bucket) as from_bucket:
            yield from_bucket
        return
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


@pytest.fixture
def postgres(postgres_database: str) -> Iterator[Warehouse]:
    opened = open_warehouse(postgres_database)
    yield opened
    opened.close()
