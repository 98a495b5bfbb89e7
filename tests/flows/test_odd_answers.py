"""Answers that are JSON, and not what the manifest led to expect: what becomes of the table, and what people read."""

import pytest

from ingestion.models import Dataset
from runs.models import Level, Run
from runs.states import RunStatus
from tests.doubles.source import ok, scripted

MANIFEST = """
manifest: 1
name: things
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
endpoints:
  - {name: things, path: /things, records: data, key: id}
"""


def runs(house, *answers) -> list[Run]:
    """A destructive run for each answer of the source."""
    done: list[Run] = []
    with scripted(lambda _: ok({"data": answers[len(done)]})) as api:
        source = house.source("Things", manifest=MANIFEST, settings={"base_url": api.url})
        while len(done) < len(answers):
            done.append(house.run(source))
    return done


def the_error(run: Run):
    return run.messages.get(level=Level.ERROR)


def test_more_columns_than_a_table_can_have_fail_with_what_to_change(house):
    many = [[{"id": 1} | {f"{letter}{n}": None for n in range(900)}] for letter in "ab"]

    first, second = runs(house, *many)

    assert (first.status, second.status, second.fault) == (RunStatus.COMPLETED, RunStatus.FAILED, "schema")
    assert "too many" in the_error(second).text
    assert "policy does not allow" not in the_error(second).text
    assert "`depth`" in the_error(second).advice


@pytest.mark.parametrize("answer", ["maintenance", False, 7, ""])
def test_a_word_in_the_place_of_the_records_is_no_empty_table(house, answer):
    whole, odd = runs(house, [{"id": 1}], answer)

    assert (whole.status, odd.status, odd.fault) == (RunStatus.COMPLETED, RunStatus.FAILED, "data")
    assert "no records where the manifest says" in the_error(odd).text
    assert "No table was changed." in the_error(odd).text
    assert house.count("things.things") == 1


@pytest.mark.parametrize(
    "answer", [[{"uuid": 1}, {"uuid": 2}], ["one", "two"], {"error": {"text": "no such view"}}], ids=str
)
def test_a_table_none_of_whose_records_can_be_taken_stays_as_it_was(house, answer):
    whole, odd = runs(house, [{"id": 1}], answer)

    assert (whole.status, odd.status, odd.fault) == (RunStatus.COMPLETED, RunStatus.FAILED, "data")
    assert "None of the" in the_error(odd).text
    assert "No table was changed." in the_error(odd).text
    assert "`key`" in the_error(odd).advice
    assert house.count("things.things") == Dataset.objects.get(name="things").live_rows == 1
    assert odd.messages.filter(level=Level.WARNING).exists()
