"""Every page style reads all records once and in order, goes on from a checkpoint, and stops loudly in a circle."""

from typing import Any

import pytest

from connectors.protocol import Fault, ReadRequest, SourceError
from tests.doubles.source import Call, Reply, manifest_of, ok, open_scripted, read_all, records, scripted

ROWS = [{"id": number} for number in range(1, 24)]
SIZE = 5


def by_page(call: Call) -> Reply:
    page = int(call.params["page"])
    rows = ROWS[(page - 1) * SIZE : page * SIZE]
    return ok({"data": rows, "meta": {"pages": 5, "total": len(ROWS)}})


def by_offset(call: Call) -> Reply:
    offset = int(call.params["offset"])
    return ok({"data": ROWS[offset : offset + int(call.params["limit"])], "meta": {"total": len(ROWS)}})


def by_cursor(call: Call) -> Reply:
    at = int(call.params.get("cursor", "0"))
    following = at + SIZE if at + SIZE < len(ROWS) else None
    return ok({"data": ROWS[at : at + SIZE], "next": following, "more": following is not None})


def by_link(call: Call) -> Reply:
    at = int(call.params.get("at", "0"))
    link = f"/items?at={at + SIZE}&size=5" if at + SIZE < len(ROWS) else None
    return ok({"data": ROWS[at : at + SIZE], "links": {"next": link}})


def by_header(call: Call) -> Reply:
    at = int(call.params.get("at", "0"))
    links = '</items?at=0>; rel="first"'
    if at + SIZE < len(ROWS):
        links += f', <http://{call.headers["host"]}/items?at={at + SIZE}>; title="a, b"; rel="prev next"'
    return ok({"data": ROWS[at : at + SIZE]}, Link=links)


STYLES: dict[str, tuple[Any, str]] = {
    "pages": (by_page, "{style: page, size_param: size, size: 5, pages_path: meta.pages}"),
    "total": (by_page, "{style: page, size_param: size, size: 5, total_path: meta.total}"),
    "short": (by_page, "{style: page, size_param: size, size: 5}"),
    "empty": (by_page, "{style: page, size_param: size, size: 5, stop: empty}"),
    "empty_unsized": (by_page, "{style: page}"),
    "offset_total": (by_offset, "{style: offset, size: 5, total_path: meta.total}"),
    "offset_short": (by_offset, "{style: offset, size: 5}"),
    "cursor": (by_cursor, "{style: cursor, path: next}"),
    "cursor_more": (by_cursor, "{style: cursor, path: next, more_path: more}"),
    "next_link": (by_link, "{style: next_link, path: links.next}"),
    "link_header": (by_header, "{style: link_header}"),
}


def endpoint(pagination: str, in_flight: int = 1) -> str:
    return f"- {{name: items, path: /items, records: data, in_flight: {in_flight}, pagination: {pagination}}}"


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("style", STYLES)
def test_every_record_comes_once_and_in_order(style: str, in_flight: int) -> None:
    answer, pagination = STYLES[style]

    with scripted(answer) as server:
        pages = read_all(open_scripted(server, manifest_of(endpoint(pagination, in_flight))))

    assert [row["id"] for row in records(pages)] == list(range(1, 24))
    assert [page.number for page in pages] == list(range(1, len(pages) + 1))
    assert all(page.lines.count(b"\n") == page.count for page in pages)
    assert not [note for page in pages for note in page.notes]


@pytest.mark.parametrize("style", STYLES)
def test_reading_goes_on_after_any_page(style: str) -> None:
    answer, pagination = STYLES[style]

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(endpoint(pagination, in_flight=3)))
        whole = read_all(source)
        for index, page in enumerate(whole):
            rest = read_all(source, resume=page.state)
            assert [p.lines for p in rest] == [p.lines for p in whole[index + 1 :]]
            assert [p.number for p in rest] == [p.number for p in whole[index + 1 :]]


def test_a_single_answer_is_asked_for_once() -> None:
    with scripted(lambda _: ok({"data": ROWS})) as server:
        pages = read_all(open_scripted(server, manifest_of("- {name: items, path: /items, records: data}")))

        assert len(server.calls) == 1
    assert records(pages) == ROWS


def test_an_empty_endpoint_answers_one_page_without_records() -> None:
    for answer in ({"data": []}, {"data": None}):
        with scripted(lambda _, answer=answer: ok(answer)) as server:
            pages = read_all(open_scripted(server, manifest_of(endpoint("{style: page}"))))

        assert [(page.count, page.lines) for page in pages] == [(0, b"")]


def test_a_source_that_sends_fewer_than_asked_is_still_read_whole() -> None:
    def stingy(call: Call) -> Reply:
        offset = int(call.params["offset"])
        return ok({"data": ROWS[offset : offset + 4], "meta": {"total": len(ROWS)}})

    for in_flight in (1, 4):
        with scripted(stingy) as server:
            text = endpoint("{style: offset, size: 10, total_path: meta.total}", in_flight)
            pages = read_all(open_scripted(server, manifest_of(text)))

        assert records(pages) == ROWS


