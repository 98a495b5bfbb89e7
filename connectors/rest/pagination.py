"""How a source's pages follow each other: one small class per style, each of which only finds the next token.

The base class owns the loop guards. A token says where a page is: a number, an offset, a cursor, or a link without its
host; it is what a checkpoint keeps.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from connectors.manifest import PageStyle, Pagination
from connectors.protocol import Fault, SourceError
from connectors.rest import gate
from connectors.rest.selection import Contents, Path

Token = int | str | None
LINK: Final = re.compile(r"<([^>]*)>([^<]*)")
REL: Final = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\";,]+))", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Got:
    """One page's answer, as far as paging looks at it."""

    contents: Contents
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Address:
    """What a token adds to a request: parameters, or a link in place of path and parameters. In a JSON body a number
    is one, and text stays text however it looks."""

    values: Mapping[str, str | int] = field(default_factory=dict)
    link: str = ""


class Pager:
    """Walks the pages of one slice. `first` begins; `after` is asked once for each page, in order."""

    start: Token = None

    def __init__(self, spec: Pagination, *, page: int = 1, seen: int = 0) -> None:
        self.spec = spec
        self.page = page
        self.seen = seen  # records so far, also those before a resume
        self.total: int | None = None
        self._tokens: set[int] = set()
        self._previous = b""

    def address(self, token: Token) -> Address:
        """What to ask for, to get the page of this token."""
        return Address(values={} if token is None else {self.spec.param: token} | self._size())

    def after(self, token: Token, got: Got) -> Token:
        """The token of the page after this one; None after the last. Raises SourceError when pages go in a circle."""
        self._guard_page(got.contents)
        self.seen += got.contents.count
        self.total = _count(got.contents.facts, self.spec.total_path)
        following = self._next(token, got)
        if following is not None:
            self._guard_token(following)
        return following

    def ahead(self, token: Token) -> Token:
        """A token that may be asked for before this one's answer is known; None where only the answer tells."""
        return None

    def _next(self, token: Token, got: Got) -> Token:
        raise NotImplementedError

    def _size(self) -> dict[str, str | int]:
        return {self.spec.size_param: self.spec.size} if self.spec.size and self.spec.size_param else {}

    def _guard_page(self, contents: Contents) -> None:
        if contents.lines and contents.lines == self._previous:
            raise _loop("the same page came twice in a row", "the source takes no notice of the page parameter")
        self._previous = contents.lines

    def _guard_token(self, following: Token) -> None:
        if hash(following) in self._tokens:
            raise _loop("the place of the next page is one that was read already", "the pages go in a circle")
        if self.page >= self.spec.max_pages:
            raise _loop(f"there are more than {self.spec.max_pages:,} pages", "`pagination.max_pages` is too low")
        self._tokens.add(hash(following))
        self.page += 1


class Single(Pager):
    """One answer is all there is."""

    def _next(self, token: Token, got: Got) -> Token:
        return None


class _Counted(Pager):
    """Pages that can be named without knowing the one before: several may be in flight."""

    def __init__(self, spec: Pagination, *, page: int = 1, seen: int = 0) -> None:
        super().__init__(spec, page=page, seen=seen)
        self.start = spec.start
        self._last: int | None = None
        self._regular = True

    def ahead(self, token: Token) -> Token:
        following = self._following(token, self.spec.size)
        if not self._regular or following is None or (self._last is not None and following > self._last):
            return None
        return following

    def _following(self, token: Token, count: int | None) -> int | None:
        raise NotImplementedError

    def _ends(self, count: int) -> bool:
        """Without `pages`: a total that is reached, else an empty page, or a short one where the manifest trusts it."""
        if count == 0:
            return True
        if self.total is not None and self.seen <= self.total + self._repeated():
            return self.seen == self.total + self._repeated()
        if self.total is not None:  # more came than was announced, so a full page need not be the last
            return self.spec.size is None or count < self.spec.size
        announced = bool(self.spec.total_path or self.spec.pages_path)
        short = self.spec.size is not None and count < self.spec.size
        return short and self.spec.stop == "short" and not announced

    def _repeated(self) -> int:
        return 0


