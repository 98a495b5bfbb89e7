"""The statuses of runs, tasks and data loads, the words people are shown, and the tables of moves. Pure."""

from enum import StrEnum


class RunStatus(StrEnum):
    WAITING = "waiting"  # accepted; no task has been claimed yet
    RUNNING = "running"  # at least one task has been claimed
    CANCELING = "canceling"  # cancel was asked; tasks are stopping
    CANCELLED = "cancelled"  # stopped; nothing went live
    COMPLETED = "completed"  # its tables are live
    FAILED = "failed"  # ended without going live
    REJECTED = "rejected"  # another run of the source was open


class TaskStatus(StrEnum):
    WAITING = "waiting"  # its phase has not opened
    QUEUED = "queued"  # may be claimed, once `not_before` has passed
    RUNNING = "running"  # claimed, with a lease
    COMPLETED = "completed"
    FAILED = "failed"  # failed for good
    CANCELLED = "cancelled"
    SKIPPED = "skipped"  # something it depends on failed


class LoadStatus(StrEnum):
    RUNNING = "running"  # post-load steps
    COMPLETED = "completed"
    FAILED = "failed"  # kept for steps that the data needs; a message that was not taken is a warning only


class StepStatus(StrEnum):
    WAITING = "waiting"  # may be claimed, once `not_before` has passed
    SENDING = "sending"  # claimed, with a lease
    DONE = "done"
    FAILED = "failed"  # given up; people may send it again


class TaskKind(StrEnum):
    EXTRACTION = "extraction"
    METADATA = "metadata_consolidation"
    CONSOLIDATION = "table_consolidation"
    INGESTION = "ingestion"
    COMPLETION = "completion"


class RunMode(StrEnum):
    DESTRUCTIVE = "destructive"  # everything is fetched and replaces what is live
    INCREMENTAL = "incremental"  # what changed since the last completed run is added or updated


R, T = RunStatus, TaskStatus

RUN_WORDS: dict[str, str] = {
    R.WAITING: "Waiting to start",
    R.RUNNING: "Running",
    R.CANCELING: "Canceling …",
    R.CANCELLED: "Cancelled",
    R.COMPLETED: "Completed",
    R.FAILED: "Failed",
    R.REJECTED: "Rejected - previous load still running",
}
TASK_WORDS: dict[str, str] = {
    T.WAITING: RUN_WORDS[R.WAITING],
    T.QUEUED: RUN_WORDS[R.WAITING],
    T.RUNNING: RUN_WORDS[R.RUNNING],
    T.COMPLETED: RUN_WORDS[R.COMPLETED],
    T.FAILED: RUN_WORDS[R.FAILED],
    T.CANCELLED: RUN_WORDS[R.CANCELLED],
    T.SKIPPED: "Skipped",
}
LOAD_WORDS: dict[str, str] = {
    LoadStatus.RUNNING: "Running",
    LoadStatus.COMPLETED: "Completed",
    LoadStatus.FAILED: "Failed",
}
STEP_WORDS: dict[str, str] = {
    StepStatus.WAITING: "Waiting",
    StepStatus.SENDING: "Sending",
    StepStatus.DONE: "Done",
    StepStatus.FAILED: "Failed",
}
KIND_WORDS: dict[str, str] = {
    TaskKind.EXTRACTION: "Extraction",
    TaskKind.METADATA: "Metadata consolidation",
    TaskKind.CONSOLIDATION: "Table consolidation",
    TaskKind.INGESTION: "Ingestion",
    TaskKind.COMPLETION: "Completion",
}
URGENCY: tuple[str, ...] = (R.FAILED, R.REJECTED, R.CANCELING, R.RUNNING, R.WAITING, R.CANCELLED, R.COMPLETED)

RUN_MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    R.WAITING: frozenset({R.RUNNING, R.CANCELING, R.FAILED}),
    R.RUNNING: frozenset({R.COMPLETED, R.CANCELING, R.FAILED}),
    R.CANCELING: frozenset({R.CANCELLED, R.COMPLETED}),
    R.CANCELLED: frozenset(),
    R.COMPLETED: frozenset(),
    R.FAILED: frozenset(),
    R.REJECTED: frozenset(),
}
TASK_MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    T.WAITING: frozenset({T.QUEUED, T.CANCELLED, T.SKIPPED}),
    T.QUEUED: frozenset({T.RUNNING, T.CANCELLED, T.SKIPPED}),
    T.RUNNING: frozenset({T.COMPLETED, T.FAILED, T.QUEUED, T.CANCELLED}),
    T.COMPLETED: frozenset(),
    T.FAILED: frozenset(),
    T.CANCELLED: frozenset(),
    T.SKIPPED: frozenset(),
}
RUN_OPEN = frozenset({R.WAITING, R.RUNNING, R.CANCELING})
RUN_ENDED = frozenset(RunStatus) - RUN_OPEN
TASK_OPEN = frozenset({T.WAITING, T.QUEUED, T.RUNNING})
PHASES: tuple[TaskKind, ...] = tuple(TaskKind)  # they open in this order
