"""The list of runs as it is read: one page of it, bounded however many there are, and the addresses that change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from runs.admin import columns
from runs.admin.filters import RunFilter
from runs.models import Run

PER_PAGE: Final = 50
LAST_PAGE: Final = 1_000
MOST_SORTED: Final = 5_000  # of the newest that match, 25 ms of the database; nobody waits for more to be sorted
ORDER, PAGE, SEARCH, ALL = "o", "p", "q", "all"
REMEMBERED, AGAIN = "runs-list", "again"  # in the session, and in the address that it leads to
BLAMED: Final = (
    "failure", "by", "longer", "fault", "attention", "trigger", "type", "status", "period", "source",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One thing that was asked for; `address` is the list without it."""

    words: str
    address: str
    blamed: bool = False


class RunList(ChangeList):
    """Django's own list with its filters and search, that reads the ids of one page, then those rows."""

    def __init__(self, request: HttpRequest, *arguments: Any) -> None:
        self.request, self.asked = request, request.GET.copy()
        self.again = request.GET.get(ALL) == AGAIN
        self.order = _order(request.GET.get(ORDER, ""))
        super().__init__(request, *arguments)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Run]) -> list[Any]:
        return [name.removeprefix("-") if self.order == "run_id" else name for name in self._newest_first]

    @property
    def _newest_first(self) -> list[str]:
        """Ids rise with time. Days long ago are read by their index: by id, all newer runs would be passed first."""
        return ["-created_at", "-pk"] if {"from", "to"} & set(self.asked) else ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        self.page_num = min(max(self.page_num, 1), LAST_PAGE)
        ids, first = self._ids(), (self.page_num - 1) * PER_PAGE
        found = Run.objects.select_related("source").defer("source__settings", "source__sealed_credentials", "outcome")
        rows = {run.pk: run for run in found.filter(pk__in=ids[:PER_PAGE])}
        self.result_list = columns.with_bands(rows[pk] for pk in ids[:PER_PAGE] if pk in rows)
        self.has_next = len(ids) > PER_PAGE and self.page_num < LAST_PAGE
        self.at_the_end = len(ids) > PER_PAGE and self.page_num == LAST_PAGE
        self.first, self.last = first + 1, first + len(self.result_list)
        self.result_count = self.last + (1 if len(ids) > PER_PAGE else 0)
        self.full_result_count, self.show_full_result_count = self.result_count, False  # no count is shown
        self.show_admin_actions, self.can_show_all, self.multi_page = True, False, True
        self.paginator = Paginator(self.result_list, PER_PAGE)

    def _ids(self) -> list[int]:
        """The ids of this page, and one more where there is a next one."""
        first = (self.page_num - 1) * PER_PAGE
        bare = self.queryset.select_related(None)
        self.cut = False
        if self.order.lstrip("-") in ("", "run_id"):
            return list(bare.values_list("pk", flat=True)[first : first + PER_PAGE + 1])
        bare = bare.order_by(*self._newest_first)
        self.cut = bool(bare.values_list("pk")[MOST_SORTED : MOST_SORTED + 1])
        return _sorted(bare, self.order, first)

    @property
    def most_sorted(self) -> str:
        return f"{MOST_SORTED:,}"

    @property
    def count_words(self) -> str:
        """Where in the list this page is; the whole is never counted."""
        many = f"{self.last:,}" if not (self.has_next or self.at_the_end) else "many"
        return f"{self.first:,}–{self.last:,} of {many}" if self.result_list else "None"

    def link(self, **changes: str | None) -> str:
        """This list with these parameters changed, from its first page; None takes one away."""
        query = self._query()
        for name, value in changes.items():
            query.pop(name, None)
            if value:
                query[name] = value
        return _address(query)

    @property
    def previous_link(self) -> str:
        return self._page_link(self.page_num - 1)

    @property
    def next_link(self) -> str:
        return self._page_link(self.page_num + 1)

    def _page_link(self, number: int) -> str:
        return self.link(**{PAGE: str(number) if number > 1 else None})

    def headings(self) -> list[columns.Heading]:
        return columns.headings(self.order, lambda order: self.link(**{ORDER: order}))

    @property
    def chips(self) -> list[Chip]:
        blame = self.to_blame
        return [
            Chip(
                words=f"{str(spec.title).capitalize()}: {words}",
                address=self._without(spec, value),
                blamed=blame == spec.parameter_name,
            )
            for spec in self.specs
            for value, words in spec.chips
        ]

    @property
    def without_search(self) -> str:
        return self.link(**{SEARCH: None})

    @property
    def specs(self) -> list[RunFilter]:
        return [spec for spec in self.filter_specs if isinstance(spec, RunFilter)]

    @property
    def active_count(self) -> int:
        return sum(bool(spec.chips) for spec in self.specs)

    @property
    def to_blame(self) -> str:
        """The filter without which something would match, where nothing does; "" where no single one is."""
        if self.result_list or self.page_num > 1:
            return ""
        if not hasattr(self, "_blame"):
            active = sorted((s for s in self.specs if s.chips), key=lambda s: BLAMED.index(s.parameter_name))
            self._blame = next((s.parameter_name for s in active if len(active) > 1 and self._some_without(s)), "")
            if len(active) == 1 and not self.query:
                self._blame = active[0].parameter_name
        return self._blame

    def _some_without(self, left_out: RunFilter) -> bool:
        found: Any = self.root_queryset
        for spec in self.specs:
            found = found if spec is left_out else spec.queryset(self.request, found)
        found, _ = self.model_admin.get_search_results(self.request, found, self.query)
        return bool(found.order_by("-pk").values_list("pk")[:1])

    def _without(self, spec: RunFilter, value: str) -> str:
        query, kept = self._query(), [one for one in spec.chosen if value and one != value]
        for name in spec.names if value else ("from", "to"):
            query.pop(name, None)
        if kept:
            query.setlist(spec.parameter_name, kept)
        return _address(query)

    def _query(self) -> QueryDict:
        query = self.asked.copy()
        for name in (PAGE, ALL, "e"):
            query.pop(name, None)
        return query


