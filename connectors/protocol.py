"""The words that source engines speak, and the one interface they offer.

An engine hands over *pages*: the undecoded records of one response plus the facts it needed to find them.
This module knows no engine, no Django and no storage.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Protocol

State = Mapping[str, Any]


class Fault(StrEnum):
    """What the caller should do about an error; the first question that an error answers."""

    TRANSIENT = "transient"  # try again later, from the last checkpoint
    RATE_LIMITED = "rate_limited"  # try again not before `retry_after`; does not count as a failure
    AUTH = "auth"  # credentials refused; a person must renew them
    CONFIG = "config"  # the manifest or an address is wrong; a person must change it
    DATA = "data"  # the source answered something that cannot be read
    SCHEMA = "schema"  # the data no longer fits what the dataset allows


class SourceError(Exception):
    """A source could not be read.

    `message` says what was tried, where, and what came back; `advice` says what a support person should do.
    Neither ever holds a credential or a record's values.
    """

    def __init__(
        self,
        message: str,
        *,
        fault: Fault,
        advice: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fault = fault
        self.advice = advice
        self.retry_after = retry_after

    @property
    def transient(self) -> bool:
        return self.fault in (Fault.TRANSIENT, Fault.RATE_LIMITED)


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table that an endpoint fills. Field paths are source names joined with dots ("carrier.code")."""

    name: str
    description: str = ""
    array_path: tuple[str, ...] = ()  # () for the endpoint's own records; else the array of objects inside a record
    key: tuple[str, ...] = ()
    cursor: str | None = None
    depth: int = 3
    types: Mapping[str, str] = field(default_factory=dict)  # declared types by field path, in blueprint words


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A part of an endpoint that one task reads: one or more slices, each a set of template values, read in order."""

    key: str
    title: str
    slices: tuple[Mapping[str, str], ...]


class Partitioning(StrEnum):
    NONE = "none"
    STATIC = "static"  # known from the manifest alone (date windows, a list)
    PARENT = "parent"  # needs calls: one slice per record of another endpoint


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint of a source. `tables[0]` takes its records, the others its arrays of objects."""

    name: str
    title: str
    description: str = ""
    tables: tuple[Table, ...]
    partitioning: Partitioning = Partitioning.NONE
    incremental: bool = False  # has a cursor: an incremental run asks only for what changed
    cursor_is_time: bool = False  # a number in it counts seconds or milliseconds since 1970


@dataclass(frozen=True, kw_only=True)
class ReadRequest:
    """What one task reads. `resume` is the `state` of the last page whose records are durable."""

    endpoint: str
    partition: Partition | None = None
    since: str | None = None  # the bookmark, before look-back; None reads everything
    resume: State | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """The records of one response, undecoded: JSON lines, one record each, every line ended by a newline."""

    number: int  # 1, 2, 3 … within the task, going on after a resume
    lines: bytes
    count: int
    state: State  # hand it back as `ReadRequest.resume` to go on after this page
    request_id: str = ""
    wire_bytes: int = 0
    status: int = 0  # of the answer
    seconds: float = 0.0  # from the call to the end of its answer, without waits before it
    notes: tuple["Note", ...] = ()


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something a support person should know that is no error ("3 answers of 404 were ignored")."""

    level: str  # info | warning
    code: str
    text: str


@dataclass
class CallCount:
    """What the calls to one endpoint came to. `answers` counts by class ("2xx"); "none" is a call without an answer."""

    calls: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    throttled: int = 0
    retried: int = 0
    waited_seconds: float = 0.0
    slowest_seconds: float = 0.0
    wire_bytes: int = 0

    def answered(self, status: int | None, seconds: float, size: int = 0) -> None:
        kind = "none" if status is None else f"{status // 100}xx"
        self.answers[kind] = self.answers.get(kind, 0) + 1
        self.slowest_seconds = max(self.slowest_seconds, seconds)
        self.wire_bytes += size

    def add(self, other: "CallCount") -> None:
        for kind, count in other.answers.copy().items():
            self.answers[kind] = self.answers.get(kind, 0) + count
        self.slowest_seconds = max(self.slowest_seconds, other.slowest_seconds)
        for name in ("calls", "throttled", "retried", "waited_seconds", "wire_bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def to_json(self) -> dict[str, Any]:
        rounded = {"waited_seconds": round(self.waited_seconds, 3), "slowest_seconds": round(self.slowest_seconds, 3)}
        return {**vars(self), "answers": self.answers.copy(), **rounded}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CallCount":
        known = {item.name for item in fields(cls)}
        given: dict[str, Any] = {name: item for name, item in value.items() if name in known}
        return cls(**{**given, "answers": dict(given.get("answers", {}))})


@dataclass(frozen=True, kw_only=True)
class Incident:
    """A call that did not go through at once: why, and how long the next try waits. Never holds an address."""

    at: float  # seconds of the calendar
    text: str


@dataclass
class Usage:
    """Counters that an engine raises while it works; read by another thread, so only ever added to.

    `ledger` counts by endpoint title. `incidents` are the newest that nobody has taken yet; who takes one removes it.
    """

    calls: int = 0
    throttled: int = 0  # answers of 429 or 503 with Retry-After
    retried: int = 0
    waited_seconds: float = 0.0
    wire_bytes: int = 0
    token_refreshes: int = 0
    quota_until: float = 0.0  # of the calendar: until when the source asked us to wait, the last time it did
    ledger: dict[str, CallCount] = field(default_factory=dict)
    incidents: deque[Incident] = field(default_factory=lambda: deque(maxlen=200))


@dataclass(frozen=True, kw_only=True)
class CheckStep:
    """One step of "Test connection": what was tried and how it went."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


class Source(Protocol):
    """An open source. Not shared between threads, except that `Usage` may be read from anywhere."""

    usage: Usage

    def check(self) -> Iterator[CheckStep]:
        """Try the source step by step; yields each step as it ends and stops after the first that fails."""
        ...

    def discover(self) -> tuple[Endpoint, ...]:
        """All endpoints, in the manifest's order. Makes no call."""
        ...

    def partitions(
        self, endpoint: str, *, since: str | None, now: str, stop: Callable[[], bool] = lambda: False
    ) -> Sequence[Partition]:
        """The partitions of an endpoint, in order. Calls the source only where `partitioning` is PARENT, and is told
        by `stop` as `read` is; then they are not all."""
        ...

    def window_start(self, endpoint: str, since: str) -> str:
        """Where an incremental read that begins at this bookmark really starts: the bookmark less its look-back."""
        ...

    def read(self, request: ReadRequest, *, stop: Callable[[], bool]) -> Iterator[Page]:
        """Pages in order. `stop` is asked before each call and while waiting; when true, iteration just ends.

        Raises SourceError. Safe to repeat from any page's `state`.
        """
        ...

    def close(self) -> None: ...
