"""The store, the warehouse and the readers of untrusted files of this installation, opened once per process."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from ingestion.staging.base import StagingStore
from ingestion.staging.stores import open_store
from ingestion.warehouse.base import Warehouse
from ingestion.warehouse.connect import open_warehouse

if TYPE_CHECKING:
    from ingestion.checking.pool import Pool


@cache
def _store(url: str) -> StagingStore:
    return open_store(url)


def store() -> StagingStore:
    return _store(settings.STAGING_URL)


def archive() -> StagingStore:
    """Where the rows of retained batches are kept, as Parquet."""
    return _store(settings.ARCHIVE_URL)


def cold() -> StagingStore:
    """Cold storage, for archived batches."""
    return _store(settings.COLD_URL)


def warehouse() -> Warehouse:
    return open_warehouse(settings.WAREHOUSE_URL)


@cache
def checkers() -> Pool:
    """The child processes that read uploaded files."""
    from ingestion.checking.pool import Pool

    return Pool(settings.CHECKERS)
