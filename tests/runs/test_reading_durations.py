"""How long runs usually take, and what that says of one that is at work."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from runs.models import Run
from runs.reading.durations import Band, about, band_of, bands_of, outlook, usual
from runs.states import RunMode, RunStatus
from tests import factories

pytestmark = pytest.mark.django_db


def lasted(source, minutes: float, **fields) -> Run:
    now = timezone.now()
    return factories.run(source, started_at=now - timedelta(minutes=minutes), finished_at=now, **fields)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def test_the_band_is_of_the_same_source_and_type_and_of_good_runs_alone():
    source = factories.source()
    for taken in (10, 20, 30):
        lasted(source, taken)
    lasted(source, 500, mode=RunMode.DESTRUCTIVE)
    lasted(source, 500, status=RunStatus.FAILED)
    lasted(factories.source("Other"), 500)
    lasted(source, 1, retry_of=Run.objects.get(status=RunStatus.FAILED))

    band = band_of(factories.open_run(source))

    assert (band.count, band.median, band.p90) == (3, minutes(20), minutes(30))


def test_the_band_knows_only_what_came_before_the_run():
    source = factories.source()
    first = lasted(source, 10)
    lasted(source, 20)

    assert band_of(first).count == 0


def test_twenty_runs_are_looked_at_and_no_more():
    source = factories.source()
    for _ in range(25):
        lasted(source, 10)

    assert band_of(factories.open_run(source)).count == 20


def test_bands_of_many_kinds_cost_as_many_queries_as_of_one():
    sources = [factories.source(f"Source {number}") for number in range(6)]
    runs = [lasted(source, 5, mode=mode) for source in sources for mode in RunMode]

    def queries(of) -> int:
        with CaptureQueriesContext(connection) as asked:
            bands_of(of)
        return len(asked)

    assert queries(runs[:1]) == queries(runs) == 1
    assert all(band.count == 1 for band in bands_of(runs).values())
    assert queries([]) <= 1


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (10, "Usually takes 38–52 min; about 28 min left."),
        (40, "Usually takes 38–52 min; it should end within 12 min."),
        (80, "Usually takes 38–52 min; this one is longer than 19 of 20."),
    ],
)
def test_the_outlook_gives_the_rest_then_the_bound_then_how_unusual_it_is(passed, words):
    taken = [20] * 9 + [38] + [45] * 7 + [52] * 2 + [90]
    band = Band(seconds=tuple(60.0 * minute for minute in taken), rows=(1,) * 20)

    assert outlook(band, minutes(passed)) == words


def test_two_runs_are_too_few_to_call_anything_usual():
    assert outlook(Band(seconds=(60.0, 60.0), rows=(1, 1)), minutes(5)) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (61, "1 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min"), (604800, "7 d 0 h")],
)
def test_durations_that_are_not_exact_are_said_roughly(seconds, text):
    assert about(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        ((60, 60, 60), "1 min"),
        ((20, 20, 45), "20–45 s"),
        ((50, 50, 120), "50 s to 2 min"),
        ((60, 3600, 9000), "1 h 00 min to 2 h 30 min"),
    ],
)
def test_what_is_usual_names_a_unit_once_where_both_ends_share_it(seconds, text):
    assert usual(Band(seconds=seconds, rows=(1, 1, 1))) == text
