"""How much a client may send: each limit is a setting, and each refusal names its number."""

from __future__ import annotations

from django.conf import settings

from ingestion.models import Batch
from ingestion.refusals import Refused, Why
from ingestion.uploads.finding import must_take_files


def must_have_room(batch: Batch, *, files: int = 0, size: int = 0) -> None:
    """Raises Refused unless the batch is loading and may grow by so many files and bytes.

    While a batch is loading, its `files_left` counts the files that it was given, and `input_size` their bytes.
    """
    must_take_files(batch)
    if files and batch.files_left + files > settings.BATCH_FILES:
        said = f"The batch {batch.public_id} has {batch.files_left:,} files, and may have {settings.BATCH_FILES:,}."
        raise Refused(Why.INVALID, f"{said} Complete it, and send the rest in another batch.")
    if size > 0 and batch.input_size + size > settings.BATCH_BYTES:
        said = f"The batch {batch.public_id} may have {settings.BATCH_BYTES:,} bytes in all, and with this would have"
        raise Refused(Why.TOO_LARGE, f"{said} {batch.input_size + size:,}. Send the rest in another batch.")
