"""Starting a run over the API: the same answer wherever it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from connectors.api.permissions import require, require_any
from connectors.models import DataSource
from runs import preflight
from runs.api.reading import all_runs
from runs.api.serializers import PreflightSerializer, RetryPlanSerializer, RunSerializer
from runs.errors import Refused
from runs.lifecycle import retrying
from runs.lifecycle.keys import request_once
from runs.lifecycle.retryable import why_not_retry
from runs.lifecycle.starting import Asked
from runs.lifecycle.starting import request as request_run
from runs.models import Run
from runs.states import RunMode, RunStatus

NEEDED: Final = {
    RunMode.INCREMENTAL: "connectors.start_run",
    RunMode.DESTRUCTIVE: "connectors.start_destructive_run",
}
DRY_RUN: Final = OpenApiParameter(
    "dry_run", bool, description="1 starts nothing and answers 200 with what a start would meet."
)

RETRY_PLAN: Final = OpenApiParameter(
    "dry_run", bool, description="1 starts nothing and answers 200 with the plan of every choice."
)

KEY_HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 200
IDEMPOTENCY_KEY: Final = OpenApiParameter(
    KEY_HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Sent again within 24 hours with the same source and type, it answers the same run; with others, 422.",
)
START: Final = [DRY_RUN, IDEMPOTENCY_KEY]


class KeyReused(APIException):
    status_code = 422
    default_code = "key_reused"


def may_start(request: Request) -> None:
    """Before the body is read: a person who may start nothing learns that first. Raises PermissionDenied."""
    require_any(request, *NEEDED.values())


def start(request: Request, source: DataSource, mode: RunMode) -> Response:
    """201 with the accepted run, or Refused: the rejected run is kept, and the refusal names it and its blocker."""
    require(request, NEEDED[mode])
    if is_dry(request):
        return Response(PreflightSerializer(preflight.look(source, mode)).data)
    if missing := preflight.why_not_confirmed(source, mode, _typed(request)):
        raise ValidationError({"confirm": [missing]})
    run = _requested(request, source, mode)
    if run.status == RunStatus.REJECTED:
        raise Refused(
            f"Run {run.pk} was rejected: run {run.blocked_by_id} is still open. No table was changed.",
            code="rejected",
            run_id=run.pk,
            blocker_id=run.blocked_by_id,
        )
    return created(request, run.pk)


def _typed(request: Request) -> str:
    given = request.data.get("confirm", "") if isinstance(request.data, Mapping) else ""
    return given if isinstance(given, str) else ""


def _requested(request: Request, source: DataSource, mode: RunMode) -> Run:
    """A new run, or the one that the same Idempotency-Key has made before."""
    asked = Asked(actor=request.user.get_username(), trigger="api")
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return request_run(source.pk, mode, asked=asked)
    if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise ValidationError({KEY_HEADER: [f"A key is 1 to {LONGEST_KEY} printable characters, like a UUID."]})
    try:
        return request_once(key, source.pk, mode, asked=asked)[0]
    except Refused as refused:
        if refused.code == "key_reused":
            raise KeyReused(refused.message) from refused
        raise


def retry_plan(old: Run) -> Response:
    """200 with what each choice reuses, what it calls again, and why it is not possible."""
    refused = why_not_retry(old)
    body = {
        "run": old.pk,
        "accepted": refused is None,
        "refusal": refused.message if refused else "",
        "choices": retrying.plan(old),
    }
    return Response(RetryPlanSerializer(body).data)


def created(request: Request, run_id: int) -> Response:
    """201 with a new run and where it is."""
    context = {"request": request, "now": timezone.now()}
    body = RunSerializer(all_runs().get(pk=run_id), context=context).data
    return Response(body, status=201, headers={"Location": body["url"]})


def is_dry(request: Request) -> bool:
    given = request.query_params.get("dry_run", "0").lower()
    if given not in ("0", "1", "false", "true"):
        raise ValidationError({"dry_run": ["Give 1 to look without starting, or leave it out."]})
    return given in ("1", "true")
