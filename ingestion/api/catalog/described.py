"""What the description of the catalogue (OpenAPI) says of parameters and answers."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

OBJECT: Final[dict[str, Any]] = {"type": "object", "additionalProperties": True}
BY_ID: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": OBJECT,
    "description": "Objects by their id; `{}` when there is none.",
}
REFERENCE: Final[dict[str, Any]] = {
    "type": "array",
    "items": {"type": "string"},
    "example": ["@/batches/01EQ1C48TR4GD4FE7NH2522TCQ"],
}
BODY: Final[dict[str, Any]] = {"application/json": OBJECT}
VALUES: Final[dict[str, Any]] = {"type": "array", "items": {}}
PATCH: Final[dict[str, Any]] = {
    "application/json": OBJECT,
    "application/merge-patch+json": OBJECT,
    "application/json-patch+json": {"type": "array", "items": OBJECT},
}


def parameter(name: str, description: str, *, kind: Any = OpenApiTypes.STR) -> OpenApiParameter:
    return OpenApiParameter(name, kind, description=description)


def _all(texts: dict[str, str]) -> list[OpenApiParameter]:
    return [parameter(name, description) for name, description in texts.items()]


PROPERTIES: Final = parameter("properties", "Show only these top-level members: `a,b`.")
PAGES: Final = [
    parameter("limit", "1 to 100; 20 where it is left out.", kind=OpenApiTypes.INT),
    parameter("start", "How many to step over. `offset` is an older name.", kind=OpenApiTypes.INT),
    parameter("orderBy", "`asc:a,b`, `name,desc:created`. `sort` is an older name."),
    PROPERTIES,
    parameter(
        "property",
        "A condition: `name`, `!name`, `name~expression`, `name==value`, also `!=`, `<`, `<=`, `>`, `>=`; `*` in a "
        "name stands for anything, `**` for a star. May be given several times: all must hold.",
    ),
]
TIMES: Final = _all(
    {
        "createdAfter": "Exclusive, in milliseconds.",
        "createdBefore": "Exclusive, in milliseconds.",
        "created": "In milliseconds.",
        "updated": "In milliseconds.",
    }
)
TAGS: Final = parameter("tags", "`name:value,other:*`: all of them; a star at the end of a value stands for anything.")
BATCHES: Final = [
    *PAGES,
    *TIMES,
    TAGS,
    *_all(
        {
            "status": "`success` and `active` are the same, so are `failed` and `failure`. Like every parameter below "
            "it takes `a,b` (any of them), `!a` (not this one), `!a,b` (none of them).",
            "batch": "The id.",
            "externalId": "The client's own id.",
            "dataSet": "The id of the dataset.",
            "started": "In milliseconds.",
            "completed": "In milliseconds.",
            "startAfter": "Usable since after this time.",
            "startBefore": "Usable since before this time.",
            "endAfter": "Expires after this time.",
            "endBefore": "Expires before this time.",
            "createdClient": "The client that created it.",
            "createdUser": "Who created it.",
            "updatedUser": "Who changed it last.",
            "version": "Such as `1.0.3`.",
            "recordCount": "Records read.",
            "failedRecordCount": "Records turned down.",
            "size": "Bytes uploaded.",
        }
    ),
]
DATASETS: Final = [
    *PAGES,
    *TIMES,
    TAGS,
    *_all(
        {
            "name": "The name.",
            "description": "The description.",
            "version": "Such as `1.0.3`.",
            "users": "Who created it.",
            "enableErrorDiagnostics": "`true` or `false`.",
        }
    ),
]
IF_MATCH: Final = [
    OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=f"{text} The version, or `updated`: else 412."
    )
    for name, text in (("If-Match", "Only when it is still this one."), ("If-None-Match", "Only when it is not this."))
]
