"""The commands, as somebody types them: with no server running they work a run to its end themselves."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from runs.models import Run
from runs.states import RunStatus


def say(*words, **options):
    out = StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def test_run_now_works_the_run_to_its_end(house):
    source = house.source(endpoints=["airlines"])

    told = say("run_now", "Flights", "--destructive")

    assert "Completed. 1 table is live with 16 rows." in told
    assert house.count("flights.airlines") == 16
    assert Run.objects.get(source=source).trigger == "command"


DATED = """
manifest: 1
name: dated
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}, begin: {title: Begin}}
endpoints:
  - {name: days, path: "/{{ partition.start }}", partition: {by: date, start: "{{ settings.begin }}"}}
"""


@pytest.mark.parametrize(("begin", "said"), [("31/01/2024", "neither a date"), ("2999-01-01", "none lies between")])
def test_a_start_that_cannot_be_planned_says_what_to_correct(house, begin, said):
    house.source("Dated", manifest=DATED, settings={"begin": begin})

    with pytest.raises(CommandError, match=said) as caught:
        say("run_now", "Dated")

    assert "settings" in str(caught.value)
    assert not Run.objects.exists()


def test_a_failed_run_fails_the_command_with_the_reason_and_a_retry_reuses(house):
    house.source(endpoints=["airlines", "planes"], token="wrong")
    with pytest.raises(CommandError, match="refused our login"):
        say("run_now", "Flights")
    failed = Run.objects.get()
    house.source(endpoints=["airlines", "planes"])

    told = say("retry_run", str(failed.pk))

    assert f"retries run {failed.pk}; 0 finished tasks are reused" in told
    assert Run.objects.get(retry_of=failed).status == RunStatus.COMPLETED


def test_cancel_run_says_who_asked_before(house):
    run = house.ask(house.source(endpoints=["airlines"]))

    assert "Cancelled" in say("cancel_run", str(run.pk))
    with pytest.raises(CommandError, match="nothing to cancel"):
        say("cancel_run", str(run.pk))


def test_a_second_start_is_refused_and_names_the_blocker(house):
    run = house.ask(house.source(endpoints=["airlines"]))

    with pytest.raises(CommandError, match=f"was rejected: run {run.pk} of"):
        say("run_now", "Flights")


def test_sweep_says_what_it_would_find(house):
    house.ask(house.source(endpoints=["airlines"]))

    assert "woken: 1" in say("sweep", "--dry-run")


def test_read_source_prints_records_and_touches_no_table(house, capfdbinary):
    house.source(endpoints=["airlines"])

    say("read_source", "Flights", "airlines", "--records", "3")

    lines = capfdbinary.readouterr().out.splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["carrier", "name"]] * 3
    assert not Run.objects.exists()


def test_an_unknown_source_or_run_is_told_what_there_is(house):
    house.source()
    with pytest.raises(CommandError, match="There are: “Flights”"):
        say("run_now", "Flihgts")
    with pytest.raises(CommandError, match="There is no run 99999"):
        say("cancel_run", "99999")
