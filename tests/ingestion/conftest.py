"""The two warehouses that the contract is run over, always both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.warehouse.base import Warehouse
from ingestion.warehouse.connect import open_warehouse


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "duckdb":
        return f"duckdb://{tmp_path}/warehouse.duckdb?memory_limit=512MB&threads=2"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


@pytest.fixture
def postgres(postgres_database: str) -> Iterator[Warehouse]:
    opened = open_warehouse(postgres_database)
    yield opened
    opened.close()
