"""The log of a run: what attempts write into it, how it is bounded, and what a failed checkpoint leaves of it."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from runs import runlog
from runs.models import Level, LogChunk, Run
from runs.runlog import Lines
from tests import factories

pytestmark = pytest.mark.django_db


def texts() -> list[str]:
    return [line[3] for chunk in LogChunk.objects.all() for line in runlog.read(chunk)]


def test_lines_are_written_as_one_row_and_counted():
    task, log = factories.task(factories.open_run()), Lines()
    log.info("page", "Page 1")
    log.warn("retry", "Again")

    runlog.keep(log, task, 2)
    runlog.keep(log, task, 2)

    chunk = LogChunk.objects.get()
    assert (chunk.attempt, chunk.line_count, chunk.worst_level) == (2, 2, Level.WARNING)
    assert texts() == ["Page 1", "Again"]
    assert Run.objects.get().log_line_count == 2


def test_lines_of_a_checkpoint_that_failed_wait_for_the_next_one():
    task, log = factories.task(factories.open_run()), Lines()
    log.info("page", "Page 1")

    def checkpoint_that_fails() -> None:
        with log.taken() as lines, transaction.atomic():
            runlog.write(task.run, task, 1, lines)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        checkpoint_that_fails()
    log.info("page", "Page 2")
    runlog.keep(log, task, 1)

    assert texts() == ["Page 1", "Page 2"]


def test_a_run_that_has_said_very_much_keeps_only_warnings():
    task, log = factories.task(factories.open_run(log_line_count=runlog.LIMIT)), Lines()
    log.info("page", "Page 1")
    log.error("auth", "Refused")

    runlog.keep(log, task, 1)

    assert texts() == ["Refused"]


def test_secrets_and_long_texts_do_not_get_into_it():
    task, log = factories.task(factories.open_run()), Lines()
    log.warn("retry", "it answered: token=abcdef123456 " + "x" * 2000)

    runlog.keep(log, task, 1)

    assert "abcdef123456" not in texts()[0]
    assert len(texts()[0]) == runlog.LONGEST


def test_lines_are_deleted_once_their_run_has_ended_long_ago():
    ended = timezone.now() - runlog.KEPT
    for source, days in (("Old", 1), ("New", -1)):
        run = factories.run(factories.source(source), finished_at=ended - timedelta(days=days))
        log = Lines()
        log.info("page", source)
        runlog.keep(log, factories.task(run), 1)

    assert runlog.delete_old() == 1
    assert texts() == ["New"]
