"""Leases on a file and on a dataset's publishing: one worker at a time, by the database's clock, fenced by a number."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

from ingestion.errors import Fenced, TransientError
from ingestion.models import BatchFile, Dataset
from ingestion.promotion.keeping import kept
from ingestion.states import BatchStatus

NEEDED = (  # of a file, its batch and its dataset, to check it: rows are wide, and many are read in a minute
    *("path", "ordinal", "size", "attempt", "worker"),
    *(
        "batch__organisation",
        "batch__sandbox",
        "batch__mode",
        "batch__input_format",
        "batch__diagnostics",
        "batch__error_percent",
    ),
    *("batch__dataset__schema", "batch__dataset__key"),
)
FREE = Q(lease_until=None) | Q(lease_until__lt=Now())


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}/{uuid.uuid4().hex[:6]}"


def claim_files(file_ids: Sequence[int]) -> list[BatchFile]:
    """Those of these files that are the caller's to check now, in order; the others are taken, checked, or their
    batch is not in staging."""
    worker = worker_name()
    claimed = BatchFile.objects.filter(
        FREE, pk__in=file_ids, checked_at=None, batch__status=BatchStatus.STAGING, batch__self_promoting=True
    ).update(attempt=F("attempt") + 1, worker=worker, lease_until=lease_end())
    if not claimed:
        return []
    mine = BatchFile.objects.filter(pk__in=file_ids, worker=worker)
    return list(mine.select_related("batch__dataset").only(*NEEDED).order_by("pk"))


def renew_files(files: Sequence[BatchFile]) -> bool:
    """False when none is the caller's any more."""
    mine = BatchFile.objects.filter(pk__in=[file.pk for file in files], worker=files[0].worker, checked_at=None)
    return bool(mine.update(lease_until=lease_end()))


def release_file(file: BatchFile) -> None:
    """Give it back unchecked: another attempt may begin at once."""
    BatchFile.objects.filter(pk=file.pk, attempt=file.attempt, checked_at=None).update(lease_until=None, worker="")


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """The right to change what is live in one dataset on behalf of client batches. `token` fences older holders."""

    dataset: int
    token: int
    lost: threading.Event = field(default_factory=threading.Event)

    def renew(self) -> bool:
        mine = Dataset.objects.filter(pk=self.dataset, publisher_token=self.token)
        return bool(mine.update(publisher_until=lease_end()))

    def heartbeat(self) -> None:
        """Raise Fenced once the lease is known to be another worker's."""
        if self.lost.is_set():
            raise Fenced(f"Publishing into dataset {self.dataset} was taken over by another worker.")


@contextmanager
def publisher_of(dataset_id: int) -> Iterator[Publisher | None]:
    """The publisher's lease, kept alive while the context lasts; None when another worker holds it."""
    free = Q(publisher_until=None) | Q(publisher_until__lt=Now())
    claimed = Dataset.objects.filter(free, pk=dataset_id).update(
        publisher=worker_name(), publisher_token=F("publisher_token") + 1, publisher_until=lease_end()
    )
    if not claimed:
        yield None
        return
    token = Dataset.objects.values_list("publisher_token", flat=True).get(pk=dataset_id)
    held = Publisher(dataset=dataset_id, token=token)
    try:
        with kept(held.renew, lost=held.lost):
            yield held
    finally:
        Dataset.objects.filter(pk=dataset_id, publisher_token=held.token).update(publisher="", publisher_until=None)


def lease_end() -> Now:
    return Now() + timedelta(seconds=settings.LEASE_SECONDS)  # type: ignore[return-value]


@contextmanager
def publisher_soon(dataset_id: int, *, seconds: float = 15) -> Iterator[Publisher]:
    """The publisher's lease, waited for. Raises TransientError when another worker keeps it longer."""
    end = monotonic() + seconds
    while True:
        with publisher_of(dataset_id) as held:
            if held is not None:
                yield held
                return
        if monotonic() > end:
            raise TransientError(
                f"Another worker has been publishing into this dataset for {seconds:.0f} s. Nothing was changed.",
                advice="Try again in a minute.",
            )
        sleep(0.05)
