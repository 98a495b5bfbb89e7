"""Requests at once, over connections of their own: they do what one after the other would have done."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ingestion.models import BatchEvent
from tests.clients.service import LINES

pytestmark = [pytest.mark.django_db]


def run_at_once(count, verb):
    """What `verb` answers in so many threads that begin together."""
    start = threading.Barrier(count)

    def one(number):
        start.wait()
        return verb(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_complete_from_twenty_threads_is_one_transition(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    program.put(dataset, batch)

    answers = run_at_once(20, lambda _: program.act(batch, "COMPLETE"))

    assert [answer.status_code for answer in answers] == [200] * 20
    told = program.ended(batch)
    assert (told["status"], told["metrics"]["outputRecordCount"]) == ("success", 2)
    moves = BatchEvent.objects.filter(batch__public_id=batch).values_list("after", flat=True)
    assert list(moves) == ["loading", "loaded", "staging", "success"]
    assert len(program.rows(dataset)) == 2


def test_uploads_that_race_complete_are_in_or_refused(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    program.put(dataset, batch, b'{"id": 0}')

    def one(number):
        if number == 5:
            return program.act(batch, "COMPLETE")
        return program.put(dataset, batch, b'{"id": %d}' % (number + 1), name=f"{number}.json")

    answers = run_at_once(10, one)

    statuses = [answer.status_code for answer in answers]
    assert statuses[5] == 200
    assert set(statuses) <= {200, 409}
    told = program.ended(batch)
    assert told["metrics"]["inputFileCount"] == told["metrics"]["outputRecordCount"] == statuses.count(200)
    assert len(program.rows(dataset)) == statuses.count(200)


def test_the_same_chunk_at_once_is_kept_once(program):
    dataset = program.dataset()
    batch = program.batch(dataset)
    file = program.file(dataset, batch)
    program.call("POST", f"{file}?action=INITIALIZE")
    told = {"Content-Range": f"bytes 0-{len(LINES) - 1}/{len(LINES)}"}

    answers = run_at_once(12, lambda _: program.call("PATCH", file, content=LINES, headers=told))
    done = program.call("POST", f"{file}?action=COMPLETE")
    program.act(batch, "COMPLETE")

    assert {answer.status_code for answer in answers} == {200}
    assert done.json()["sizeInBytes"] == len(LINES)
    assert program.ended(batch)["metrics"]["outputRecordCount"] == 2
