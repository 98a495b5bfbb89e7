"""The batch's statuses and the table of its moves. Pure; the one writer is `ingestion/lifecycle.py`."""

from enum import StrEnum


class BatchStatus(StrEnum):
    LOADING = "loading"  # its client, or its run, is writing
    LOADED = "loaded"  # all data is here; ready for promotion
    STAGING = "staging"  # being validated, staged, loaded
    RETRYING = "retrying"  # transient trouble; tried again by itself
    STALLED = "stalled"  # retries used up; support can resume
    SUCCESS = "success"  # promoted: its data is live
    FAILED = "failed"  # bad configuration or data
    ABORTED = "aborted"  # given up by its client, or by its run
    ABANDONED = "abandoned"  # its client was silent too long
    INACTIVE = "inactive"  # reverted, expired or replaced
    RETAINED = "retained"  # taken out of the store into the archive
    ARCHIVED = "archived"  # in cold storage
    DELETED = "deleted"  # removed


S = BatchStatus
INITIAL = S.LOADING
MOVES: dict[BatchStatus, frozenset[BatchStatus]] = {
    S.LOADING: frozenset({S.LOADED, S.ABORTED, S.ABANDONED, S.FAILED}),
    S.LOADED: frozenset({S.STAGING, S.ABORTED}),
    S.STAGING: frozenset({S.SUCCESS, S.RETRYING, S.FAILED, S.ABORTED}),
    S.RETRYING: frozenset({S.STAGING, S.STALLED, S.FAILED, S.ABORTED}),
    S.STALLED: frozenset({S.STAGING, S.FAILED, S.ABORTED}),
    S.SUCCESS: frozenset({S.INACTIVE}),
    S.FAILED: frozenset(),
    S.ABORTED: frozenset(),
    S.ABANDONED: frozenset(),
    S.INACTIVE: frozenset({S.RETAINED, S.ARCHIVED, S.DELETED}),
    S.RETAINED: frozenset({S.ARCHIVED, S.DELETED}),
    S.ARCHIVED: frozenset({S.DELETED}),
    S.DELETED: frozenset(),
}
OPEN = frozenset({S.LOADING, S.LOADED, S.STAGING, S.RETRYING, S.STALLED})


def sources_of(target: BatchStatus) -> frozenset[BatchStatus]:
    """The statuses from which a batch may move to `target`."""
    return frozenset(status for status, targets in MOVES.items() if target in targets)
