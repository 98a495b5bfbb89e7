"""A Redshift warehouse for tests that make their parts in memory: they go into the bucket before they are loaded."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlsplit

from ingestion.errors import IngestionError
from ingestion.warehouse.base import Part, Staged, StageRequest, Warehouse
from ingestion.warehouse.connect import open_warehouse


class FromBucket:
    """A warehouse whose parts lie in S3, as all of Redshift's do. Everything else is the warehouse's own."""

    def __init__(self, inner: Warehouse, s3: Any, bucket: str) -> None:
        self._inner, self._s3, self._bucket = inner, s3, bucket

    def stage(self, request: StageRequest) -> Staged:
        return self._inner.stage(replace(request, parts=tuple(self.upload(part) for part in request.parts)))

    def upload(self, part: Part) -> Part:
        """The same part, but in the bucket."""
        if urlsplit(part.uri).scheme == "s3":
            return part
        key = f"parts/{uuid.uuid4().hex[:8]}/{part.uri.rpartition('/')[2]}"
        with part.open() as stream:
            data = stream.read()
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=data, Metadata={"sha256": part.sha256})
        return replace(part, uri=f"s3://{self._bucket}/{key}")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@contextmanager
def opened(address: str, s3: Any, bucket: str) -> Iterator[Warehouse]:
    warehouse = open_warehouse(address)
    try:
        yield cast(Warehouse, FromBucket(warehouse, s3, bucket))
    finally:
        warehouse.close()


def told(error: IngestionError) -> str:
    return f"{error.message} {error.advice} {error.detail}"