class PageNumber(_Counted):
    """?page=1, 2, 3 …"""

    def _following(self, token: Token, count: int | None) -> int | None:
        return int(token or 0) + 1

    def _next(self, token: Token, got: Got) -> Token:
        pages = _count(got.contents.facts, self.spec.pages_path)
        following = int(token or 0) + 1
        if pages is not None and (pages > int(token or 0) - self.spec.start or not got.contents.count):
            self._last = self.spec.start + pages - 1
            return following if following <= self._last else None
        if self.total is not None and self.spec.size:
            self._last = self.spec.start + -(-self.total // self.spec.size) - 1
        return None if self._ends(got.contents.count) else following


class Offset(_Counted):
    """?offset=0&limit=500, the next one where this page's records end (less the overlap)."""

    def _following(self, token: Token, count: int | None) -> int | None:
        return int(token or 0) + (count or 0) - self.spec.overlap

    def _next(self, token: Token, got: Got) -> Token:
        count = got.contents.count
        if self.total is not None:
            self._last = self.spec.start + self.total - 1
        self._regular = count == self.spec.size  # a source that sends fewer than asked sets the step itself
        if self._ends(count) or count <= self.spec.overlap:
            return None
        return self._following(token, count)

    def _repeated(self) -> int:
        return self.spec.overlap * (self.page - 1)


class CursorToken(Pager):
    """An opaque token in the body, to be sent with the next call."""

    def address(self, token: Token) -> Address:
        return Address(values=self._size() | ({} if token is None else {self.spec.param: token}))

    def _next(self, token: Token, got: Got) -> Token:
        value = _named(got.contents, self.spec.path)
        if self.spec.more_path and got.contents.facts.get(self.spec.more_path) in (None, False, 0, "", "false"):
            return None
        if value in (None, "", False):
            if self.spec.more_path and got.contents.count:
                raise _unusable(
                    f"the answer says that there is more, and nothing stands at `{'.'.join(self.spec.path)}`"
                )
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise _unusable(f"the cursor at `{'.'.join(self.spec.path)}` is neither text nor a number")
        return value if isinstance(value, str) or value.bit_length() < 64 else str(value)


class _Linked(Pager):
    """The source gives the whole address of the next page."""

    def address(self, token: Token) -> Address:
        return Address(values=self._size()) if token is None else Address(link=str(token))

    def _next(self, token: Token, got: Got) -> Token:
        link = self._link(got)
        return None if not link else same_host_link(got.url, link)

    def _link(self, got: Got) -> str:
        raise NotImplementedError


class NextLink(_Linked):
    """A link in the body."""

    def _link(self, got: Got) -> str:
        value = _named(got.contents, self.spec.path)
        if value in (None, "", False):
            return ""
        if not isinstance(value, str):
            raise _unusable(f"what stands at `{'.'.join(self.spec.path)}` is no link")
        return value


class LinkHeader(_Linked):
    """A Link header with rel="next"."""

    def _link(self, got: Got) -> str:
        for target, parameters in LINK.findall(got.headers.get("link", "")):
            rel = REL.search(parameters)
            if rel and "next" in (rel[1] or rel[2] or "").lower().split():
                return str(target)
        return ""


STYLES: Final[dict[PageStyle, Callable[..., Pager]]] = {
    PageStyle.SINGLE: Single,
    PageStyle.PAGE: PageNumber,
    PageStyle.OFFSET: Offset,
    PageStyle.CURSOR: CursorToken,
    PageStyle.NEXT_LINK: NextLink,
    PageStyle.LINK_HEADER: LinkHeader,
}


def pager(spec: Pagination, *, page: int = 1, seen: int = 0) -> Pager:
    """A fresh pager, or one that goes on at `page` after `seen` records."""
    return STYLES[spec.style](spec, page=page, seen=seen)


def fact_paths(spec: Pagination) -> tuple[Path, ...]:
    paths = (spec.path, spec.more_path, spec.pages_path, spec.total_path)
    return tuple(path for path in paths if path)


def same_host_link(url: str, link: str) -> str:
    """Path and query of a link, which must stay on the host that was asked. Raises SourceError."""
    target = urljoin(url, link)
    try:
        (scheme, host, port), (own_scheme, own_host, own_port) = gate.place(target), gate.place(url)
    except SourceError as error:
        raise _unusable("the link to the next page cannot be read") from error
    plain_twin = (scheme, own_scheme) == ("http", "https") and port == gate.PORTS["http"]  # a proxy that ends TLS
    if host != own_host or (port != own_port and not plain_twin):
        raise SourceError(
            f'The source linked its next page to another host ("{host}"), which was not called',
            fault=Fault.CONFIG,
            advice="Write the host that serves the pages into the data source's settings, or use another page style.",
        )
    parts = urlsplit(target)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _named(contents: Contents, path: Path) -> Any:
    """What stands at a path beside the records. A list has no place for it: its first page is not all there is."""
    if path not in contents.facts and contents.count:
        raise _unusable(f"the answer is a list of records, which has no `{'.'.join(path)}`")
    return contents.facts.get(path)


def _count(facts: Mapping[Path, Any], path: Path) -> int | None:
    value = facts.get(path) if path else None
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if usable else None


def _loop(what: str, why: str) -> SourceError:
    return SourceError(
        f"Reading was stopped: {what}",
        fault=Fault.CONFIG,
        advice=f"Probably {why}: check `pagination` of the endpoint in the manifest.",
    )


def _unusable(what: str) -> SourceError:
    return SourceError(
        f"The next page cannot be found: {what}",
        fault=Fault.CONFIG,
        advice="Check `pagination.path` of the endpoint in the manifest.",
    )
