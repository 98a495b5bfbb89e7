"""Small words of the wire: times in milliseconds, versions, statuses, tags of ours, references."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ingestion.states import BatchStatus

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
LAST_MOMENT: Final = 253_402_300_799_999  # the end of the year 9999
SERIES: Final = (1, 0)  # versions are 1.0.n, and n rises with each change
ALIASES: Final[Mapping[str, BatchStatus]] = {"active": BatchStatus.SUCCESS, "failure": BatchStatus.FAILED}
FOREIGN_STATUSES: Final = ("queued", "processing", "staged")  # of other producers: asked for, never met here
SHOWN_LIVE: Final = (BatchStatus.SUCCESS, BatchStatus.INACTIVE, BatchStatus.RETAINED, BatchStatus.ARCHIVED)
TABLE_TAG: Final = "adobe/pqs/table"
FORMAT_TAG: Final = "adobe/siphon/table/format"
COMPUTED_TAGS: Final = frozenset({TABLE_TAG, FORMAT_TAG})
SUCCESSOR_TAG: Final = "acp_successor"
DIAGNOSTICS_TAG: Final = "acp_enableErrorDiagnostics"
PARTIAL_TAG: Final = "acp_partialIngestionPercent"


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - EPOCH) // MILLISECOND


def moment(milliseconds: int) -> datetime:
    """Raises ValueError for what is no time: before 1970 or after 9999."""
    if not 0 <= milliseconds <= LAST_MOMENT:
        raise ValueError(f"{str(milliseconds)[:40]} is no time in milliseconds since 1970.")
    return EPOCH + milliseconds * MILLISECOND


def version(number: int) -> str:
    return f"{SERIES[0]}.{SERIES[1]}.{number}"


def statuses(word: str) -> list[BatchStatus]:
    """The stored status that a client's word stands for; none for words of other producers. Raises ValueError."""
    lower = word.lower()
    if lower in FOREIGN_STATUSES:
        return []
    return [ALIASES.get(lower) or BatchStatus(lower)]


def reference(kind: str, public_id: str) -> list[str]:
    """What a writing call answers: `["@/batches/<id>"]`."""
    return [f"@/{kind}/{public_id}"]


def present(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
