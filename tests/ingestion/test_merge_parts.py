"""Table consolidation: parts of several layouts become one, value by value."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.blueprint.columns import Column
from ingestion.blueprint.types import INTEGER, TEXT
from ingestion.errors import IngestionError
from ingestion.formats import merge_parts
from ingestion.formats.merging import RowCounter
from tests.ingestion.parts_kit import read_rows
from tests.ingestion.test_convert_values import NASTY

COLUMNS = [Column(name="id", source="id", type=INTEGER), Column(name="v", source="v", type=TEXT)]


def part(folder: Path, name: str, rows: list[list[str | None]], number: int) -> Path:
    """A part as conversion writes it: fields that are digits plain, other text in quotes."""

    def field(value: str | None) -> str:
        if value is None:
            return "\\N"
        return value if value.isdigit() else '"' + value.replace('"', '""') + '"'

    path = folder / name
    text = "".join(",".join([*map(field, row), str(number)]) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_parts_of_one_layout_are_taken_over_with_every_value(tmp_path: Path) -> None:
    one = part(tmp_path, "1.csv.gz", [[str(n), text] for n, text in enumerate(NASTY)], 1)
    two = part(tmp_path, "2.csv.gz", [["90", None]], 2)

    (merged,) = merge_parts(
        [(one, ["id", "v"]), (two, ["id", "v"])], columns=COLUMNS, folder=tmp_path, target_bytes=1 << 20
    )

    rows = read_rows(merged.path, ["id", "v"])
    assert [row["v"] for row in rows] == [*NASTY, None]
    assert [row["_part"] for row in rows] == ["1"] * len(NASTY) + ["2"]
    assert (merged.rows, merged.size, merged.sources) == (len(rows), merged.path.stat().st_size, (one, two))


def test_other_layouts_are_rewritten_into_the_agreed_columns(tmp_path: Path) -> None:
    turned = part(tmp_path, "1.csv.gz", [[text, "gone", str(n)] for n, text in enumerate(NASTY)], 1)
    narrow = part(tmp_path, "2.csv.gz", [["90"], ["91"]], 2)

    (merged,) = merge_parts(
        [(turned, ["v", "dropped", "id"]), (narrow, ["id"])], columns=COLUMNS, folder=tmp_path, target_bytes=1 << 20
    )

    rows = {row["id"]: (row["v"], row["_part"]) for row in read_rows(merged.path, ["id", "v"])}
    assert rows == {**{str(n): (text, "1") for n, text in enumerate(NASTY)}, "90": (None, "2"), "91": (None, "2")}


def test_digits_in_a_text_column_stay_the_same_text(tmp_path: Path) -> None:
    numbers = part(tmp_path, "1.csv.gz", [["007", "1"]], 1)

    (merged,) = merge_parts([(numbers, ["v", "id"])], columns=COLUMNS, folder=tmp_path, target_bytes=1)

    assert gzip.decompress(merged.path.read_bytes()) == b'1,"007",1\n'


def test_parts_are_filled_to_the_target_and_not_beyond(tmp_path: Path) -> None:
    parts = [part(tmp_path, f"{n}.csv.gz", [[str(n), f"row {n}"]], n) for n in range(5)]
    size = max(path.stat().st_size for path in parts)

    merged = merge_parts([(p, ["id", "v"]) for p in parts], columns=COLUMNS, folder=tmp_path, target_bytes=2 * size)

    assert [len(m.sources) for m in merged] == [2, 2, 1]
    assert [row["_part"] for m in merged for row in read_rows(m.path, ["id", "v"])] == ["0", "1", "2", "3", "4"]


def test_a_part_that_is_damaged_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    whole = part(tmp_path, "1.csv.gz", [["a b", "1"]] * 100, 1)
    whole.write_bytes(whole.read_bytes()[:-12])

    with pytest.raises(IngestionError, match="damaged"):
        merge_parts([(whole, ["v", "id"])], columns=COLUMNS, folder=tmp_path, target_bytes=1)

    assert [path.name for path in tmp_path.iterdir()] == ["1.csv.gz"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.text(alphabet='ab",\n\r\\', max_size=6), min_size=2, max_size=2), max_size=6),
    st.integers(1, 7),
)
def test_rows_are_counted_whatever_is_in_them(rows: list[list[str]], step: int) -> None:
    text = "".join(",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in rows).encode()
    counter = RowCounter()

    for start in range(0, len(text), step):
        counter.add(text[start : start + step])

    assert counter.rows == len(rows)
