"""A dataset's JSON, read: from the members that clients send to a Description. `schema`, `key` and `schemaPolicy` are
ours; what nobody here knows is kept and shown again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ingestion.api import wire
from ingestion.api.base import bad_request
from ingestion.cataloguing import Description
from ingestion.models import Dataset

READ_ONLY: Final = frozenset(
    """
    id imsOrg sandboxId created createdClient createdUser updated updatedUser version state viewId basePath files
    statsCache dule observableSchema lastBatchId lastBatchStatus lastSuccessfulBatch lastFailedBatch
    """.split()  # noqa: SIM905 - a table of names reads better so
)
OWN: Final = frozenset({"name", "description", "tags", "schema", "key", "schemaPolicy", "enableErrorDiagnostics"})
KEY_IN_SCHEMA: Final = "x-headgate-key"
OBJECTS: Final = ("schemaRef", "fileDescription", "classification", "extensions")
DURATION: Final = re.compile(r"P([0-9]{1,5})([DWMY])")
DAYS: Final = {"D": 1, "W": 7, "M": 30, "Y": 365}
LARGEST: Final = 2 << 20  # bytes of what is kept of one dataset
MOST_TAGS: Final = 100


def read(document: Mapping[str, Any]) -> Description:
    """What a document says of a dataset; members that only we write are passed over. Raises Problem: 400."""
    if len(json.dumps(document)) > LARGEST:
        raise bad_request(f"A dataset's description may have {LARGEST:,} bytes at most.")
    for name in OBJECTS:
        _of(document, name, dict)
    schema = _of(document, "schema", dict)
    return Description(
        title=_of(document, "name", str) or "",
        description=_of(document, "description", str) or "",
        tags=read_tags(_of(document, "tags", dict) or {}),
        schema=schema,
        key=_key(document, schema),
        schema_policy=_of(document, "schemaPolicy", str) or "evolve",
        file_format=_format(document),
        error_diagnostics=bool(_of(document, "enableErrorDiagnostics", bool)),
        retention_days=_retention(document.get("extensions") or {}),
        others={name: value for name, value in document.items() if name not in READ_ONLY | OWN},
    )


def table_of(document: Mapping[str, Any]) -> str:
    """The table's name that a client asks for when it makes a dataset, by the tag that later tells it."""
    asked = (document.get("tags") or {}).get(wire.TABLE_TAG)
    first = asked[0] if isinstance(asked, list) and asked else asked
    return first if isinstance(first, str) else ""


def must_leave_alone(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Raises Problem for a patch that changes what only we write."""
    changed = sorted(name for name in READ_ONLY if before.get(name) != after.get(name))
    tags = after.get("tags")
    if isinstance(tags, dict):
        told = {name: values for name, values in before["tags"].items() if name in wire.COMPUTED_TAGS}
        changed += [f"tags.{name}" for name, values in told.items() if tags.get(name, values) != values]
    if changed:
        raise bad_request(f"{', '.join(changed)} cannot be changed: only the service writes it.")


def present(dataset: Dataset) -> dict[str, Any]:
    """The document that a patch is applied to."""
    return {"tags": {}, "extensions": {}, **wire.dataset_json(dataset)}


def _of(document: Mapping[str, Any], name: str, kind: type) -> Any:
    value = document.get(name)
    if value is None or isinstance(value, kind):
        return value
    expected = {dict: "an object {…}", str: "a text", bool: "true or false", list: "a list"}[kind]
    raise bad_request(f"{name}: it must be {expected}.")


def read_tags(tags: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tags as lists of texts; a single value is taken for a list of one. Those that we write are left out."""
    if len(tags) > MOST_TAGS:
        raise bad_request(f"tags: at most {MOST_TAGS} are kept.")
    return {_tag(name): _values(name, value) for name, value in tags.items() if name not in wire.COMPUTED_TAGS}


def _tag(name: str) -> str:
    if not name or len(name) > 255 or set(name) & set('"\\'):
        raise bad_request('tags: a name has 1 to 255 characters, without " and \\.')
    return name


def _values(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    texts = [json.dumps(each) if isinstance(each, bool | int | float) else each for each in values]
    if len(texts) > MOST_TAGS or not all(isinstance(each, str) and len(each) <= 1_000 for each in texts):
        raise bad_request(f"tags.{name[:80]}: it must be a list of at most {MOST_TAGS} texts.")
    return texts


def _key(document: Mapping[str, Any], schema: Mapping[str, Any] | None) -> tuple[str, ...]:
    given = _of(document, "key", list)
    if given is None and schema is not None:
        given = _of(schema, KEY_IN_SCHEMA, list)
    fields = given or []
    if not all(isinstance(each, str) and len(each) <= 255 for each in fields):
        raise bad_request("key: it must be a list of field paths, such as “order.id”.")
    return tuple(fields)


def _format(document: Mapping[str, Any]) -> str:
    told = document.get("fileDescription") or {}
    return (_of(told, "format", str) or _of(told, "containerFormat", str) or "parquet").lower()


def _retention(extensions: Mapping[str, Any]) -> int | None:
    """Days that rows are kept: `extensions.adobe_lakeHouse.rowExpiration.ttlValue`, as P30D, P6M or P1Y."""
    house = _of(extensions, "adobe_lakeHouse", dict) or {}
    told = (_of(house, "rowExpiration", dict) or {}).get("ttlValue")
    if told is None:
        return None
    found = DURATION.fullmatch(told) if isinstance(told, str) else None
    if found is None:
        raise bad_request("extensions: ttlValue must be a duration such as P30D, P6M or P1Y.")
    return int(found[1]) * DAYS[found[2]]
