"""A REST source over a manifest: the Source interface on top of session, reading and partitions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from connectors import manifest as m
from connectors.protocol import (
    CheckStep,
    Endpoint,
    Fault,
    Page,
    Partition,
    Partitioning,
    ReadRequest,
    SourceError,
    Table,
    Usage,
)
from connectors.rest import checking, moments, pagination, partitions, rules
from connectors.rest.auth import MemoryTokens, TokenStore
from connectors.rest.client import Clock, Pacing
from connectors.rest.gate import Gate
from connectors.rest.reading import Reading
from connectors.rest.requests import Builder
from connectors.rest.selection import Selector
from connectors.rest.session import Session, Setup

WHOLE: Final[tuple[Mapping[str, str], ...]] = ({},)


class RestSource:
    """An open REST source. Not shared between threads; `usage` may be read from anywhere.

    Opening makes no call and never fails: what is missing shows in `check`, or as a SourceError of the first verb.
    """

    def __init__(
        self,
        manifest: m.Manifest,
        *,
        settings: Mapping[str, str],
        credentials: Mapping[str, str],
        gate: Gate,
        clock: Clock | None = None,
        token_store: TokenStore | None = None,
        pace: Callable[[float | None], Pacing] | None = None,
    ) -> None:
        self.manifest = manifest
        self.usage = Usage()
        self._setup = Setup(
            manifest=manifest,
            settings=settings,
            credentials=credentials,
            gate=gate,
            clock=clock or Clock(),
            tokens=token_store or MemoryTokens(),
            usage=self.usage,
            pace=pace,
        )
        self._opened: Session | None = None

    def check(self) -> Iterator[CheckStep]:
        return checking.steps(self.manifest, open_session=self._session, first_page=self._first_page)

    def discover(self) -> tuple[Endpoint, ...]:
        return tuple(_described(spec) for spec in self.manifest.endpoints)

    def partitions(
        self, endpoint: str, *, since: str | None, now: str, stop: Callable[[], bool] = lambda: False
    ) -> Sequence[Partition]:
        spec = self._spec(endpoint)
        if not isinstance(spec.split, m.ParentRecords):
            return partitions.static(spec, values=self._session().values, since=since, now=now)
        fields = partitions.parent_fields(spec)
        slices = (
            values
            for page in self._whole(spec.split.endpoint, now=now, stop=stop)
            for values in partitions.parent_slices(page.lines, fields)
        )
        return partitions.parent_groups(spec.split, slices)

    def window_start(self, endpoint: str, since: str) -> str:
        cursor = self._spec(endpoint).cursor
        return moments.window_start(cursor, since) if cursor else since

    def read(self, request: ReadRequest, *, stop: Callable[[], bool]) -> Iterator[Page]:
        spec = self._spec(request.endpoint)
        slices = request.partition.slices if request.partition else WHOLE
        if spec.split is not None and request.partition is None:
            raise _needs_partition(spec)
        return self._reading(spec, request, slices, stop).pages()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _session(self) -> Session:
        if self._opened is None:
            self._opened = Session(self._setup)
        return self._opened

    def _reading(
        self,
        spec: m.EndpointSpec,
        request: ReadRequest,
        slices: tuple[Mapping[str, str], ...],
        stop: Callable[[], bool],
    ) -> Reading:
        session = self._session()
        facts = pagination.fact_paths(spec.pagination) + rules.fact_paths(spec.rules)
        return Reading(
            spec=spec,
            client=session.client,
            wire=session.wire,
            builder=Builder(
                base_url=session.base_url,
                spec=spec,
                headers=self.manifest.headers,
                values=session.values,
                since=request.since,
            ),
            judge=rules.Judge(rules=spec.rules, selector=Selector(spec.records, facts), style=self.manifest.auth.style),
            slices=slices,
            resume=request.resume,
            stop=stop,
        )

    def _whole(self, endpoint: str, *, now: str, stop: Callable[[], bool]) -> Iterator[Page]:
        """All pages of an endpoint, all of its partitions after each other."""
        spec = self._spec(endpoint)
        parts: Sequence[Partition | None] = self.partitions(endpoint, since=None, now=now) if spec.split else (None,)
        for part in parts:
            yield from self.read(ReadRequest(endpoint=endpoint, partition=part), stop=stop)

    def _first_page(self, spec: m.EndpointSpec, now: str) -> Page | None:
        part = next(iter(self.partitions(spec.name, since=None, now=now)), None) if spec.split else None
        if spec.split is not None and part is None:
            return None
        alone = replace(spec, in_flight=1)
        slices = part.slices[:1] if part else WHOLE
        reading = self._reading(alone, ReadRequest(endpoint=spec.name), slices, _never)
        try:
            return reading.only_first()
        finally:
            reading.close()

    def _spec(self, endpoint: str) -> m.EndpointSpec:
        try:
            return self.manifest.endpoint(endpoint)
        except KeyError as error:
            raise SourceError(
                f'The manifest of "{self.manifest.title}" has no endpoint "{endpoint}".',
                fault=Fault.CONFIG,
                advice="Choose its endpoints anew on the data source's page.",
            ) from error


def _never() -> bool:
    return False


def _described(spec: m.EndpointSpec) -> Endpoint:
    own = Table(
        name=spec.name,
        description=spec.description,
        key=spec.key,
        cursor=spec.cursor.field if spec.cursor else None,
        depth=spec.depth,
        types=spec.types,
    )
    children = tuple(
        Table(
            name=f"{spec.name}__{child.name}",
            description=child.description,
            array_path=child.path,
            key=child.key,
            depth=child.depth,
            types=child.types,
        )
        for child in spec.tables
    )
    return Endpoint(
        name=spec.name,
        title=spec.title,
        description=spec.description,
        tables=(own, *children),
        partitioning=_partitioning(spec.split),
        incremental=spec.cursor is not None,
        cursor_is_time=spec.cursor is not None and (spec.cursor.format != "as_is" or spec.cursor.look_back > 0),
    )


def _partitioning(split: m.DateWindows | m.ValueList | m.ParentRecords | None) -> Partitioning:
    if split is None:
        return Partitioning.NONE
    return Partitioning.PARENT if isinstance(split, m.ParentRecords) else Partitioning.STATIC


def _needs_partition(spec: m.EndpointSpec) -> SourceError:
    return SourceError(
        f"'{spec.title}' is read in partitions, and none was named.",
        fault=Fault.CONFIG,
        advice="Start the run anew, so that its tasks are planned from the manifest as it is now.",
    )
