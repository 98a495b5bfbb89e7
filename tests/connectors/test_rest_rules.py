"""Response rules: the first that fits decides, by status and by body."""

import pytest

from connectors.protocol import Fault, SourceError
from tests.doubles.source import Call, Reply, manifest_of, ok, open_scripted, read_all, records, scripted

GOOD = ok({"data": [{"id": 1}]})


def endpoint(*rules: str) -> str:
    lines = "".join(f"\n    - {rule}" for rule in rules)
    return f"- name: items\n  path: /items\n  records: data\n  responses:{lines}"


def read(reply: Reply, *rules: str, then: Reply = GOOD) -> tuple[list[object], list[str]]:
    """Records and notes when `reply` comes first, then `then`."""
    replies = [reply]
    with scripted(lambda _: replies.pop() if replies else then) as server:
        pages = read_all(open_scripted(server, manifest_of(endpoint(*rules))))
    return records(pages), [note.text for page in pages for note in page.notes]


def test_an_ignored_answer_holds_no_records_and_is_noted() -> None:
    found, notes = read(Reply(b"{}", status=404), "{status: 404, action: ignore, message: no such survey}")

    assert found == []
    assert notes == ["At 'Items' 1 answer was ignored: no such survey."]


def test_a_retried_answer_is_asked_for_again() -> None:
    found, _ = read(Reply(b"{}", status=404), "{status: 4xx, action: retry}")

    assert found == [{"id": 1}]


def test_an_answer_that_counts_as_success_is_read() -> None:
    reply = Reply(b'{"data": [{"id": 7}]}', status=404)

    assert read(reply, "{status: [404, 410], action: success}")[0] == [{"id": 7}]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('{"error": {"code": "X1"}, "data": []}', "{when: {path: error}, action: fail, message: M}"),
        ('{"error": {"code": "X1"}}', "{when: {path: error.code, equals: X1}, action: fail, message: M}"),
        ('{"error": {"code": 5}}', "{when: {path: error.code, equals: [4, 5]}, action: fail, message: M}"),
        ('{"ok": false, "data": []}', "{when: {path: ok, equals: false}, action: fail, message: M}"),
        ('{"data": []}', "{when: {path: ok, exists: false}, action: fail, message: M}"),
        ('{"data": [], "note": "quota used up"}', "{when: {contains: quota used}, action: fail, message: M}"),
    ],
)
def test_an_error_in_a_good_answer_fails_by_rule(body: str, rule: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(Reply(body.encode()), rule)

    assert caught.value.message == "The source answered 200 at 'Items', page 1: M."
    assert caught.value.fault is Fault.DATA


@pytest.mark.parametrize(
    "rule",
    [
        "{when: {path: error}, action: fail}",
        "{when: {path: error.code, equals: X2}, action: fail}",
        "{when: {path: ok, equals: 1}, action: fail}",
        "{status: 5xx, action: fail}",
        "{when: {contains: nowhere}, action: fail}",
    ],
)
def test_a_rule_that_does_not_fit_changes_nothing(rule: str) -> None:
    reply = ok({"error": None, "ok": True, "data": [{"id": 1}]})

    assert read(reply, rule)[0] == [{"id": 1}]


def test_the_first_rule_that_fits_decides() -> None:
    rules = (
        "{status: 404, when: {path: code, equals: gone}, action: ignore}",
        '{status: 404, action: fail, message: "{{ endpoint }} {{ status }} {{ page }}"}',
    )

    assert read(Reply(b'{"code": "gone"}', status=404), *rules)[0] == []
    with pytest.raises(SourceError, match="Items 404 1"):
        read(Reply(b"<html>not found</html>", status=404), *rules)


def test_a_rule_of_the_whole_manifest_comes_after_those_of_the_endpoint() -> None:
    common = "responses: [{status: 404, action: fail, message: COMMON}]"

    with scripted(lambda _: Reply(b"", status=404)) as server:
        own = manifest_of(endpoint("{status: 404, action: ignore}"), more=common)
        assert read_all(open_scripted(server, own))[0].count == 0

        bare = manifest_of("- {name: items, path: /items, records: data}", more=common)
        with pytest.raises(SourceError, match="COMMON"):
            read_all(open_scripted(server, bare))


def test_an_answer_without_the_records_is_an_error_and_names_its_keys_only() -> None:
    with pytest.raises(SourceError) as caught:
        read(ok({"error": "secret words", "status": "bad"}), "{status: 404, action: ignore}")

    assert caught.value.fault is Fault.DATA
    assert "it holds error, status, at 'Items', page 1." in caught.value.message
    assert "secret words" not in caught.value.message


def test_no_content_is_no_records() -> None:
    assert read(Reply(b"", status=204), "{status: 404, action: ignore}")[0] == []


def test_ignored_answers_are_counted_over_all_slices_and_over_a_resume() -> None:
    text = """
- name: items
  path: "/items/{{ partition.value }}"
  records: data
  in_flight: 3
  partition: {by: list, values: [a, b, c, d, e], group: 5}
  responses: [{status: 404, action: ignore, message: not there}]
"""

    def answer(call: Call) -> Reply:
        return GOOD if call.path in ("/items/b", "/items/e") else Reply(b"", status=404)

    with scripted(answer) as server:
        source = open_scripted(server, manifest_of(text))
        pages = read_all(source)
        part = source.partitions("items", since=None, now="2024-01-01")[0]
        rest = read_all(source, partition=part, resume=pages[2].state)

    assert [page.count for page in pages] == [0, 1, 0, 0, 1]
    assert [note.text for page in pages for note in page.notes] == ["At 'Items' 3 answers were ignored: not there."]
    assert [page.number for page in rest] == [4, 5]
    assert [note.text for page in rest for note in page.notes] == ["At 'Items' 3 answers were ignored: not there."]


@pytest.mark.parametrize("body", ["No data for this month", "<html>No data for this month</html>"])
def test_a_good_answer_that_is_no_json_is_known_by_its_text(body: str) -> None:
    found, notes = read(Reply(body.encode()), "{when: {contains: No data}, action: ignore, message: nothing there}")

    assert found == []
    assert notes == ["At 'Items' 1 answer was ignored: nothing there."]


def test_a_rule_on_fields_takes_no_answer_that_is_no_json_for_an_empty_one() -> None:
    rule, then = "{when: {path: ok, exists: false}, action: ignore}", ok({"data": [{"id": 1}], "ok": True})

    assert read(Reply(b"<html>Moment please</html>"), rule, then=then)[0] == [{"id": 1}]


def test_jsonp_fails_at_once_and_says_where() -> None:
    with pytest.raises(SourceError) as caught:
        read(Reply(b"cb({});"), "{status: 404, action: ignore}")

    assert caught.value.fault is Fault.CONFIG
    assert "JSONP" in caught.value.message
    assert caught.value.message.endswith("at 'Items', page 1.")
    assert read(Reply(b"cb({});"), "{when: {contains: cb(}, action: ignore, message: nothing there}")[0] == []
