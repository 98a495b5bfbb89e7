"""From a configured data source to an open one: the only file that knows which engine reads what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from django.conf import settings as django_settings

from connectors import manifest as manifests
from connectors.budgets import SharedPace, budget_of
from connectors.models import ConfigRevision, DataSource
from connectors.protocol import CheckStep, Endpoint, Page, ReadRequest, Source
from connectors.rest.auth import MemoryTokens
from connectors.rest.gate import Gate
from connectors.rest.source import RestSource


def open_source(
    manifest: str, *, settings: Mapping[str, str], credentials: Mapping[str, str], shared: bool = False
) -> Source:
    """An open source over a manifest's text. `shared`: within the budget of calls that all tasks with these credentials
    have together, and with the token that those of this process have. Makes no call. Raises ManifestError."""
    told = manifests.parse(manifest)
    opened = partial(
        RestSource,
        told,
        settings=settings,
        credentials=credentials,
        gate=Gate(allow=django_settings.OUTBOUND_ALLOW),
    )
    if not shared:
        return opened()
    budget = budget_of(told.base_url, settings, credentials)
    asked = f"{budget} {told.auth.token_url} {told.auth.scope} {sorted(settings.items())}"
    return opened(token_store=_tokens(asked), pace=partial(SharedPace, budget))


@lru_cache(maxsize=1000)
def _tokens(asked: str) -> MemoryTokens:
    """The tasks of a process share the token that they ask for with the same credentials at the same address."""
    return MemoryTokens()


def open_revision(revision: ConfigRevision) -> Source:
    """The source as it was configured when a run began; the credentials are those of now."""
    return open_source(
        revision.manifest, settings=revision.settings, credentials=revision.source.credentials, shared=True
    )


@lru_cache(maxsize=200)
def tasks_at_once(manifest: str) -> int | None:
    """How many tasks of one source may call at the same time, by a manifest's text; None where it sets no limit."""
    return manifests.parse(manifest).client.tasks_at_once


def open_data_source(source: DataSource) -> Source:
    return open_source(source.connector.manifest, settings=source.settings, credentials=source.credentials)


def check(source: Source) -> Iterator[CheckStep]:
    """Test the connection step by step; closes the source."""
    try:
        yield from source.check()
    finally:
        source.close()


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The first records of an endpoint, for a person to look at. Nothing of it is kept."""

    endpoint: Endpoint
    page: Page | None  # None when the endpoint answered no records

    def lines(self, count: int) -> list[bytes]:
        return self.page.lines.split(b"\n")[: min(count, self.page.count)] if self.page else []


def sample(source: Source, endpoint_name: str, *, now: str) -> Sample:
    """The first page of an endpoint. Raises SourceError, and KeyError for an endpoint that is not there."""
    try:
        endpoint = {item.name: item for item in source.discover()}[endpoint_name]
        partitions: list[Any] = list(source.partitions(endpoint_name, since=None, now=now))
        request = ReadRequest(endpoint=endpoint_name, partition=partitions[0] if partitions else None)
        return Sample(endpoint=endpoint, page=next(iter(source.read(request, stop=lambda: False)), None))
    finally:
        source.close()
