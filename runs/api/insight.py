"""What a run's page reads out of a run, over HTTP: report, kinds of messages, comparison, support bundle."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.http import FileResponse, Http404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.permissions import Needs
from connectors.api.views import ApiView
from runs.api.insight_serializers import RAW, ComparisonSerializer, KindSerializer, ReportSerializer
from runs.models import Run
from runs.reading.bundle import bundle_of, filename
from runs.reading.chains import chains_of
from runs.reading.compare import compare, partner_of
from runs.reading.durations import band_facts, band_of, outlook
from runs.reading.failures import Failure, failure_of, first_failure
from runs.reading.grouping import groups_of
from runs.reading.stages import stages_of

OF_RUN = OpenApiParameter("run_id", int, OpenApiParameter.PATH)
WITH = OpenApiParameter("with", int, description="The other run; without it, the last good run of the same type.")


class OneRun(ApiView[Run]):
    """A view of the one run that the address names."""

    queryset = Run.objects.select_related("source", "config")
    needs: ClassVar[Needs] = {"read": ("runs.view_run",)}
    filter_backends = ()  # type: ignore[assignment]
    pagination_class = None  # type: ignore[assignment]

    def run(self) -> Run:
        return _run(self.kwargs["run_id"])

    @property
    def raw(self) -> bool:
        return self.request.user.has_perm(RAW)


def _run(number: int) -> Run:
    try:
        return get_object_or_404(Run.objects.select_related("source", "config"), pk=number)
    except Http404 as error:
        raise Http404(f"There is no run {number}.") from error


class Report(OneRun):
    serializer_class = ReportSerializer

    @extend_schema(parameters=[OF_RUN], responses={200: ReportSerializer})
    def get(self, request: Request, run_id: int) -> Response:
        """How the run is doing beside what is usual: stages, failure, and the chain of counts of each table."""
        run, now = self.run(), timezone.now()
        band, passed, chains = band_of(run), run.duration(now=now), chains_of(run)
        body = {
            "run": run.pk,
            "outlook": outlook(band, passed) if run.is_open and passed is not None else "",
            "usual": band_facts(band),
            "stages": stages_of(run),
            "failure": _failure(failure_of(run, first_failure(run), raw=self.raw)),
            "compared_with": chains.compared_with.pk if chains.compared_with else None,
            "tables": chains.rows,
        }
        return Response(ReportSerializer(body).data)


def _failure(found: Failure | None) -> dict[str, Any] | None:
    if found is None:
        return None
    names = ("fault", "title", "owner", "cause", "failed_count", "advice", "effect", "retry", "detail")
    same = asdict(found.elsewhere) if found.elsewhere else {"runs": 0, "sources": 0, "since": None}
    return {
        **{name: getattr(found, name) for name in names},
        "task": found.task.pk if found.task else None,
        **{f"same_{name}": same[name] for name in ("runs", "sources", "since")},
    }


class MessageKinds(OneRun):
    serializer_class = KindSerializer

    @extend_schema(parameters=[OF_RUN, OpenApiParameter("page", int)], responses={200: KindSerializer(many=True)})
    def get(self, request: Request, run_id: int) -> Response:
        """Messages by kind, numbers and names folded: the worst first. Fifty a page."""
        page = request.query_params.get("page", "1")
        if not (page.isdecimal() and 0 < len(page) < 10):
            raise ValidationError({"page": ["A page is a whole number from 1 on."]})
        groups, shown = groups_of(self.run(), page=int(page))
        beyond = int(page) > shown.paginator.num_pages
        return Response(KindSerializer([] if beyond else groups, many=True).data)


class Compare(OneRun):
    serializer_class = ComparisonSerializer

    @extend_schema(parameters=[OF_RUN, WITH], responses={200: ComparisonSerializer})
    def get(self, request: Request, run_id: int) -> Response:
        """Two runs side by side: stages, rows of each table, kinds of messages."""
        run, asked = self.run(), request.query_params.get("with", "")
        if asked and not (asked.isdecimal() and len(asked) < 19):
            raise ValidationError({"with": [f"“{asked[:20]}” is no run id."]})
        other = _run(int(asked)) if asked else partner_of(run)
        if other is None:
            raise Http404(f"There is no earlier run of this source to compare run {run.pk} with.")
        return Response(ComparisonSerializer(compare(other, run, now=timezone.now())).data)


class Bundle(OneRun):
    serializer_class = None

    @extend_schema(
        parameters=[OF_RUN], responses={(200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, "A zip.")}
    )
    def get(self, request: Request, run_id: int) -> FileResponse:
        """All that is known of the run in one zip, without secrets and without records."""
        run = self.run()
        zipped = bundle_of(run, raw=self.raw, made_by=request.user.get_username(), now=timezone.now())
        return FileResponse(zipped, as_attachment=True, filename=filename(run), content_type="application/zip")
