"""Answers of the export service: the envelope of its lists, and bytes that no browser takes for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from rest_framework.request import Request

from ingestion.api.catalog import asked
from ingestion.api.export import ranges
from ingestion.api.export.content import Content, Stream

MOST: Final = 100
DEEPEST: Final = 10_000_000


def page_of(request: Request, *, named: bool = False) -> tuple[int, int]:
    """The first entry that is wanted, and how many. `named`: `start` may be a name instead. Raises Problem: 400."""
    query = dict(request.query_params.lists())
    if named and not query.get("start", ["0"])[-1].isdigit():
        query.pop("start", None)
    start = asked.number(query, "start", default=0, least=0, most=DEEPEST)
    return start, asked.number(query, "limit", default=MOST, least=1, most=MOST)


def envelope(request: Request, entries: Sequence[Mapping[str, Any]], *, start: int, limit: int) -> dict[str, Any]:
    """A page of a list. `entries` may hold one more than asked for: then there is a next page."""
    shown = entries[:limit]
    links: dict[str, Any] = {"page": {"href": f"{_here(request)}?start={{start}}&limit={{limit}}", "templated": True}}
    if len(entries) > limit:
        others = {name: value for name, value in request.query_params.items() if name not in ("start", "limit")}
        links["next"] = {"href": f"{_here(request)}?{urlencode({**others, 'start': start + limit, 'limit': limit})}"}
    return {"data": shown, "_page": {"limit": limit, "count": len(shown)}, "_links": links}


def entry(request: Request, name: str, size: int, *, path: str | None = None) -> dict[str, Any]:
    """A file in a list, or a folder: its address is this one with its path."""
    href = f"{_here(request)}?path={quote(path or name, safe='')}"
    return {"name": name, "length": str(size), "_links": {"self": {"href": href}}}


def _here(request: Request) -> str:
    return str(request.build_absolute_uri(request.path))


def download(request: Request, content: Content) -> HttpResponseBase:
    """The bytes, or the range of them that is asked for. Raises Problem: 404, 416."""
    size = content.size
    span = ranges.wanted(_range_header(request, content), size)
    stream = Stream(content.segments, first=span.first if span else 0, last=span.last if span else size - 1)
    response = StreamingHttpResponse(
        stream, status=206 if span else 200, headers=headers(content, size=span.size if span else size)
    )
    if span:
        response["Content-Range"] = f"bytes {span.first}-{span.last}/{size}"
    return response


def facts(content: Content) -> HttpResponse:
    """What `download` would answer, without the bytes."""
    return HttpResponse(headers=headers(content, size=content.size))


def headers(content: Content, *, size: int) -> dict[str, str]:
    disposition = content_disposition_header(as_attachment=True, filename=content.name.rpartition("/")[2])
    return {
        "Content-Type": content.media_type,
        "Content-Length": str(size),
        "Content-Disposition": disposition or "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cache-Control": "private, no-store",
        "Accept-Ranges": "bytes",
        **({"ETag": content.tag} if content.tag else {}),
    }


def _range_header(request: Request, content: Content) -> str:
    """A range of bytes that have changed since is no use: then the whole is sent (If-Range)."""
    condition = request.headers.get("If-Range", "")
    return "" if condition and condition != content.tag else request.headers.get("Range", "")
