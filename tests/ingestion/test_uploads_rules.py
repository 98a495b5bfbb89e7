"""The pure rules of uploads: which names, which ranges, which chunks make a whole."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ingestion.refusals import Refused, Why
from ingestion.uploads.naming import checked_path
from ingestion.uploads.ranges import Span, merged, must_cover, read_content_range

SPANS = some.lists(
    some.builds(lambda first, size: Span(first, first + size), some.integers(0, 40), some.integers(0, 9))
)


def positions(spans):
    return [position for span in spans for position in range(span.first, span.last + 1)]


@given(SPANS)
def test_merged_spans_hold_the_same_positions_and_touch_nowhere(spans):
    whole = merged(spans)

    assert positions(whole) == sorted(set(positions(spans)))
    assert all(left.last + 1 < right.first for left, right in itertools.pairwise(whole))


@given(SPANS, some.one_of(some.none(), some.integers(1, 60)))
def test_chunks_make_a_whole_when_every_byte_is_there_once(spans, total):
    spans = [span for span in spans if total is None or span.last < total]
    end = total or max((span.last + 1 for span in spans), default=0)
    is_whole = bool(spans) and sorted(positions(spans)) == list(range(end))

    if is_whole:
        assert must_cover(spans, total) == end
    else:
        with pytest.raises(Refused):
            must_cover(spans, total)


@given(some.lists(some.integers(1, 9), min_size=1), some.randoms(use_true_random=False))
def test_whatever_order_chunks_come_in_they_make_the_same_whole(sizes, random):
    starts = [0, *itertools.accumulate(sizes)]
    spans = [Span(first, after - 1) for first, after in itertools.pairwise(starts)]
    random.shuffle(spans)

    assert must_cover(spans, sum(sizes)) == sum(sizes)


def test_gaps_and_overlaps_are_told_in_numbers():
    with pytest.raises(Refused, match=r"bytes 0-4, 20-29 missing; bytes 8-9 sent twice") as refusal:
        must_cover([Span(5, 9), Span(8, 19)], 30)

    assert refusal.value.why == Why.INVALID


def test_many_gaps_are_told_in_short():
    with pytest.raises(Refused, match=r"18-18 and 10 more ranges missing"):
        must_cover([Span(number, number) for number in range(1, 41, 2)], 40)


@pytest.mark.parametrize(
    ("header", "first", "last", "total"),
    [
        ("bytes 0-4", 0, 4, None),
        ("bytes 0-4/*", 0, 4, None),
        ("bytes 5-9/10", 5, 9, 10),
        ("bytes=5-9/10", 5, 9, 10),
        (" bytes 5 - 9 / 10 ", 5, 9, 10),
        ("Bytes 5-9/10", 5, 9, 10),
        ("5-9/10", 5, 9, 10),
    ],
)
def test_a_content_range_is_read_however_clients_write_it(header, first, last, total):
    told = read_content_range(header)

    assert (told.span, told.total) == (Span(first, last), total)


@given(some.text(alphabet=some.characters(codec=None), max_size=40))
def test_a_path_is_taken_in_its_normal_form_or_refused(path):
    taken, said = outcome(path)

    assert said.isprintable()
    if taken is not None:
        assert outcome(taken) == (taken, "")
        assert not any(part in ("", ".", "..") for part in taken.split("/"))
        assert taken.encode()


def outcome(path):
    """The path as it is kept, or none and why not."""
    try:
        return checked_path(path), ""
    except Refused as refusal:
        return None, refusal.message
