"""Large files in pieces: memory stays flat, and what is said of a file does not depend on where it was cut."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.checking import csvcuts, jsonfile
from ingestion.checking.abreast import Tally, Ticket, even, side_by_side
from ingestion.checking.base import CheckReport, CsvOptions, Limits
from ingestion.checking.csvtext import _ends
from ingestion.checking.pool import Pool
from tests.ingestion.checking_kit import checked, checked_bytes, request_of, sound
from tests.ingestion.parts_kit import Table

LITTLE = Limits(memory=700 << 20)  # a child that needs more is killed, and its file gets a problem
SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}, "n": {"type": "number"}}}
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SOUND = st.sampled_from(["", "1", "x", '"a"', '""', '"a\nb"', '"a,b"', '"a""b"', '"a\r\nb"', "é", "\x00"])
BROKEN = st.sampled_from(['5"', 'a"b', '"x"y', '"', '"a\n'])


def rows_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, ...]]]:
    usual = st.sampled_from([("7", "plain"), ("7", '"quoted\ntext"')])
    ragged = st.one_of(st.tuples(values.filter(bool)), st.tuples(values, values, values))
    return st.lists(st.one_of(st.tuples(values, values), usual, ragged), min_size=1, max_size=30)


# Where quotes are broken and lines end with two signs, how many bad rows a line feed makes depends on the cut.
FILES = st.one_of(
    st.tuples(rows_of(SOUND), st.sampled_from(["\n", "\r\n"])),
    st.tuples(rows_of(st.one_of(SOUND, BROKEN)), st.just("\n")),
)


def wide_csv(path: Path, rows: int) -> None:
    texts = ", ".join(f"'text {number} of row ' || i AS c{number}" for number in range(8))
    duckdb.sql(f"COPY (SELECT i AS id, i / 7 AS n, {texts} FROM range({rows}) t(i)) TO '{path}' (FORMAT csv)")


def told(report: CheckReport) -> tuple[Any, ...]:
    """All that a report says but for parts and the spelling of places in the file."""
    errors = [(error.code, error.text, error.count, error.rows) for error in report.errors]
    rows = Counter(
        tuple(sorted((key, value) for key, value in row.items() if key != "_part"))
        for part in report.parts
        for row in Table(part).rows
    )
    return report.read, report.bad, sorted(errors), report.problem, rows


def in_pieces(data: bytes, *, size: int, threads: int = 2, **options: Any) -> tuple[Any, ...]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvcuts, "PIECE", size)
        patch.setattr(csvcuts, "CHUNK", max(1, size // 2))
        return told(checked_bytes(Path(folder), data, format="csv", threads=threads, csv=CsvOptions(**options)))


@QUICK
@given(FILES, st.integers(8, 60))
def test_a_delimited_file_in_pieces_is_the_same_file(file: tuple[list[tuple[str, ...]], str], size: int) -> None:
    rows, end = file
    data = "".join(",".join(row) + end for row in [("a", "b"), *rows]).encode()

    assert in_pieces(data, size=size) == in_pieces(data, size=1 << 20)


def test_a_failing_cast_is_found_in_whatever_piece_it_stands(tmp_path: Path) -> None:
    rows = [f'{number},"text\n{number}"' for number in range(2, 60)]
    rows[20], rows[40], rows[41] = "ragged", "x,late", "1.5,late"
    data = ("id,name\n" + "\n".join(rows) + "\n").encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csvcuts, "PIECE", 200)
        patch.setattr(csvcuts, "CHUNK", 50)
        report = checked_bytes(tmp_path, data, format="csv", threads=2, schema=SCHEMA)

    assert report.problem
    assert "but 2 values are not; the first in row 42, 43" in report.problem.text
    assert not list((tmp_path / "out").iterdir())


def test_positions_count_on_from_spool_to_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfile, "SMALL", 0)
    monkeypatch.setattr(jsonfile, "SPOOL", 1)
    monkeypatch.setattr("ingestion.checking.lines.BLOCK", 2_000)
    records: list[Any] = [{"id": number} for number in range(1_000)]
    for bad in (3, 400, 401, 999):
        records[bad] = {"id": "none"}

    report = checked(tmp_path, records, schema=SCHEMA, threads=2)

    assert (report.read, report.bad, report.errors[0].rows) == (1_000, 4, ("3", "400-401", "999"))
    assert len(report.parts) > 5
    numbers = [{row["_part"] for row in Table(part).rows} for part in report.parts]
    assert numbers == [{str(7 + place)} for place in range(len(report.parts))]


def test_a_spool_of_which_nothing_passes_takes_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfile, "SMALL", 0)
    monkeypatch.setattr(jsonfile, "SPOOL", 1)
    monkeypatch.setattr("ingestion.checking.lines.BLOCK", 1)
    records = [{"id": 1}, {"id": "x"}, {"id": 3}]

    report = checked(tmp_path, records, schema=SCHEMA, threads=2)

    assert [Table(part).only("_part") for part in report.parts] == ["7", "8"]
    assert report.errors[0].rows == ("1",)


def test_the_first_failure_in_the_file_is_told_whichever_came_first() -> None:
    tally, seen = Tally(0), list[int]()

    def convert(item: int, ticket: Ticket) -> int:
        if item == 3:
            raise ValueError("three")
        with ticket.turn() as now:
            if item == 2:
                raise ValueError("two")
            now.read += 1
        return item

    with pytest.raises(ValueError, match="two"):
        seen.extend(side_by_side(range(9), convert, tally=tally, threads=3))

    assert (seen, tally.read) == ([0, 1], 2)


def test_a_large_delimited_file_needs_little_memory(tmp_path: Path) -> None:
    wide_csv(tmp_path / "upload", 620_000)
    assert (tmp_path / "upload").stat().st_size > 110 << 20

    with Pool() as pool:
        report = sound(
            pool.check(request_of(tmp_path, tmp_path / "upload", format="csv", schema=SCHEMA, threads=2, limits=LITTLE))
        )

    assert (report.problem, report.read, report.bad, len(report.parts)) == (None, 620_000, 0, 4)


def test_a_parquet_file_of_wide_row_groups_needs_little_memory(tmp_path: Path) -> None:
    texts = ", ".join(f"repeat(md5((i * 9 + {number})::VARCHAR), 8) AS c{number}" for number in range(4))
    options = "FORMAT parquet, ROW_GROUP_SIZE 150000, COMPRESSION snappy"
    duckdb.sql(f"COPY (SELECT i AS id, {texts} FROM range(120000) t(i)) TO '{tmp_path / 'upload'}' ({options})")

    with Pool() as pool:
        report = sound(
            pool.check(request_of(tmp_path, tmp_path / "upload", format="parquet", threads=2, limits=LITTLE))
        )

    assert (report.problem, report.read, report.bad) == (None, 120_000, 0)
    assert len(report.parts) > 1


def test_numbers_sent_as_text_are_not_read_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonfile, "SMALL", 0)
    monkeypatch.setattr("ingestion.checking.reading.Reader.one", lambda *_: pytest.fail("a line was judged"))
    records = [{"id": "12", "n": "81582.63"}, {"id": 13, "n": "-7"}, {"id": "-14", "n": 0.5}]

    report = checked(tmp_path, records, schema=SCHEMA)

    table = Table(report.parts[0])
    assert (table.types["id"], table.types["n"]) == ("integer", "double")
    assert sorted(table.column("id"), key=str) == ["-14", "12", "13"]
    assert sorted(table.column("n"), key=str) == ["-7", "0.5", "81582.63"]


@pytest.mark.parametrize(
    ("size", "threads", "sizes"),
    [(100, 1, [100]), (101, 1, [51, 50]), (100, 2, [50, 50]), (214, 2, [54, 54, 54, 52]), (0, 2, [])],
)
def test_no_thread_gets_more_pieces_than_another(size: int, threads: int, sizes: list[int]) -> None:
    each = even(size, most=100, threads=threads)
    assert [min(each, size - start) for start in range(0, size, each or 1)] == sizes


@given(st.text("\r\n\xe9a").map(lambda text: text.encode("latin-1")), st.integers(1, 9))
def test_ends_of_lines_are_counted_alike_however_the_blocks_fall(data: bytes, size: int) -> None:
    found, last = Counter[bytes](), b""
    for start in range(0, len(data), size):
        block = data[start : start + size]
        found += _ends(block, last)
        last = block[-1:]

    assert (found[b"\r"], found[b"\r\n"]) == (data.count(b"\r"), data.count(b"\r\n"))
    if b"\r" in data:
        assert (found[b"\n"] == found[b"\r\n"]) == (data.count(b"\n") == data.count(b"\r\n"))
