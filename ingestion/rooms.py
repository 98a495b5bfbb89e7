"""The store and the warehouse of this installation, opened once per process from their addresses."""

from functools import cache

from django.conf import settings

from ingestion.staging.base import StagingStore
from ingestion.staging.stores import open_store
from ingestion.warehouse.base import Warehouse
from ingestion.warehouse.connect import open_warehouse


@cache
def _store(url: str) -> StagingStore:
    return open_store(url)


def store() -> StagingStore:
    return _store(settings.STAGING_URL)


def warehouse() -> Warehouse:
    return open_warehouse(settings.WAREHOUSE_URL)
