"""Whether a batch with bad rows may go on."""

import pytest

from ingestion.promotion.judging import tolerated


@pytest.mark.parametrize(
    ("percent", "bad", "read"),
    [(0.29, 145, 50_000), (0.29, 29, 10_000), (33.3, 333, 1_000), (50.0, 1, 2), (100.0, 3, 3), (0.0, 0, 3)],
)
def test_exactly_as_many_bad_rows_as_are_allowed_may_be_and_not_one_more(percent: float, bad: int, read: int) -> None:
    assert tolerated(bad, read, percent)
    assert not tolerated(bad + 1, read, percent)


def test_without_partial_ingestion_not_one_row_may_be_bad() -> None:
    assert tolerated(0, 5, None)
    assert not tolerated(1, 1_000_000, None)