def test_an_overlap_asks_again_for_the_last_records() -> None:
    with scripted(by_offset) as server:
        text = endpoint("{style: offset, size: 5, overlap: 1, total_path: meta.total}")
        pages = read_all(open_scripted(server, manifest_of(text)))

        assert server.asked("offset")[:3] == ["0", "4", "8"]
    assert {row["id"] for row in records(pages)} == set(range(1, 24))


def test_a_total_that_was_not_sent_is_noted() -> None:
    def forgetful(call: Call) -> Reply:
        rows = ROWS[:7] if call.params["offset"] == "0" else []
        return ok({"data": rows, "meta": {"total": 9}})

    with scripted(forgetful) as server:
        text = endpoint("{style: offset, size: 7, total_path: meta.total}")
        pages = read_all(open_scripted(server, manifest_of(text)))

    assert [note.code for note in pages[-1].notes] == ["count_drift"]
    assert "announced 9 records and sent 7" in pages[-1].notes[0].text


CIRCLES = {
    "cursor": (lambda _: ok({"data": [{"n": 1}], "next": "same"}), "{style: cursor, path: next}"),
    "link": (lambda _: ok({"data": [], "next": "/items?page=1"}), "{style: next_link, path: next}"),
    "header": (lambda _: ok({"data": []}, Link="</items?page=1>; rel=next"), "{style: link_header}"),
    "page": (lambda _: ok({"data": ROWS[:5]}), "{style: page, size_param: size, size: 5}"),
    "offset": (lambda _: ok({"data": ROWS[:5]}), "{style: offset, size: 5}"),
}


@pytest.mark.parametrize("style", CIRCLES)
def test_pages_that_go_in_a_circle_stop_loudly(style: str) -> None:
    answer, pagination = CIRCLES[style]

    with scripted(answer) as server, pytest.raises(SourceError) as caught:
        read_all(open_scripted(server, manifest_of(endpoint(pagination))))

    assert caught.value.fault is Fault.CONFIG
    assert "Reading was stopped" in caught.value.message
    assert "at 'Items', page" in caught.value.message


def test_two_cursors_that_alternate_are_a_circle_too() -> None:
    def alternate(call: Call) -> Reply:
        following = {"": "a", "a": "b", "b": "a"}[call.params.get("cursor", "")]
        return ok({"data": [{"at": following}], "next": following})

    with scripted(alternate) as server, pytest.raises(SourceError, match="read already"):
        read_all(open_scripted(server, manifest_of(endpoint("{style: cursor, path: next}"))))


def test_endless_pages_stop_at_the_most_allowed() -> None:
    def endless(call: Call) -> Reply:
        return ok({"data": [{"page": call.params["page"]}]})

    with scripted(endless) as server, pytest.raises(SourceError, match="more than 20 pages"):
        read_all(open_scripted(server, manifest_of(endpoint("{style: page, max_pages: 20}", in_flight=2))))


def test_a_next_link_to_another_host_is_refused_and_not_called() -> None:
    with scripted(lambda _: ok({"data": [], "next": "https://evil.example/items"})) as server:
        source = open_scripted(server, manifest_of(endpoint("{style: next_link, path: next}")))
        with pytest.raises(SourceError, match=r"another host \(\"evil.example\"\)") as caught:
            read_all(source)

        assert len(server.calls) == 1
    assert caught.value.fault is Fault.CONFIG


def test_errors_of_pages_beyond_the_last_do_not_matter() -> None:
    def strict(call: Call) -> Reply:
        page = int(call.params["page"])
        return by_page(call) if page <= 5 else Reply(b"{}", status=400)

    with scripted(strict) as server:
        text = endpoint("{style: page, size_param: size, size: 5}", in_flight=4)
        pages = read_all(open_scripted(server, manifest_of(text)))

    assert records(pages) == ROWS


def test_the_next_page_is_in_flight_while_the_reader_works_on_the_last() -> None:
    import threading

    second_came = threading.Event()

    def answer(call: Call) -> Reply:
        if call.params.get("cursor"):
            second_came.set()
        return by_cursor(call)

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(endpoint("{style: cursor, path: next}")))
        reading = source.read(ReadRequest(endpoint="items"), stop=lambda: False)
        next(reading)

        assert second_came.wait(5)
        reading.close()


def test_pages_can_be_asked_for_in_a_body() -> None:
    def search(call: Call) -> Reply:
        page = call.json["paging"]["page"]
        return ok({"hits": ROWS[(page - 1) * SIZE : page * SIZE]})

    text = """
- name: items
  path: /search
  method: POST
  body: {query: all, paging: {sort: id}}
  records: hits
  pagination: {style: page, param: paging.page, size_param: paging.size, size: 5, into: body}
"""
    with scripted(search) as server:
        pages = read_all(open_scripted(server, manifest_of(text)))

        assert server.calls[0].json == {"query": "all", "paging": {"sort": "id", "page": 1, "size": 5}}
        assert server.calls[0].headers["content-type"] == "application/json"
    assert records(pages) == ROWS


