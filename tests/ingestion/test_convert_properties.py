"""Round trips over generated records: what is staged equals what the source said, or a warning counts the loss."""

import json
import math
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ingestion.blueprint.paths import join_path
from ingestion.formats.base import TableSpec
from tests.ingestion.parts_kit import Table, table

DEPTH = TableSpec(name="t").depth
KEYS = st.one_of(
    st.sampled_from(
        ["id", "Id", "a", "A", "b", "a.b", "a__b", "", "select", "ключ", "😀", 'q"uote', "back\\slash", "_part"]
    ),
    st.text(max_size=4),
)
TEXTS = st.one_of(
    st.text(alphabet=st.characters(codec=None), max_size=12),
    st.sampled_from(
        ["\\N", "\\.", '"', ",", "\n", "\r\n", "\u2028", "NaN", "null", "1e5", "2024-01-01", "\\u0000", "\0", "\ud800"]
    ),
)
DECIMALS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False).map(str).map(lambda number: number.replace("E+", "e")),
    st.from_regex(r"-?(0|[1-9][0-9]{0,45})(\.[0-9]{1,45})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["1e400", "1e-400", "-0", "-0.0", "0e0", "1e22", "123456789012345678", "0.1", "1E-7"]),
)


class Literal(str):
    """JSON as it is to be written."""


SCALARS = st.one_of(
    st.none().map(lambda _: Literal("null")),
    st.booleans().map(lambda value: Literal(json.dumps(value))),
    st.integers(-(10**45), 10**45).map(lambda value: Literal(value)),
    DECIMALS.map(Literal),
    TEXTS.map(lambda text: Literal(json.dumps(text))),
    TEXTS.map(lambda text: Literal(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace").decode())),
)


def _object(pairs: dict[str, str]) -> Literal:
    return Literal("{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in pairs.items()) + "}")


def _array(items: list[str]) -> Literal:
    return Literal("[" + ", ".join(items) + "]")


VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, max_size=3).map(_object), st.lists(inner, max_size=3).map(_array)
    ),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=5).map(_object), min_size=1, max_size=4)
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def _clean(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text if c != "\0")


def _meant(value: Any) -> Any:
    """A decoded value with the documented replacements made."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(key): _meant(item) for key, item in value.items()}
    return [_meant(item) for item in value] if isinstance(value, list) else value


def _read(line: str) -> Any:
    return json.loads(line, parse_int=Decimal, parse_float=Decimal)


def _same(staged: str | None, meant: Any) -> bool:
    """Does the staged text say what was meant?"""
    if meant is None or staged is None:
        return staged is meant
    if isinstance(meant, bool):
        return staged == json.dumps(meant)
    if isinstance(meant, Decimal):
        return isinstance(_read_loosely(staged), Decimal) and _read_loosely(staged) == meant
    if isinstance(meant, str):
        return staged == meant
    return bool(_read_loosely(staged) == meant)


def _places(record: dict[str, Any], known: set[str], path: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a record by column: an object is followed, also where it is one itself."""
    found = {}
    for key, value in record.items():
        here = (*path, key)
        if isinstance(value, dict) and join_path(here) not in known:
            assert len(here) < DEPTH or value == {}
        if isinstance(value, dict) and len(here) < DEPTH:
            found |= _places(value, known, here)
        if not isinstance(value, dict) or join_path(here) in known:
            found[join_path(here)] = value
    return found


def _check(staged: Table, lines: list[str]) -> None:
    meant = [_meant(_read(line)) for line in lines]
    known = set(staged.types)
    places = [_places(record, known) for record in meant]
    for record in places:
        assert all(source in known or value is None for source, value in record.items()), "a field was lost"
    left = list(staged.rows)
    for record in places:
        row = next((row for row in left if all(_same(row[source], record.get(source)) for source in known)), None)
        assert row is not None, f"no row says {record}, only {left}"
        left.remove(row)


def _losses(lines: list[str]) -> bool:
    return any("\\u0000" in line or "\\ud8" in line or "\0" in line for line in lines)


@QUICK
@given(RECORDS)
def test_generated_records_come_back_as_they_were(lines: list[str]) -> None:
    with TemporaryDirectory() as folder:
        staged = table(Path(folder), [line.encode() for line in lines])

        _check(staged, lines)


@QUICK
@given(st.lists(DECIMALS, min_size=1, max_size=5))
def test_generated_numbers_keep_their_value_and_fit_their_type(numbers: list[str]) -> None:
    with TemporaryDirectory() as folder:
        staged = table(Path(folder), [f'{{"v": {number}}}'.encode() for number in numbers])
    (column,) = staged.part.columns

    texts = [text for text in staged.column("v") if text is not None]
    assert sorted(map(Decimal, texts)) == sorted(map(Decimal, numbers))
    for text in texts:
        if column.type.kind == "integer":
            assert -(2**63) <= int(text) < 2**63
        elif column.type.kind == "numeric":
            assert "e" not in text
            whole, _, fraction = text.lstrip("-").partition(".")
            assert len(whole.lstrip("0")) <= column.type.whole
            assert len(fraction) <= column.type.scale
            assert column.type.whole + column.type.scale <= 38
        elif column.type.kind == "double":
            assert Decimal(repr(float(text))) == Decimal(text)
            assert math.isfinite(float(text))
        else:
            assert ("too_many_digits", "v") in staged.warnings


@QUICK
@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_every_replacement_is_counted(texts: list[str]) -> None:
    lines = [f'{{"v": {json.dumps(text)}}}'.encode() for text in texts]
    meant = [json.loads(line)["v"] for line in lines]
    nuls = sum(text.count("\0") for text in meant)
    halves = sum("\ud800" <= c <= "\udfff" for text in meant for c in text)

    with TemporaryDirectory() as folder:
        staged = table(Path(folder), lines)

    assert staged.warnings.get(("nul_removed", "v"), 0) == nuls
    assert staged.warnings.get(("surrogate_replaced", "v"), 0) == halves
    assert sorted(staged.column("v")) == sorted(map(_clean, meant))


@QUICK
@given(RECORDS)
def test_both_paths_stage_the_same(lines: list[str]) -> None:
    """A neighbour that needs the exact path changes nothing about the others' columns and values."""
    assume(not _losses(lines))
    with TemporaryDirectory() as folder:
        alone = table(Path(folder), [line.encode() for line in lines])
    with TemporaryDirectory() as folder:
        beside = table(Path(folder), [*(line.encode() for line in lines), b"no json"])

    assert beside.part.exact
    assert set(beside.types) == set(alone.types)
    for source in alone.types:
        for one, other in zip(_sorted(alone.column(source)), _sorted(beside.column(source)), strict=True):
            assert one == other or _same(one, _read_loosely(other))


def _sorted(values: list[str | None]) -> list[str | None]:
    def rank(value: str | None) -> tuple[str, str]:
        decoded = _read_loosely(value)
        return type(decoded).__name__, str(decoded.normalize() if isinstance(decoded, Decimal) else decoded)

    return sorted(values, key=rank)


def _read_loosely(text: str | None) -> Any:
    try:
        return _read(text) if text is not None else None
    except (ValueError, RecursionError):
        return text
