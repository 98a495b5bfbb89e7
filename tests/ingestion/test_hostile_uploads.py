"""Files that mean harm, or come from programs with faults, sent to the running service: each batch fails with an error
that one can act on, or tells which rows it left out; the service stays as it is. And schemas of the same kind."""

import gzip
import io
import json
import struct
import tempfile
import threading
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingestion.checking import compile_schema
from ingestion.checking.schema import SchemaProblem
from tests.clients.service import LINES, running

pytestmark = [pytest.mark.django_db]
MB = 1 << 20
OCTETS = {"Content-Type": "application/octet-stream"}
FLAT = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}


@pytest.fixture(scope="module")
def service(django_db_setup, django_db_blocker, tmp_path_factory):
    with running(tmp_path_factory.mktemp("hostile"), django_db_blocker) as started:
        yield started


@pytest.fixture
def program(service):
    yield service.program()
    assert "Traceback" not in service.log


def parquet(sql, *options):
    """What DuckDB writes for a query."""
    with duckdb.connect() as duck, tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "made.parquet"
        told = ", ".join(["FORMAT parquet", *options])
        duck.execute(f"COPY ({sql}) TO '{target}' ({told})")
        return target.read_bytes()


def zipped(data):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", data)
    return made.getvalue()


GOOD = parquet("SELECT range AS id, 'n' || range AS name FROM range(1000)")
FOOTER = struct.unpack("<I", GOOD[-8:-4])[0]
REFUSED = {  # of the whole file: format, its bytes, the code
    "json: nothing": ("json", b"", "106"),
    "json: blank lines": ("json", b"\n \n\t\r\n", "106"),
    "json: gzip": ("json", gzip.compress(LINES), "INGEST-1411-400"),
    "json: a gzip bomb": ("json", gzip.compress(bytes(50 * MB)), "INGEST-1411-400"),
    "json: zip": ("json", zipped(LINES), "INGEST-1411-400"),
    "json: Parquet": ("json", GOOD, "INGEST-1411-400"),
    "json: UTF-16": ("json", LINES.decode().encode("utf-16"), "INGEST-1411-400"),
    "json: a web page": ("json", b"<!DOCTYPE html><script>alert(1)</script>", "INGEST-1411-400"),
    "csv: blank": ("csv", b"\n\n", "118"),
    "csv: zip": ("csv", zipped(b"id,name\n1,a\n"), "INGEST-1411-400"),
    "csv: columns of one name": ("csv", b"id,id\n1,2\n", "INGEST-1416-400"),
    "csv: 10,001 columns": ("csv", ",".join(f"c{n}" for n in range(10_001)).encode() + b"\n1\n", "INGEST-1415-400"),
    "csv: a number that is none": ("csv", b"id,name\n1,a\nx,b\n", "INGEST-1418-400"),
    "csv: not UTF-8": ("csv", b"id,name\n1,\xff\xfe\n", "INGEST-1211-400"),
    "csv: a quote without end": ("csv", b'id,name\n1,"a\n' + b"x,y\n" * 1000, "INGEST-1413-400"),
    "parquet: nothing but its magic": ("parquet", b"PAR1PAR1", "INGEST-1413-400"),
    "parquet: cut in half": ("parquet", GOOD[: len(GOOD) // 2], "INGEST-1413-400"),
    "parquet: without its last byte": ("parquet", GOOD[:-1], "INGEST-1413-400"),
    "parquet: a footer of four gigabytes": ("parquet", GOOD[:-8] + b"\xff\xff\xff\xffPAR1", "INGEST-1413-400"),
    "parquet: a footer of zeros": ("parquet", GOOD[: -8 - FOOTER] + bytes(FOOTER) + GOOD[-8:], "INGEST-1413-400"),
    "parquet: a footer of noise": (
        "parquet", GOOD[: -8 - FOOTER] + bytes(n * 7 % 256 for n in range(FOOTER)) + GOOD[-8:], "INGEST-1413-400",
    ),
    "parquet: pages of noise": (
        "parquet", GOOD[:4] + bytes(n * 11 % 256 for n in range(len(GOOD) - 12 - FOOTER)) + GOOD[-8 - FOOTER :],
        "INGEST-1413-400",
    ),
    "parquet: encrypted": ("parquet", GOOD[:-4] + b"PARE", "INGEST-1414-400"),
    "parquet: JSON": ("parquet", LINES, "INGEST-1411-400"),
    "parquet: a bomb": (
        "parquet", parquet("SELECT range AS id, repeat('x', 400000) AS name FROM range(5000)"), "INGEST-1421-400",
    ),
}  # fmt: skip
TURNED_DOWN = {  # of single records, beside a good one: a line of JSON, the code
    "cut short": (b'{"id": 1, "name": "a', "INGEST-1401-400"),
    "NaN": (b'{"id": 1, "score": NaN}', "INGEST-1403-400"),
    "infinity": (b'{"id": 1, "score": -Infinity}', "INGEST-1403-400"),
    "not UTF-8": (b'{"id": 1, "name": "\xff\xfe"}', "INGEST-1401-400"),
    "nested 1,000 deep": (b'{"id": 1, "x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", "INGEST-1401-400"),
    "nested 100,000 deep": (b'{"id": 1, "x": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "INGEST-1401-400"),
    "10,001 fields": (json.dumps({"id": 1, **{f"f{n}": n for n in range(10_001)}}).encode(), "INGEST-1511-400"),
    "a number beyond measure": (b'{"id": 1' + b"0" * 5_000 + b"}", "INGEST-1502-400"),
    "an exponent beyond measure": (b'{"id": 1e999999999}', "INGEST-1502-400"),
    "a list": (b"[1]", "INGEST-1401-400"),
    "a text": (b'"a"', "INGEST-1401-400"),
    "a date that is none": (b'{"id": 1, "at": "2026-02-30T00:00:00Z"}', "INGEST-1501-400"),
}

MENDED = {  # characters that no warehouse holds: what a value becomes
    "a lone surrogate": (rb'{"id": 1, "name": "a\ud800b"}', "a\ufffdb"),
    "U+0000": (rb'{"id": 1, "name": "a\u0000b"}', "ab"),
    "a zero byte": (b'{"id": 1, "name": "a\0b"}', "ab"),
    "a byte order mark": (b'\xef\xbb\xbf{"id": 1, "name": "a"}', "a"),
    "a field that comes twice": (b'{"id": 1, "name": "a", "name": "b"}', "b"),
    "controls and markup": (rb'{"id": 1, "name": "\u001b[2J<script>\u202e"}', "\x1b[2J<script>\u202e"),
}


@pytest.mark.parametrize(("written", "content", "code"), REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_taken_fails_its_batch_in_words(program, written, content, code):
    dataset = program.dataset(schema=FLAT)

    told = program.send(dataset, content, written=written)

    (error,) = told["errors"]
    assert (told["status"], error["code"]) == ("failed", code)
    assert len(error["description"]) > 30
    assert program.rows(dataset) == []


@pytest.mark.parametrize(("line", "code"), TURNED_DOWN.values(), ids=TURNED_DOWN)
def test_a_record_that_cannot_be_taken_is_left_out_and_told_of(program, line, code):
    dataset = program.dataset()
    content = line + b'\n{"id": 7}\n'

    told = program.send(dataset, content, partialIngestionPercent=50, enableErrorDiagnostics=True)

    assert (told["status"], told["metrics"]["failedRecordCount"]) == ("success", 1)
    assert told["errors"][1]["code"] == code
    assert told["errors"][1]["rows"] == ["0"]
    assert [row["id"] for row in program.rows(dataset)] == [7]


@pytest.mark.parametrize(("line", "name"), MENDED.values(), ids=MENDED)
def test_a_record_that_can_be_mended_is_taken(program, line, name):
    dataset = program.dataset()

    assert program.send(dataset, line)["status"] == "success"
    assert [row["name"] for row in program.rows(dataset)] == [name]


@pytest.mark.parametrize("start", ["", "\ufeff"], ids=["plain", "with a byte order mark"])
def test_rows_of_csv_with_too_few_or_too_many_fields_are_left_out(program, start):
    dataset = program.dataset(schema=FLAT)
    content = f"{start}id,name\n1,a\n2\n3,b,c\n4,d\n".encode()

    strict = program.send(dataset, content, name="a.csv", written="csv")
    tolerant = program.send(
        dataset, content, name="a.csv", written="csv", partialIngestionPercent=50, enableErrorDiagnostics=True
    )

    assert (strict["status"], strict["errors"][0]["code"]) == ("failed", "INGEST-1211-400")
    assert tolerant["status"] == "success"
    assert tolerant["errors"][1]["code"] == "INGEST-1402-400"
    assert [(row["id"], row["name"]) for row in program.rows(dataset)] == [(1, "a"), (4, "d")]


def test_a_cell_of_300_megabytes_is_one_bad_record_and_memory_stays_bounded(service, program):
    dataset = program.dataset()
    program.send(dataset)  # the readers have started
    batch = program.batch(dataset, partialIngestionPercent=50, enableErrorDiagnostics=True)
    file = program.file(dataset, batch, "big.json")
    assert program.call("POST", f"{file}?action=INITIALIZE").status_code == 201
    with watched(service) as seen:
        size = 300 * MB + len(b'{"name": "')
        sent = program.call("PATCH", file, content=cell(), headers={"Content-Range": f"bytes 0-{size + 11}", **OCTETS})
        assert sent.status_code == 200, sent.text
        assert program.call("POST", f"{file}?action=COMPLETE").json()["sizeInBytes"] == size + 12
        program.act(batch, "COMPLETE")
        told = program.ended(batch)

    assert (told["status"], told["metrics"]["failedRecordCount"]) == ("success", 1)
    assert told["errors"][1]["code"] == "INGEST-1401-400"
    assert seen.most - seen.before < 100 * MB


def test_a_body_of_300_megabytes_in_one_request_is_refused_and_memory_stays_bounded(service, program):
    dataset = program.dataset()
    batch = program.batch(dataset)

    with watched(service) as seen:
        refused = program.put(dataset, batch, cell())

    assert refused.status_code == 413
    assert "268,435,456" in refused.json()["detail"]
    assert seen.most - seen.before < 50 * MB


def test_the_next_batch_goes_live_after_all_that(program):
    dataset = program.dataset()

    assert program.send(dataset)["status"] == "success"
    assert len(program.rows(dataset)) == 2


def cell():
    """A record of one value of 300 MB, and a good one; bit by bit."""
    yield b'{"name": "'
    for _ in range(300):
        yield b"x" * MB
    yield b'"}\n{"id": 7}'


@dataclass
class Watched:
    """Bytes that a service holds."""

    before: int
    most: int = 0


@contextmanager
def watched(service):
    seen, over = Watched(before=service.memory), threading.Event()

    def look():
        while not over.wait(0.05):
            seen.most = max(seen.most, service.memory)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()


WORDS = st.sampled_from(
    """
    type properties items required enum const format pattern minimum exclusiveMaximum minLength maxItems allOf anyOf
    $ref $defs $schema $id additionalProperties meta:xdmType x-headgate-key a title
    """.split()  # noqa: SIM905 - a table of names reads better so
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["string", "integer", "object", "array", "null", "#", "#/$defs/a", "#/properties/a", "date-time"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(WORDS, VALUES, max_size=5))
@example({"$schema": 5})
@example({"$schema": "http://json-schema.org/draft-03/schema#", "properties": {"a": {"type": "any"}}})
@example({"properties": {"a": {"meta:xdmType": [1]}}})
@example({"properties": {"a": {"type": "string", "pattern": "(" * 500 + ")" * 500}}})
@example({"$defs": {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(18)}, "$ref": "#/$defs/a0"})
@example(json.loads('{"properties": {"a": ' * 300 + "{}" + "}}" * 300))
def test_no_schema_is_more_than_wrong(schema):
    try:
        columns = compile_schema(schema).columns()
    except SchemaProblem:
        return
    assert len({column.name for column in columns}) == len(columns)
