"""Records leave an answer as lines exactly as they were written; what cannot be read says so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.protocol import Fault, SourceError
from connectors.rest.client import TryAgain
from connectors.rest.kinds import Foreign, contents_of
from connectors.rest.selection import Contents, Selector
from connectors.rest.wire import Answer


def answer(body: bytes, content_type: str = "application/json") -> Answer:
    return Answer(url="https://x/", status=200, headers={"content-type": content_type}, body=body, wire_bytes=len(body))


def select(body: bytes, records: str = "data", facts: tuple[str, ...] = (), content_type: str = "") -> Contents:
    def split(path: str) -> tuple[str, ...]:
        return tuple(part for part in path.split(".") if part)

    return contents_of(answer(body, content_type), Selector(split(records), [split(fact) for fact in facts]))


def test_records_are_passed_on_byte_for_byte() -> None:
    row = b'{"n":12345678901234567890123456789.1234567890123456789,"t":"\\u00e9 \\/ \\n","d":1,"d":2}'

    contents = select(b'{"data":[' + row + b"," + row + b"]}")

    assert contents.lines == row + b"\n" + row + b"\n"
    assert contents.count == 2


@pytest.mark.parametrize(
    ("records", "body"),
    [
        ("", b"[1,2]"),
        ("data", b'{"data":[1,2]}'),
        ("a.b.c", b'{"x":[9],"a":{"z":[8],"b":{"y":7,"c":[1,2]}}}'),
        ("a.b", b'{"a":{"b":[0]},"a":{"b":[1,2]}}'),
    ],
)
def test_records_are_found_by_their_path(records: str, body: bytes) -> None:
    assert select(body, records).lines == b"1\n2\n"


def test_a_single_object_is_one_record() -> None:
    assert select(b'{"summary": {"a": 1}}', "summary").lines == b'{"a": 1}\n'
    assert select(b' {"a": 1}', "").lines == b'{"a": 1}\n'


def test_things_that_are_no_objects_are_passed_on_as_they_are() -> None:
    contents = select(b'{"data":[1,null,"x",[1,2],true,{}]}')

    assert contents.lines.split(b"\n") == [b"1", b"null", b'"x"', b"[1,2]", b"true", b"{}", b""]
    assert contents.count == 6


def test_pretty_printed_records_become_one_line_each() -> None:
    rows = [{"id": 1, "text": "two\nlines\r", "tags": ["a", "b"]}, {"id": 2}]

    for newline in ("\n", "\r\n", "\r"):
        contents = select(json.dumps({"data": rows}, indent=4).replace("\n", newline).encode())

        assert [json.loads(line) for line in contents.lines.splitlines()] == rows
        assert contents.lines.count(b"\n") == 2
        assert b"\r" not in contents.lines


def test_facts_beside_the_records_are_read_in_the_same_walk() -> None:
    body = b'{"meta":{"total":7,"next":null,"deep":{"x":[1]}},"data":{"rows":[1],"more":true},"links":[]}'

    contents = select(
        body, "data.rows", ("meta.total", "meta.deep.x", "data.more", "links.next", "meta.next", "no.where")
    )

    assert contents.facts == {
        ("meta", "total"): 7,
        ("meta", "deep", "x"): [1],
        ("data", "more"): True,
        ("links", "next"): None,
        ("meta", "next"): None,
        ("no", "where"): None,
    }
    assert contents.lines == b"1\n"


def test_facts_that_lie_inside_each_other_are_read_too() -> None:
    contents = select(b'{"a":{"b":{"c":1}},"data":[5]}', "data", ("a", "a.b", "a.b.c", "data"))

    assert contents.facts[("a", "b", "c")] == 1
    assert contents.facts[("a", "b")] == {"c": 1}
    assert contents.facts[("data",)] == [5]
    assert contents.lines == b"5\n"


def test_nan_and_infinity_are_passed_on_literally() -> None:
    body = b'{"total":2,"data":[{"a":NaN,"b":"NaN, Infinity","c":[-Infinity,Infinity]},{"a":"\\\\\\"NaN"}]}'

    contents = select(body, facts=("total",))

    first = b'{"a":NaN,"b":"NaN, Infinity","c":[-Infinity,Infinity]}'
    assert contents.lines == first + b'\n{"a":"\\\\\\"NaN"}\n'
    assert (contents.count, contents.facts[("total",)]) == (2, 2)


def test_halves_of_surrogate_pairs_are_passed_on_literally() -> None:
    row = b'{"a":"\\ud800","b":"\\\\ud800","c":"\\uD83D\\ude00","d":"x\\udc00y","e":NaN}'

    assert select(b'{"data":[' + row + b"]}").lines == row + b"\n"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"<html>", "HTML"),
        (b'{"data":[{"a":1},{"a"', "cut short"),
        (b'{"data":[{"a":NaN},{"a"', "cut short"),
        (b'{"data":[1]} tail', "no valid JSON"),
        (b'{"data":[1]}{"data":[2]}', "no valid JSON"),
        (b'{"data":[{"a":"\x01"}]}', "no valid JSON"),
        (b'{"data":[{"a":NaNa}]}', "no valid JSON"),
        (b"{'data': []}", "no valid JSON"),
        (b"maintenance", "no valid JSON"),
    ],
)
def test_what_is_no_json_is_worth_another_try(body: bytes, reason: str) -> None:
    for records in ("data", "", "data.deeper"):
        with pytest.raises(TryAgain, match=reason):
            select(body, records)


@pytest.mark.parametrize("body", [b"{}", b'{"items":[]}', b"[1]", b"3", b"null", b'"data"', b'{"data.rows":[1]}'])
def test_missing_records_are_told_from_no_records(body: bytes) -> None:
    assert not select(body, "data.rows").found


def test_no_records_are_no_records() -> None:
    for body in (b'{"data":[]}', b'{"data":null}', b'{"data": [ ] }'):
        assert select(body) == Contents(lines=b"", count=0, facts={})


def test_a_deep_record_is_passed_on_and_an_absurd_one_is_an_error() -> None:
    deep = b'{"a":' * 500 + b"1" + b"}" * 500

    assert select(b'{"data":[' + deep + b"]}").lines == deep + b"\n"
    with pytest.raises(SourceError, match="nested too deeply"):
        select(b'{"data":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}")


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [
        ("application/json; charset=ISO-8859-1", "latin-1"),
        ('application/json;charset="windows-1252"', "cp1252"),
        ("application/json; charset=utf-16", "utf-16"),
        ("application/json; charset=UTF-8", "utf-8-sig"),
        ("application/json; charset=us-ascii", "utf-8"),
        ("application/json", "utf-8"),
    ],
)
def test_the_declared_character_set_is_honoured(charset: str, encoding: str) -> None:
    contents = select('{"data":["Köln é"]}'.encode(encoding), content_type=charset)

    assert contents.lines.decode() == '"Köln é"\n'


@pytest.mark.parametrize("at", [0, 32_766, 32_767, 32_768, 70_000])
def test_bytes_that_are_not_utf_8_are_an_error_and_no_mojibake(at: int) -> None:
    good = '{"data":["' + "a" * at + '€","' + "b" * 40_000 + '"]}'

    assert select(good.encode()).count == 2
    for bad in (b"\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\x80"):
        with pytest.raises(SourceError, match='not "utf-8"') as caught:
            select(good.encode().replace("€".encode(), bad))
        assert caught.value.fault is Fault.DATA


def test_a_character_cut_off_at_the_end_is_an_error() -> None:
    with pytest.raises(SourceError, match='not "utf-8"'):
        select(b'{"data":["\xe2\x82')


@pytest.mark.parametrize("charset", ["martian", "zip", "unicode_escape", "hex", "idna", "rot13", "utf-8\x00x"])
def test_an_unknown_character_set_is_an_error(charset: str) -> None:
    with pytest.raises(SourceError, match=r'not known|not "') as caught:
        select(b'{"data":["\xff"]}', content_type=f"application/json; charset={charset}")
    assert caught.value.fault is Fault.DATA


PIECES = ["NaN", "Infinity", "-Infinity", "\\ud800", "\ud800", '"', "\\", "-", "I", " ", "u", ":", ",", "[", "{", "}"]
WORDS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
ODD = st.recursive(
    WORDS | st.sampled_from([float("nan"), float("inf"), float("-inf"), 1, None]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)


@given(st.lists(ODD, max_size=4))
def test_whatever_python_writes_is_passed_on_byte_for_byte(values: list[object]) -> None:
    texts = [json.dumps(value) for value in values]

    contents = select(f'{{"data":[{",".join(texts)}]}}'.encode())

    assert contents.lines == "".join(f"{text}\n" for text in texts).encode()


NDJSON = "application/x-ndjson"
ROWS = b'{"id":1,"t":"\\n\xe2\x80\xa8"}\r\n\n {"id":2,"n":[1,{"a":NaN}]}\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (NDJSON, ROWS),
        ("application/jsonl; charset=utf-8", ROWS[:-1]),
        ("application/json-seq", b"\x1e" + ROWS.replace(b"\n {", b"\n\x1e{")),
        ("application/json", ROWS),
        ("", ROWS),
    ],
)
def test_json_lines_are_a_list_of_records(content_type: str, body: bytes) -> None:
    contents = select(body, "", content_type=content_type)

    assert contents.count == 2
    assert contents.lines == b'{"id":1,"t":"\\n\xe2\x80\xa8"}\n{"id":2,"n":[1,{"a":NaN}]}\n'


def test_json_lines_may_hold_their_records_in_a_place() -> None:
    body = b'{"result":{"id":1}}\n{"result":[{"id":2},{"id":3}],"next":"a"}\n'

    contents = select(body, "result", ("next",), NDJSON)

    assert (contents.lines, contents.count) == (b'{"id":1}\n{"id":2}\n{"id":3}\n', 3)
    assert contents.facts == {("next",): "a"}
    odd = select(body + b'{"error":"secret"}', "result", content_type=NDJSON)
    assert (odd.found, odd.keys) == (False, ("error",))


def test_json_that_says_it_is_lines_is_read_as_it_is() -> None:
    assert select(b"", "", content_type=NDJSON).count == 0
    assert select(b'[\n{"id":1},\n{"id":2}\n]', "", content_type=NDJSON).count == 2
    assert select(b'{\n"data": [1, 2]}', "data", content_type=NDJSON).count == 2


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        (NDJSON, b'{"id":1}\n{"id":', "cut short"),
        (NDJSON, b'{"id":1}\n{"id":2},{"id":3}', "no valid JSON"),
        (NDJSON, b'{"id":1}\nplease wait\n{"id":2}', "no valid JSON"),
        (NDJSON, b"<html>\n</html>", "HTML"),
        ("", b'{"id":1}\n{"id":2,,}', "no valid JSON"),
        ("text/csv; charset=utf-8", b"id,name\n1,one\n", r"no valid JSON \(it calls itself text/csv\)"),
        ("application/xml", b"<rows/>", "XML"),
        ("", b'<?xml version="1.0"?><rows/>', "XML"),
        ("application/xhtml+xml", b"<html>", "HTML"),
    ],
)
def test_what_came_instead_of_json_is_named(content_type: str, body: bytes, reason: str) -> None:
    with pytest.raises(TryAgain, match=reason) as caught:
        select(body, "", content_type=content_type)

    assert not isinstance(caught.value, Foreign)


@pytest.mark.parametrize(
    "body", [b'cb({"data": []});', b'/**/ jQuery1.x_2 ([{"a": "b"}])', b"typeof cb === 'function' && cb({\"a\":1});\n"]
)
def test_jsonp_is_named_and_not_tried_again(body: bytes) -> None:
    with pytest.raises(Foreign) as caught:
        select(body)

    assert caught.value.error.fault is Fault.CONFIG
    assert "JSONP" in caught.value.error.message
    assert "`callback`" in caught.value.error.advice


@pytest.mark.parametrize("guard", [b")]}'\n", b")]}',\n", b"for (;;);", b"while(1);"])
def test_json_behind_a_guard_against_scripts_is_read(guard: bytes) -> None:
    assert select(guard + b'{"data":[1]}').lines == b"1\n"