def _address(query: QueryDict) -> str:
    """A list without any filter says so: an address that says nothing returns to the last ones."""
    return f"?{query.urlencode() or f'{ALL}=1'}"


def _order(text: str) -> str:
    return text if text.removeprefix("-") in columns.BY_NAME else ""


def _sorted(newest: QuerySet[Run], order: str, first: int) -> list[int]:
    """The newest are cut off inside, so that the database sorts a bounded number of narrow rows."""
    key = columns.BY_NAME[order.lstrip("-")].order
    inner = newest.annotate(sort_key=key).values_list("id", "sort_key")[:MOST_SORTED]
    sql, values = inner.query.sql_with_params()
    way = "DESC" if order.startswith("-") else "ASC"
    outer = f"SELECT newest.id FROM ({sql}) AS newest ORDER BY newest.sort_key {way} NULLS LAST, newest.id DESC LIMIT %s OFFSET %s"  # fmt: skip # noqa: E501
    with connection.cursor() as cursor:
        cursor.execute(outer, [*values, PER_PAGE + 1, first])
        return [row[0] for row in cursor.fetchall()]


def better_address(request: HttpRequest, names: Sequence[str]) -> str:
    """Where to go instead: without what a form left empty; or, for an address that says nothing, back to the last
    filters of this person's session. Keeps the filters that are asked for now; `?all=1` forgets them."""
    before: str = request.session.get(REMEMBERED, "")
    if not request.GET:
        return f"?{before}&{ALL}={AGAIN}" if before else ""
    said = request.GET.copy()
    for name, values in request.GET.lists():
        said.setlist(name, [value for value in values if value])
    if said != request.GET:
        said.pop(ALL, None)
        return _address(said)
    kept = QueryDict(mutable=True)
    for name in (*names, ORDER):
        kept.setlist(name, said.getlist(name))
    now = kept.urlencode()
    if now != before and SEARCH not in said and PAGE not in said:
        request.session[REMEMBERED] = now
    return ""
