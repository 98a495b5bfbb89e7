"""Child tables in incremental runs: the children of a record that comes again are replaced, the others stay."""

import pytest

from runs.states import RunMode, RunStatus
from tests.doubles.source import ok, scripted

MANIFEST = """
manifest: 1
name: orders
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - name: orders
    title: Orders
    path: /orders
    records: data
    key: KEY
    cursor: {field: changed, param: since}
    tables: [{name: lines, path: lines}]
"""


def order(number, changed, *lines, shop="n|1"):
    return {"id": number, "shop": shop, "changed": changed, "lines": [{"sku": sku} for sku in lines]}


@pytest.mark.parametrize("key", ["[id]", "[shop, id]"])
def test_a_shrunken_array_leaves_no_old_child_behind(house, key):
    answers = [
        [
            order(1, "2026-01-01T00:00:00Z", "a", "b", "c"),
            order(2, "2026-01-01T00:00:00Z", "d"),
            order(3, "2026-01-01T00:00:00Z", "e"),
        ],
        [
            order(1, "2026-02-01T00:00:00Z", "A"),
            order(2, "2026-02-01T00:00:00Z"),
            order(4, "2026-02-01T00:00:00Z", "f"),
        ],
    ]
    with scripted(lambda call: ok({"data": answers[bool(call.params.get("since"))]})) as source_api:
        source = house.source("Shop", manifest=MANIFEST.replace("KEY", key), settings={"base_url": source_api.url})
        first = house.run(source)
        assert first.status == RunStatus.COMPLETED, [m.text + m.detail for m in first.messages.all()]

        second = house.run(source, RunMode.INCREMENTAL)

    assert second.status == RunStatus.COMPLETED, [m.text + m.detail for m in second.messages.all()]
    assert sorted(sku for (sku,) in house.rows("select sku from shop.orders__lines")) == ["A", "e", "f"]
    assert house.count("shop.orders") == 4
