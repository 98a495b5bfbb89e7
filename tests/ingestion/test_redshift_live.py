"""The core of the contract on a real Redshift, where one is named: REDSHIFT_DSN is its address as in WAREHOUSE_URL, and
REDSHIFT_STAGING a prefix of a bucket that its role may read. Only run when asked for by `-m long`, and then it fails
without them. It makes a dataset of its own numbers, and leaves its schema headgate_live_test to be looked at.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from ingestion.warehouse.base import LoadFault, Mode, Span, Target, Warehouse, WithdrawRequest
from ingestion.warehouse.connect import open_warehouse
from ingestion.warehouse.redshift_s3 import split
from tests.ingestion.redshift_kit import FromBucket
from tests.ingestion.warehouse_kit import Bare, Load, columns

pytestmark = pytest.mark.long
NUMBER = int(time.time())
TARGET = Target(dataset=NUMBER, schema="headgate_live_test", name=f"surveys_{NUMBER}", key=("id",))


@pytest.fixture(scope="module")
def redshift() -> Iterator[Warehouse]:
    address, staging = os.environ.get("REDSHIFT_DSN"), os.environ.get("REDSHIFT_STAGING")
    if not address or not staging:
        pytest.fail("Set REDSHIFT_DSN and REDSHIFT_STAGING to try a real Redshift: docs/redshift.md says how.")
    bucket, _ = split(staging)
    warehouse = open_warehouse(address)
    yield FromBucket(warehouse, boto3.client("s3"), bucket)  # type: ignore[misc]
    warehouse.close()


def rows(warehouse: Warehouse, what: str = "id, name") -> list[tuple[object, ...]]:
    return warehouse.query(f"SELECT {what} FROM {TARGET.schema}.{TARGET.name} ORDER BY 1, 2")


def test_it_can_be_reached_and_written_to(redshift: Warehouse):
    assert [probe for probe in redshift.check() if not probe.ok] == []


def test_loads_replace_merge_widen_and_are_withdrawn(redshift: Warehouse):
    texts = ["\\N", "", None, 'q"u', "line\nline", "ü🙂", "a\\b"]
    Load(NUMBER, list(enumerate(texts)), target=TARGET).run(redshift)
    assert [name for _, name in rows(redshift)] == texts

    Load(NUMBER + 1, [(1, "one"), (9, "nine"), (9, "neun")], mode=Mode.MERGE, target=TARGET).run(redshift)
    assert [row for row in rows(redshift) if row[0] in (1, 9)] == [(1, "one"), (9, "neun")]

    wider = columns(id="numeric(38,2)", name="text", data="json", at="timestamp")
    row = (Bare("1.5"), "x", '{"a": [1]}', Bare("2026-01-02T03:04:05Z"))
    Load(NUMBER + 2, [row], wider, Mode.MERGE, TARGET).run(redshift)
    assert {"id": "1.5", "name": "x", "data": {"a": [1]}} in [
        {name: value for name, value in found.items() if name != "at"} for found in redshift.rows(TARGET)
    ]

    span = Span(batch=NUMBER, load_id=NUMBER + 2, first=1, last=1)
    withdrawn = redshift.withdraw(WithdrawRequest(target=TARGET, spans=(span,)))
    assert dict(withdrawn.rows) == {NUMBER: 1}
    redshift.drop_withdrawn(NUMBER)


def test_a_row_that_does_not_fit_is_named(redshift: Warehouse):
    target = replace(TARGET, dataset=NUMBER + 1, name=f"bad_{NUMBER}")

    with pytest.raises(LoadFault, match=r"Row 2 of s3://.*the value of id does not fit"):
        Load(NUMBER + 9, [(1, "a"), (Bare("x"), "b")], target=target).stage(redshift)

    redshift.discard(NUMBER + 9)
