"""Walks an endpoint's slices and pages in order, fetching ahead of the reader: one page for sequential styles, several
where pages can be named beforehand.

`stop` is asked only from the thread that iterates; the fetching threads are told by a Halt.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import dataclass, field
from typing import Any, Final

from connectors.manifest import EndpointSpec, PageStyle
from connectors.protocol import Note, Page, SourceError, State
from connectors.rest.client import Client, Halt
from connectors.rest.errors import Place, Stopped
from connectors.rest.pagination import Got, Pager, Token, pager
from connectors.rest.requests import Builder
from connectors.rest.rules import Judge, Verdict
from connectors.rest.wire import Answer, Wire

WAITING_ROOM: Final = 64 * 1024 * 1024  # bytes of fetched pages that may wait for the reader
TICK: Final = 0.25
REQUEST_IDS: Final = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id")


@dataclass(frozen=True)
class Step:
    """One call: the slice it belongs to, and its token."""

    slice: int
    token: Token


@dataclass(frozen=True, kw_only=True)
class Fetched:
    answer: Answer
    verdict: Verdict


@dataclass(kw_only=True)
class Progress:
    """Where the walk stands; what a checkpoint keeps."""

    number: int = 0
    slice: int = 0
    token: Token = None
    page: int = 1
    seen: int = 0
    begun: bool = False  # `token` holds; else the slice begins with its pager's first
    ignored: dict[str, int] = field(default_factory=dict)

    def to_state(self) -> State:
        return {
            "number": self.number,
            "slice": self.slice,
            "token": self.token,
            "page": self.page,
            "seen": self.seen,
            "begun": self.begun,
            "ignored": dict(self.ignored),
        }

    @classmethod
    def from_state(cls, state: State) -> "Progress":
        return cls(**{**state, "ignored": dict(state.get("ignored", {}))})


class Reading:
    """One walk over an endpoint. Iterate `pages` once, then `close`."""

    def __init__(
        self,
        *,
        spec: EndpointSpec,
        client: Client,
        wire: Wire,
        builder: Builder,
        judge: Judge,
        slices: tuple[Mapping[str, str], ...],
        resume: State | None,
        stop: Callable[[], bool],
    ) -> None:
        self._spec = spec
        self._client = client
        self._wire = wire
        self._builder = builder
        self._judge = judge
        self._slices = slices
        self._stop = stop
        self._progress = Progress.from_state(resume) if resume else Progress()
        self._halt = Halt()
        self._pool = ThreadPoolExecutor(max_workers=spec.in_flight, thread_name_prefix=f"fetch-{spec.name}")
        self._window: deque[tuple[Step, Future[Fetched]]] = deque()
        self._widest = 1  # the largest page so far, in bytes

    def pages(self) -> Iterator[Page]:
        """Pages in order; ends quietly when `stop` says so. Raises SourceError."""
        try:
            yield from self._walk()
        except Stopped:
            return
        finally:
            self.close()

    def only_first(self) -> Page:
        """The first page, and no look ahead. Raises SourceError."""
        paging = pager(self._spec.pagination)
        fetched = self._fetch(Step(0, paging.start))
        self._progress.number = 1
        return self._page(fetched, ())

    def close(self) -> None:
        """Break off what is under way. May be called twice."""
        self._halt.set()
        self._window.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._wire.interrupt()

    def _walk(self) -> Iterator[Page]:
        progress = self._progress
        while progress.slice < len(self._slices):
            paging = pager(self._spec.pagination, page=progress.page, seen=progress.seen)
            token = progress.token if progress.begun else paging.start
            more = True
            while more:
                fetched = self._take(Step(progress.slice, token))
                place = Place(endpoint=self._spec.title, page=paging.page)
                following = self._following(paging, token, fetched, place)
                more = following is not None
                notes = self._advance(paging, following, fetched.verdict)
                if more:
                    self._submit(Step(progress.slice, following))
                self._look_ahead(paging)
                yield self._page(fetched, notes)
                token = following

    def _following(self, paging: Pager, token: Token, fetched: Fetched, place: Place) -> Token:
        if fetched.verdict.ignored:
            return None
        answer = fetched.answer
        got = Got(contents=fetched.verdict.contents, headers=answer.headers, url=answer.url)
        try:
            return paging.after(token, got)
        except SourceError as error:
            raise SourceError(f"{error.message} {place}.", fault=error.fault, advice=error.advice) from error

    def _advance(self, paging: Pager, following: Token, verdict: Verdict) -> tuple[Note, ...]:
        """Move the progress past this page; the notes that are due with it."""
        progress = self._progress
        progress.number += 1
        if verdict.ignored:
            progress.ignored[verdict.ignored] = progress.ignored.get(verdict.ignored, 0) + 1
        if following is not None:
            progress.token, progress.page, progress.seen, progress.begun = following, paging.page, paging.seen, True
            return ()
        progress.slice += 1
        progress.token, progress.page, progress.seen, progress.begun = None, 1, 0, False
        notes = [] if verdict.ignored else self._drift(paging)
        if progress.slice >= len(self._slices):
            notes += [_ignored(text, count, self._spec.title) for text, count in progress.ignored.items()]
        return tuple(notes)

    def _drift(self, paging: Pager) -> list[Note]:
        if paging.total is None or paging.total == paging.seen or self._spec.pagination.overlap:
            return []
        text = (
            f"'{self._spec.title}' announced {paging.total:,} records and sent {paging.seen:,}: "
            "records may have been added or deleted while it was read."
        )
        return [Note(level="warning", code="count_drift", text=text)]

    def _page(self, fetched: Fetched, notes: tuple[Note, ...]) -> Page:
        contents, answer = fetched.verdict.contents, fetched.answer
        return Page(
            number=self._progress.number,
            lines=contents.lines,
            count=contents.count,
            state=self._progress.to_state(),
            request_id=next((answer.headers[name] for name in REQUEST_IDS if name in answer.headers), "")[:200],
            wire_bytes=answer.wire_bytes,
            status=answer.status,
            seconds=answer.seconds,
            notes=notes,
        )

    def _take(self, step: Step) -> Fetched:
        """The answer of a step: what was fetched ahead if it is that, else fetched now."""
        if self._stop():
            raise Stopped
        if not self._window or self._window[0][0] != step:
            self._forget()
            self._submit(step)
        future = self._window[0][1]
        while True:
            try:
                fetched = future.result(timeout=TICK)
                break
            except NotYet:
                if future.done():
                    raise
                if self._stop():
                    raise Stopped from None
        self._window.popleft()
        self._widest = max(self._widest, len(fetched.verdict.contents.lines))
        return fetched

    def _submit(self, step: Step) -> None:
        if not any(known == step for known, _ in self._window):
            self._window.append((step, self._pool.submit(self._fetch, step)))

    def _look_ahead(self, paging: Pager) -> None:
        """Fill the window with steps that can be named already, as many as there is room for."""
        wanted = 2 * self._spec.in_flight if self._spec.in_flight > 1 else 1
        room = max(1, min(wanted, WAITING_ROOM // self._widest))
        while len(self._window) < room:
            step = self._next_step(paging)
            if step is None:
                return
            self._submit(step)

    def _next_step(self, paging: Pager) -> Step | None:
        last = self._window[-1][0] if self._window else None
        index = self._progress.slice if last is None else last.slice + 1
        if last is None or self._spec.pagination.style is PageStyle.SINGLE:
            return Step(index, paging.start) if index < len(self._slices) else None
        token = paging.ahead(last.token) if last.slice == self._progress.slice else None
        return None if token is None else Step(last.slice, token)

    def _forget(self) -> None:
        for _, future in self._window:
            future.cancel()
        self._window.clear()

    def _fetch(self, step: Step) -> Fetched:
        address = pager(self._spec.pagination).address(step.token)
        request = self._builder.request(self._slices[step.slice], address)
        place = Place(endpoint=self._spec.title, page=self._page_number(step))

        def read(answer: Answer) -> Fetched:
            return Fetched(answer=answer, verdict=self._judge.read(answer, place))

        return self._client.call(request, place, read=read, halt=self._halt)

    def _page_number(self, step: Step) -> int | None:
        """The page as people count it, where the token tells."""
        pagination = self._spec.pagination
        token: Any = step.token
        if pagination.style is PageStyle.PAGE:
            return int(token) - pagination.start + 1
        if pagination.style is PageStyle.OFFSET:
            return (int(token) - pagination.start) // max(1, (pagination.size or 1) - pagination.overlap) + 1
        return self._progress.page if step.slice == self._progress.slice else 1


def _ignored(text: str, count: int, title: str) -> Note:
    answers = "1 answer was" if count == 1 else f"{count:,} answers were"
    return Note(level="info", code="ignored", text=f"At '{title}' {answers} ignored: {text.rstrip('.')}.")