@pytest.mark.parametrize("cursor", ["0012345", "12345678901234567890", 42, "²"], ids=str)
def test_a_cursor_goes_into_a_body_as_it_came(cursor: str | int):
    def search(call: Call) -> Reply:
        return ok({"hits": ROWS[:1], "next": cursor} if "after" not in call.json else {"hits": ROWS[1:2], "next": None})

    text = """
- name: items
  path: /search
  method: POST
  records: hits
  pagination: {style: cursor, param: after, path: next, into: body}
"""
    with scripted(search) as server:
        pages = read_all(open_scripted(server, manifest_of(text)))

        assert [call.json for call in server.calls] == [{}, {"after": cursor}]
    assert records(pages) == ROWS[:2]


@pytest.mark.parametrize("style", ["next_link", "link_header"])
def test_a_link_with_blanks_and_letters_beyond_ascii_is_followed(style: str):
    def answer(call: Call) -> Reply:
        more = call.params.get("q") != "größe 10 €"
        link = "/items?q=größe 10 €" if more else ""
        header = {"Link": f'<{link}>; rel="next"'.encode().decode("latin-1")} if more else {}
        return ok({"data": ROWS[more : more + 1], "next": link}, **header)

    pagination = f"{{style: {style}{', path: next' if style == 'next_link' else ''}}}"
    with scripted(answer) as server:
        pages = read_all(open_scripted(server, manifest_of(endpoint(pagination))))

        assert len(server.calls) == 2
    assert records(pages) == [ROWS[1], ROWS[0]]


@pytest.mark.parametrize(
    "style",
    ["{style: cursor, path: next}", "{style: cursor, path: next, more_path: more}", "{style: next_link, path: next}"],
)
def test_a_list_without_a_place_for_the_next_page_is_not_taken_for_all_there_is(style: str) -> None:
    text = endpoint(style).replace("records: data, ", "")

    with scripted(lambda _: ok([{"n": 1}])) as server, pytest.raises(SourceError) as caught:
        read_all(open_scripted(server, manifest_of(text)))
    assert caught.value.fault is Fault.CONFIG
    assert "a list of records, which has no `next`" in caught.value.message

    with scripted(lambda _: ok([])) as server:
        assert records(read_all(open_scripted(server, manifest_of(text)))) == []


def test_json_lines_are_paged_by_what_the_last_of_them_says() -> None:
    def answer(call: Call) -> Reply:
        first = call.params.get("cursor") is None
        return Reply(b'{"data":{"n":1}}\n{"data":{"n":2}}\n{"next":"b","data":[]}' if first else b'{"data":{"n":3}}\n')

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(endpoint("{style: cursor, path: next}")))
        assert records(read_all(source)) == [{"n": 1}, {"n": 2}, {"n": 3}]


LIES = {
    "no_pages": ("{style: page, size_param: size, size: 5, pages_path: pages}", {"pages": 0}),
    "few_pages_and_a_total": ("{style: page, size_param: size, size: 5, total_path: total}", {"total": 7}),
    "no_total": ("{style: offset, size: 5, total_path: total}", {"total": 0}),
    "low_total": ("{style: offset, size: 5, overlap: 1, total_path: total}", {"total": 8}),
}


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("lie", LIES)
def test_a_count_that_is_proven_wrong_ends_nothing_early(lie: str, in_flight: int) -> None:
    style, claims = LIES[lie]

    def answer(call: Call) -> Reply:
        start = int(call.params["offset"]) if "offset" in call.params else (int(call.params["page"]) - 1) * SIZE
        return ok({"data": ROWS[start : start + SIZE], **claims})

    with scripted(answer) as server:
        found = records(read_all(open_scripted(server, manifest_of(endpoint(style, in_flight)))))

    assert {row["id"] for row in found} == {row["id"] for row in ROWS}


@pytest.mark.parametrize("cursor", [{}, {"next": None}, {"next": ""}])
def test_more_without_a_cursor_is_not_taken_for_the_end(cursor: dict[str, object]) -> None:
    text = endpoint("{style: cursor, path: next, more_path: more}")

    says_more = scripted(lambda _: ok({"data": [{"n": 1}], "more": True, **cursor}))
    with says_more as server, pytest.raises(SourceError, match="says that there is more") as caught:
        read_all(open_scripted(server, manifest_of(text)))
    assert caught.value.fault is Fault.CONFIG

    with scripted(lambda _: ok({"data": [], "more": True, **cursor})) as server:
        assert records(read_all(open_scripted(server, manifest_of(text)))) == []
