"""Where the next incremental run begins: never after this one's start, in the source's own spelling."""

from datetime import UTC, datetime

import pytest

from runs.stages.bookmarks import bookmark, later

STARTED = datetime(2026, 11, 22, 8, 30, 15, 123456, UTC)


@pytest.mark.parametrize(
    ("future", "wanted"),
    [
        ("2099-01-01", "2026-11-22"),
        ("2099-01-01T00:00:00Z", "2026-11-22T08:30:15Z"),
        ("2099-01-01T00:00:00.000Z", "2026-11-22T08:30:15.123456Z"),
        ("2099-01-01 00:00:00", "2026-11-22 08:30:15"),
        ("2099-01-01T00:00:00+02:00", "2026-11-22T10:30:15+02:00"),
        ("20990101T000000Z", "2026-11-22T08:30:15Z"),
    ],
)
def test_a_cursor_in_the_future_leaves_the_runs_own_start_spelled_alike(future: str, wanted: str):
    assert bookmark(future, started_at=STARTED) == wanted


@pytest.mark.parametrize("past", ["2020-01-01", "2020-01-01 10:00:00", "1700000000", "n/a", "NaN", ""])
def test_any_other_cursor_stays_as_it_is(past: str):
    assert bookmark(past, started_at=STARTED, is_time=True) == past


def test_a_number_is_held_back_only_where_it_counts_time():
    start = int(STARTED.timestamp())

    assert bookmark("4070908800", started_at=STARTED) == "4070908800"
    assert bookmark("4070908800", started_at=STARTED, is_time=True) == str(start)
    assert bookmark("4070908800000", started_at=STARTED, is_time=True) == str(start * 1000 + 123)


@pytest.mark.parametrize("words", [("n/a", "5"), ("sNaN", "5"), ("Infinity", "5"), ("none", "2026-01-01")])
def test_a_word_is_never_later_than_a_number_or_a_time(words: tuple[str, str]):
    assert later(*words) == later(*reversed(words)) == words[1]
