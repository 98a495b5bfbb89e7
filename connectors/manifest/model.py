"""A parsed manifest: what a REST source looks like, as frozen values. Knows no text and no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class AuthStyle(StrEnum):
    NONE = "none"
    BASIC = "basic"
    BEARER = "bearer"
    HEADER = "header"
    OAUTH2 = "oauth2"


class PageStyle(StrEnum):
    SINGLE = "single"
    PAGE = "page"
    OFFSET = "offset"
    CURSOR = "cursor"
    NEXT_LINK = "next_link"
    LINK_HEADER = "link_header"


class Action(StrEnum):
    """What a response rule makes of an answer."""

    SUCCESS = "success"
    FAIL = "fail"
    IGNORE = "ignore"
    RETRY = "retry"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A value that each data source fills in. Never secret: that is what credentials are for."""

    name: str
    title: str
    help: str = ""
    default: str | None = None  # None: must be filled in


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A credential that each data source fills in, as a form shows it."""

    name: str
    title: str
    secret: bool = True


@dataclass(frozen=True, kw_only=True)
class Auth:
    style: AuthStyle = AuthStyle.NONE
    header: str = "Authorization"  # header: its name
    prefix: str = ""  # header: what stands before the key
    token_url: str = ""  # oauth2
    scope: str = ""
    client_in: str = "body"  # oauth2: "body" or "header" (HTTP Basic)


@dataclass(frozen=True, kw_only=True)
class Client:
    """How politely and how patiently the source is called."""

    requests_per_second: float | None = None
    tasks_at_once: int | None = None
    in_flight: int = 1
    attempts: int = 6
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    answer_timeout: float = 600.0  # a whole answer, so that one byte a minute does not last for ever
    max_answer_mb: float = 64.0


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """A condition on an answer's body: a field is present or equals a value, or the text contains something."""

    path: tuple[str, ...] = ()
    exists: bool | None = None
    equals: tuple[Any, ...] = ()
    contains: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The first rule that fits an answer decides about it."""

    action: Action
    statuses: tuple[str, ...] = ()  # "404" or "5xx"; () fits every status
    when: Predicate | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Pagination:
    style: PageStyle = PageStyle.SINGLE
    param: str = ""  # the page number, the offset or the cursor
    start: int = 1
    size_param: str = ""
    size: int | None = None
    overlap: int = 0  # offset: records asked for twice, against rows deleted meanwhile
    into: str = "params"  # or "body"
    path: tuple[str, ...] = ()  # cursor, next_link: where the answer holds it
    more_path: tuple[str, ...] = ()  # cursor: a flag that says whether there is more
    pages_path: tuple[str, ...] = ()
    total_path: tuple[str, ...] = ()
    stop: str = "short"  # without totals: after a "short" or only after an "empty" page
    max_pages: int = 100_000


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The field that tells what changed since the last run."""

    field: str
    param: str = ""
    into: str = "params"
    format: str = "as_is"  # as_is | iso | date | epoch | epoch_ms
    initial: str | None = None
    look_back: float = 0.0  # seconds


@dataclass(frozen=True, kw_only=True)
class DateWindows:
    start: str
    end: str = "now"
    step: str = "month"  # month | week | day
    days: int = 0  # a step of N days
    format: str = "date"


@dataclass(frozen=True, kw_only=True)
class ValueList:
    values: tuple[str, ...]
    group: int = 1


@dataclass(frozen=True, kw_only=True)
class ParentRecords:
    endpoint: str
    group: int = 100


Split = DateWindows | ValueList | ParentRecords


@dataclass(frozen=True, kw_only=True)
class ChildTable:
    name: str
    path: tuple[str, ...]
    description: str = ""
    key: tuple[str, ...] = ()
    depth: int = 3
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EndpointSpec:
    name: str
    title: str
    path: str
    description: str = ""
    method: str = "GET"
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    records: tuple[str, ...] = ()
    pagination: Pagination = field(default_factory=Pagination)
    split: Split | None = None
    cursor: Cursor | None = None
    key: tuple[str, ...] = ()
    depth: int = 3
    types: Mapping[str, str] = field(default_factory=dict)
    tables: tuple[ChildTable, ...] = ()
    rules: tuple[Rule, ...] = ()
    in_flight: int = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole source. `settings` and `credentials` are what a form must ask for."""

    name: str
    title: str
    base_url: str
    description: str = ""
    settings: tuple[Setting, ...] = ()
    auth: Auth = field(default_factory=Auth)
    credentials: tuple[Credential, ...] = ()
    client: Client = field(default_factory=Client)
    headers: Mapping[str, str] = field(default_factory=dict)
    endpoints: tuple[EndpointSpec, ...]

    def endpoint(self, name: str) -> EndpointSpec:
        """The endpoint of that name. Raises KeyError."""
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        raise KeyError(name)
