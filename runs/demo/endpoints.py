"""The endpoints under /v1: each answers from encoded records, in its own style of pagination."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path

from runs.demo import data
from runs.demo.bench import BLOCK, DEFAULT_ROWS, PERIOD, Bench, block
from runs.demo.flights import Flights
from runs.demo.paging import Call, Page, Records, cursor_at
from runs.demo.wire import BadCallError, Response

MOST_PER_PAGE = 10_000
SUMMARY = "/v1/airports/{faa}/summary"
SUMMARY_PATH = re.compile(r"/v1/airports/([^/]+)/summary")

Answer = Callable[[Call], Response]


class Endpoints:
    """All data of the server. Raises DemoDataError where a file is missing or not what it should be."""

    def __init__(self, folder: Path) -> None:
        self._airlines, self._airports, self._planes = (
            data.Encoded([data.dump(record) for record in data.records(folder, table)])
            for table in ("airlines", "airports", "planes")
        )
        weather = list(data.records(folder, "weather"))
        self._weather = data.Timed([data.dump(one) for one in weather], [one["time_hour"] for one in weather])
        self._weather_since = lru_cache(maxsize=32)(self._weather.since)
        self._flights = Flights(data.flights_text(folder))
        self._answers: dict[str, Answer] = {
            "/v1/airlines": self.airlines,
            "/v1/airports": self.airports,
            "/v1/planes": self.planes,
            "/v1/weather": self.weather,
            "/v1/flights": self.flights,
            SUMMARY: self.summary,
            "/v1/bench": self.bench,
        }

    def warm(self) -> None:
        """Encode now what is otherwise encoded when first asked for: about 3 s."""
        self._flights.pieces(0, len(self._flights))
        for turn in range(PERIOD // BLOCK):
            block(turn)

    def find(self, path: str) -> tuple[str, Answer | None]:
        """The name under which calls of a path are counted, and what answers them."""
        name = SUMMARY if SUMMARY_PATH.fullmatch(path) else path
        return name, self._answers.get(name)

    def airlines(self, call: Call) -> Response:
        return _numbered(call, "airlines", self._airlines, per_page=100)

    def airports(self, call: Call) -> Response:
        limit = call.whole("limit", 500, most=MOST_PER_PAGE)
        page = call.page("airports", self._airports, call.whole("offset", 0, least=0), limit)
        return _json(b'{"items":[', page, b'],"total":%d}' % page.total)

    def planes(self, call: Call) -> Response:
        limit = call.whole("limit", 500, most=MOST_PER_PAGE)
        first = call.cursor("cursor", "planes", most=len(self._planes))
        page = call.page("planes", self._planes, first, limit)
        following = first + limit
        cursor = cursor_at("planes", following) if following < page.total else None
        return _json(b'{"planes":[', page, b'],"next_cursor":%b}' % data.dump(cursor))

    def weather(self, call: Call) -> Response:
        since = call.moment("updated_since")
        records = self._weather if since is None else self._weather_since(data.whole_second(since))
        page = _page(call, "weather", records, per_page=1000)
        headers = {"Link": _links(call, page)} if page.has_next else {}
        return replace(_json(b"[", page, b"]"), headers=headers)

    def flights(self, call: Call) -> Response:
        first, end = call.day("from"), call.day("to")
        if first and end and first > end:
            raise BadCallError(400, "bad_parameter", "The parameter from must not be later than to.")
        page = _page(call, "flights", self._flights.window(first, end, call.moment("updated_since")), per_page=1000)
        link = call.link(page.number + 1) if page.has_next else None
        return _json(b'{"data":{"flights":[', page, b']},"links":{"next":%b}}' % data.dump(link))

    def summary(self, call: Call) -> Response:
        match = SUMMARY_PATH.fullmatch(call.path)
        faa = match[1] if match else ""
        traffic = None if "summary" in call.switches.empty else self._flights.traffic.get(faa)
        if traffic is None:
            raise BadCallError(404, "not_found", "The airport has no flights.")
        departures, arrivals = traffic
        record = data.Encoded([data.dump({"faa": faa, "departures": departures, "arrivals": arrivals})])
        return _json(b'{"summary":', call.page("summary", record, 0, 1), b"}")

    def bench(self, call: Call) -> Response:
        records = Bench(call.whole("rows", DEFAULT_ROWS, least=0))
        return _numbered(call, "bench", records, per_page=1000)


def _page(call: Call, endpoint: str, records: Records, *, per_page: int) -> Page:
    size = call.whole("per_page", per_page, most=MOST_PER_PAGE)
    return call.page(endpoint, records, (call.whole("page", 1) - 1) * size, size)


def _numbered(call: Call, endpoint: str, records: Records, *, per_page: int) -> Response:
    page = _page(call, endpoint, records, per_page=per_page)
    meta = b'],"meta":{"page":%d,"pages":%d,"total":%d}}' % (page.number, page.pages, page.total)
    return _json(b'{"data":[', page, meta)


def _links(call: Call, page: Page) -> str:
    return f'<{call.link(page.number + 1)}>; rel="next", <{call.link(page.pages)}>; rel="last"'


def _json(before: bytes, page: Page, after: bytes) -> Response:
    """The page's records, with commas, between two pieces of JSON; nothing is copied together here."""
    commas = chain.from_iterable((b",", piece) for piece in page.pieces)
    return Response(200, (before, *islice(commas, 1, None), after))
