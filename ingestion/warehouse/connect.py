"""Addresses of warehouses: one open warehouse per address and process."""

import os
import threading
from typing import Final

from ingestion.errors import ConfigFault
from ingestion.warehouse.base import Warehouse
from ingestion.warehouse.duck import DuckWarehouse
from ingestion.warehouse.postgres import PostgresWarehouse
from ingestion.warehouse.redshift import RedshiftWarehouse

EXAMPLES: Final = (
    "duckdb:///var/headgate/warehouse.duckdb, postgresql://user:password@host:5432/database or "
    "redshift://user:password@host:5439/database?iam_role=…&region=…"
)

_lock = threading.Lock()
_open: dict[tuple[int, str], Warehouse] = {}


def open_warehouse(url: str) -> Warehouse:
    """The warehouse at an address. Repeated calls answer the same one; nothing is connected before it is used.

    Raises ConfigFault, naming what is wrong with the address but never its password.
    """
    with _lock:
        key = (os.getpid(), url)  # a forked process shares no connection with its parent
        if key not in _open:
            _open[key] = _make(url)
        return _open[key]


def _make(url: str) -> Warehouse:
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigFault("WAREHOUSE_URL is not an address.", advice=f"Write it like {EXAMPLES}.")
    if scheme == "duckdb":
        return DuckWarehouse(url)
    if scheme in ("postgresql", "postgres"):
        return PostgresWarehouse(url)
    if scheme == "redshift":
        return RedshiftWarehouse(url)
    raise ConfigFault(f"WAREHOUSE_URL names an unknown kind of warehouse: {scheme!r}.", advice=f"Use {EXAMPLES}.")
