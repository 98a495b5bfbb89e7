"""What checking a batch found: its bad rows with their errors, and of which files it was made."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Final
from urllib.parse import unquote

from django.http import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api.base import missing
from ingestion.api.export import answers
from ingestion.api.export.base import ANSWERS, PAGES, PATH, RANGE, ExportView
from ingestion.api.export.content import Content, made, stored
from ingestion.models import Batch, Diagnostic
from ingestion.states import OPEN

ROW_KINDS: Final = ("conversion", "parsing", "validation")
SAMPLE: Final = "sample"
INPUT_FILES, ROW_ERRORS, ROW_SAMPLE = "input_files", "row_errors", "row_errors_sample.json"
INPUT_LIST: Final = "input_files_0.json"
DONE: Final = "_SUCCESS"


class Failed(ExportView):
    """The rows that a batch's check turned down."""

    @extend_schema(operation_id="export_batch_failed", parameters=[*PAGES, PATH, RANGE], responses=ANSWERS)
    def get(self, request: Request, batch_id: str) -> Response | HttpResponseBase:
        """Files of rows that were turned down, each with its errors; with `path`, the bytes of one, as JSON lines."""
        batch = self.batch(batch_id)
        contents = list(_failed(batch))
        if "path" in request.query_params:
            return answers.download(request, _chosen(contents, request.query_params["path"]))
        return _listed(request, contents)


class Meta(ExportView):
    """What is known of a batch besides its rows."""

    @extend_schema(operation_id="export_batch_meta", parameters=[*PAGES, PATH, RANGE], responses=ANSWERS)
    def get(self, request: Request, batch_id: str) -> Response | HttpResponseBase:
        """Without `path` what there is; with `input_files` or `row_errors` the files in it; with one of them, such as
        `row_errors/parsing_errors_0.json` or `row_errors_sample.json`, its bytes, as JSON lines."""
        batch = self.batch(batch_id)
        path = _plain(request.query_params.get("path", ""))
        folder, _, name = path.partition("/")
        if folder == ROW_SAMPLE and not name:
            return answers.download(request, _chosen(list(_samples(batch)), path))
        if folder not in ("", INPUT_FILES, ROW_ERRORS):
            raise missing(f"There is no {path[:100]!a}. There are {INPUT_FILES}, {ROW_ERRORS} and {ROW_SAMPLE}.")
        if not folder:
            return Response(answers.envelope(request, _top(request, batch), start=0, limit=answers.MOST))
        contents = list(_input_files(batch) if folder == INPUT_FILES else _row_errors(batch))
        if name:
            return answers.download(request, _chosen(contents, name))
        return _listed(request, contents, folder=folder)


def _plain(path: str) -> str:
    """Some clients encode the slash twice."""
    return unquote(path).strip("/") if "%" in path else path.strip("/")


def _listed(request: Request, contents: list[Content], *, folder: str = "") -> Response:
    start, limit = answers.page_of(request)
    wanted = contents[start : start + limit + 1]
    paths = [f"{folder}/{content.name}" if folder else content.name for content in wanted]
    entries = [
        answers.entry(request, content.name, content.size, path=path)
        for content, path in zip(wanted, paths, strict=True)
    ]
    return Response(answers.envelope(request, entries, start=start, limit=limit))


def _chosen(contents: list[Content], name: str) -> Content:
    for content in contents:
        if content.name == name:
            return content
    raise missing(f"There is no {name[:100]!a} here.")


def _top(request: Request, batch: Batch) -> list[dict[str, object]]:
    folders = {INPUT_FILES: _input_files(batch), ROW_ERRORS: _row_errors(batch), ROW_SAMPLE: _samples(batch)}
    sizes = {name: sum(content.size for content in contents) for name, contents in folders.items()}
    return [answers.entry(request, name, size) for name, size in sizes.items() if size or name == INPUT_FILES]


def _input_files(batch: Batch) -> Iterator[Content]:
    paths = batch.files.filter(is_complete=True).order_by("ordinal").values_list("path", flat=True)
    lines = "".join(json.dumps({"path": path}, ensure_ascii=False) + "\n" for path in paths)
    if lines:
        yield Content(name=INPUT_LIST, segments=(made(lines.encode()),))


def _row_errors(batch: Batch) -> Iterator[Content]:
    for kind, rows in _by_kind(batch):
        for number, row in enumerate(rows):
            yield Content(name=f"{kind}_errors_{number}.json", segments=(stored(row.key, row.size),))


def _by_kind(batch: Batch) -> Iterator[tuple[str, list[Diagnostic]]]:
    rows = list(batch.diagnostics_files.filter(kind__in=ROW_KINDS).order_by("file__ordinal", "pk"))
    for kind in ROW_KINDS:
        yield kind, [row for row in rows if row.kind == kind]


def _samples(batch: Batch) -> Iterator[Content]:
    rows = batch.diagnostics_files.filter(kind=SAMPLE).order_by("file__ordinal", "pk")
    if segments := tuple(stored(row.key, row.size) for row in rows):
        yield Content(name=ROW_SAMPLE, segments=segments)


def _failed(batch: Batch) -> Iterator[Content]:
    """By names like those that such files have elsewhere; `_SUCCESS` says that there will be no more."""
    numbers = count()
    for _, rows in _by_kind(batch):
        for row in rows:
            tail = uuid.uuid5(uuid.NAMESPACE_OID, f"{batch.public_id}/{row.pk}")
            name = f"part-{next(numbers):05d}-{tail}-c000.json"
            yield Content(name=name, segments=(stored(row.key, row.size),))
    if next(numbers) and batch.status not in OPEN:
        yield Content(name=DONE, segments=())
