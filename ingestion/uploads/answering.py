"""Requests with an Idempotency-Key are carried out once; repeated, they get their first answer."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from ingestion.access.caller import Caller
from ingestion.models import AnsweredRequest
from ingestion.refusals import Refused, Why

KEY: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
FORGOTTEN_AFTER: Final = timedelta(seconds=60)  # a request without an answer: its process died
ASK_AGAIN_SECONDS: Final = 1


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


def once(
    caller: Caller, *, dataset_id: str, key: str, document: Mapping[str, Any], answer: Callable[[], Answer]
) -> Answer:
    """Call `answer`, unless this key has one already. It runs in the transaction that keeps what it answers; what it
    raises is not kept, so that the key can be used again.

    Raises Refused: REUSED for another document under the same key, BUSY while the first is being answered.
    """
    if not KEY.fullmatch(key):
        raise Refused(Why.INVALID, "The header Idempotency-Key must have 1 to 255 printable ASCII characters.")
    claim = _claim(caller, dataset_id, key, _digest(document))
    if claim.status is not None:
        return Answer(claim.status, claim.body or {})
    mine = AnsweredRequest.objects.filter(pk=claim.pk, at=claim.at, status=None)
    try:
        with transaction.atomic():
            given = answer()
            if not mine.update(**asdict(given)):
                raise _busy()
    except BaseException:  # without an answer the key must be free again, whatever happened
        mine.delete()
        raise
    return given


def _claim(caller: Caller, dataset_id: str, key: str, digest: str) -> AnsweredRequest:
    """This request's row: ours to answer while it has no status, else the one that was answered before."""
    who = {
        "organisation": caller.organisation, "sandbox": caller.sandbox, "dataset_id": dataset_id[:64], "key": key
    }  # fmt: skip
    try:
        with transaction.atomic():
            return AnsweredRequest.objects.create(**who, digest=digest)
    except IntegrityError:
        earlier = AnsweredRequest.objects.filter(**who).first()
    if earlier is None:  # it was refused this very moment
        raise _busy()
    if earlier.digest != digest:
        said = "This Idempotency-Key was used for another request. Use a new key for what is new."
        raise Refused(Why.REUSED, said)
    if earlier.status is None and not _taken_over(earlier):
        raise _busy()
    return earlier


def _taken_over(earlier: AnsweredRequest) -> bool:
    silent = AnsweredRequest.objects.filter(pk=earlier.pk, at=earlier.at, status=None, at__lt=Now() - FORGOTTEN_AFTER)
    # of our clock, as the first: SQLite keeps its own with fewer digits than it is then compared by
    if not silent.update(at=timezone.now()):
        return False
    earlier.refresh_from_db()
    return True


def _busy() -> Refused:
    said = "The same request is being answered at this moment. Ask again in a second."
    return Refused(Why.BUSY, said, retry_after=ASK_AGAIN_SECONDS)


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
