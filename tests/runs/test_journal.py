"""What is said of a run: once for the same words, and never without bound."""

import pytest

from runs import journal
from runs.models import Level, Message
from tests import factories

pytestmark = pytest.mark.django_db


def told(run) -> list[tuple[str, int]]:
    return list(Message.objects.filter(run=run).order_by("pk").values_list("text", "count"))


def test_the_same_words_again_raise_a_count():
    task = factories.task(factories.open_run())

    for _ in range(3):
        journal.say(task.run, Level.WARNING, "Row 7 was left out.", code="row", task=task)

    task.run.refresh_from_db()
    assert told(task.run) == [("Row 7 was left out.", 3)]
    assert task.run.message_count == 1


def test_of_very_many_words_of_one_kind_the_first_are_kept_and_all_are_counted():
    task = factories.task(factories.open_run())

    for number in range(journal.MOST_ALIKE + 25):
        journal.say(task.run, Level.WARNING, f"Row {number} was left out.", code="row", task=task)
    journal.say(task.run, Level.ERROR, "The source answered 500.", code="status", task=task)

    *rows, last = told(task.run)
    task.run.refresh_from_db()
    assert len(rows) == task.run.message_count - 1 == journal.MOST_ALIKE
    assert sum(count for _, count in rows) == journal.MOST_ALIKE + 25
    assert last == ("The source answered 500.", 1)


def test_tasks_do_not_share_their_counts():
    run = factories.open_run()
    tasks = [factories.task(run, name) for name in ("One", "Two")]

    for task in tasks:
        journal.say(run, Level.INFO, "Nothing new.", code="empty", task=task)

    assert told(run) == [("Nothing new.", 1), ("Nothing new.", 1)]
