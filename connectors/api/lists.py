"""What every list of the API shares: pages without counting, and filters that refuse what they do not know."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

USUAL: Final = 50
MOST: Final = 500
DEEPEST: Final = 10_000  # rows that an offset may step over: beyond it a filter by time is the better way


class Pages(LimitOffsetPagination):
    """`limit` and `offset` with links to the next and the previous page. `count` is always null: counting a million
    rows would cost more than the page."""

    default_limit = USUAL
    max_limit = MOST
    template = "rest_framework/pagination/previous_and_next.html"

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        self.request = request
        limit = self.limit = _number(request, "limit", USUAL, least=1, most=MOST)
        offset = self.offset = _number(request, "offset", 0, least=0, most=DEEPEST)
        rows = list(queryset[offset : offset + limit + 1])
        # The parent compares with a count; one row more than asked for says the same.
        self.count = offset + len(rows)
        self.display_page_controls = len(rows) > limit or offset > 0
        return rows[:limit]

    def get_next_link(self) -> str | None:
        return super().get_next_link() if (self.offset or 0) + (self.limit or 0) <= DEEPEST else None

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {"count": None, "next": self.get_next_link(), "previous": self.get_previous_link(), "results": data}
        )

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        nothing = {"type": "integer", "nullable": True, "description": "Always null: lists are not counted."}
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {"count": nothing, "next": link, "previous": link, "results": schema},
        }

    def get_html_context(self) -> dict[str, Any]:  # type: ignore[override]
        return {"previous_url": self.get_previous_link(), "next_url": self.get_next_link()}


def _number(request: Request, name: str, default: int, *, least: int, most: int) -> int:
    given = request.query_params.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 10 and least <= int(given) <= most):
        raise ValidationError({name: [f"“{given[:40]}” is no number from {least} to {most}."]})
    return int(given)


class KnownFilters(DjangoFilterBackend):  # type: ignore[misc]
    """Filters a list, and refuses a parameter that it does not know: a misspelt filter must not show everything."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        if getattr(view, "detail", False):  # one row by its number, which the framework looks up through here too
            return queryset
        known = [*self._names(view, queryset), "limit", "offset", "format"]
        for given in request.query_params:
            if given not in known:
                near = get_close_matches(given, known, n=1)
                hint = f"Did you mean “{near[0]}”?" if near else f"There are: {', '.join(sorted(known))}."
                raise ValidationError({given[:40]: [f"There is no such filter. {hint}"]})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered

    def _names(self, view: APIView, queryset: QuerySet[Any]) -> Sequence[str]:
        filterset = self.get_filterset_class(view, queryset)
        return list(filterset.base_filters) if filterset else []
