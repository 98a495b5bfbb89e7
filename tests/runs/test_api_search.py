"""The five rules of the task search, as the table of the run pages states them."""

import pytest

from runs.models import Run, Task
from runs.search import matching, rule_that_matched, runs_with_status
from runs.states import RunStatus, TaskStatus
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    return make.open_run()


def found(text):
    """What the search finds in the newest run, and by which rule."""
    return found_in(Run.objects.latest("pk"), text)


def found_in(run, text):
    return {task.name: rule_that_matched(task, text) for task in matching(Task.objects.all(), text, run_id=run.pk)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cri", "Complete Redshift ingestion"),
        ("CR", "Complete Redshift ingestion"),
        ("tc", "table_consolidation_7"),
        ("tc7", "table_consolidation_7"),
        ("  cri ", "Complete Redshift ingestion"),
    ],
)
def test_the_first_initials_of_a_name_find_it(run, text, name):
    make.task(run, name)

    assert found(text) == {name: "acronym"}


@pytest.mark.parametrize("text", ["ri", "crix", "c r"])
def test_initials_from_the_middle_or_too_many_find_nothing(run, text):
    make.task(run, "Complete Redshift ingestion")

    assert found(text) == {}


def test_one_letter_is_no_acronym_but_may_be_in_the_name(run):
    make.task(run, "Surveys")
    make.task(run, "Exports")

    assert found("s") == {"Surveys": "name", "Exports": "name"}
    assert found("v") == {"Surveys": "name"}


def test_all_initials_can_be_asked_for_by_a_setting(run, settings):
    make.task(run, "Complete Redshift ingestion")
    settings.TASK_SEARCH_ACRONYM = "exact"

    assert found("cr") == {}
    assert found("cri") == {"Complete Redshift ingestion": "acronym"}


@pytest.mark.parametrize("text", ["surv", "SURV", "rvey"])
def test_a_part_of_the_name_finds_it(run, text):
    make.task(run, "Surveys")
    make.task(run, "Responses")

    assert found(text) == {"Surveys": "name"}


def test_the_case_of_other_alphabets_does_not_matter_either(run):
    make.task(run, "Übersicht")
    make.task(run, "Größe")

    assert found("übersicht") == {"Übersicht": "name"}
    assert found("ÜB") == {"Übersicht": "name"}
    assert found("größe") == {"Größe": "name"}


@pytest.mark.parametrize("text", ["Waiting", "waiting to s", "WAIT"])
def test_the_start_of_the_shown_status_finds_it(run, text):
    make.task(run, "A", status=TaskStatus.QUEUED)
    make.task(run, "B", status=TaskStatus.WAITING)
    make.task(run, "C", status=TaskStatus.RUNNING)

    assert found(text) == {"A": "status", "B": "status"}


@pytest.mark.parametrize("text", ["start", "queued", "to start"])
def test_neither_the_middle_of_a_status_nor_its_stored_word_is_a_status(run, text):
    make.task(run, "A", status=TaskStatus.QUEUED)

    assert found(text) == {}


@pytest.mark.parametrize("text", ["cancelled", "canceled", "cancelling", "canceling", "Cance"])
def test_every_spelling_of_cancel_finds_cancelled_tasks(run, text):
    make.task(run, "A", status=TaskStatus.CANCELLED)
    make.task(run, "B", status=TaskStatus.COMPLETED)

    assert found(text) == {"A": "status"}


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        ("rej", [RunStatus.REJECTED]),
        ("Rejected - previous", [RunStatus.REJECTED]),
        ("canceled", [RunStatus.CANCELLED]),
        ("cancelling", [RunStatus.CANCELING]),
        ("canceling …", [RunStatus.CANCELING]),
        ("cance", [RunStatus.CANCELING, RunStatus.CANCELLED]),
        ("start", []),
    ],
)
def test_statuses_of_runs_are_found_by_their_shown_words(text, statuses):
    assert runs_with_status(text) == statuses


def test_a_table_of_the_task_finds_it_once(run):
    task = make.task(run, "Surveys")
    make.table(task, "employee_history")
    make.table(task, "employee")
    make.task(run, "Responses")

    assert found("Employee") == {"Surveys": "table"}
    assert matching(Task.objects.all(), "employee", run_id=task.run_id).count() == 1


def test_a_message_of_the_task_finds_it(run):
    task = make.task(run, "Surveys")
    make.message(run, "The source answered 429 for 10 min.", task=task)
    make.message(run, "The source answered 429 at last.", task=task)
    make.task(run, "Responses")

    assert found("429") == {"Surveys": "message"}


def test_a_message_of_the_run_itself_is_no_message_of_its_tasks(run):
    make.task(run, "Surveys")
    make.message(run, "The source answered 429.")

    assert found("429") == {}


@pytest.mark.parametrize(
    ("text", "name"), [("100%", "load 100%"), ("a_b", "a_b"), ("\\", "back\\slash"), ("'", "it's")]
)
def test_special_characters_stand_for_themselves(run, text, name):
    for other in ("load 100 rows", "axb", "backslash", "its", name):
        make.task(run, other)

    assert list(found(text)) == [name]


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_text_finds_all_and_names_no_rule(run, text):
    make.task(run, "Surveys")
    make.task(run, "Responses")

    assert found(text) == {"Surveys": "", "Responses": ""}


def test_the_rule_of_a_task_from_elsewhere_is_looked_up(run):
    make.table(make.task(run, "Surveys"), "employee")
    task = Task.objects.get(name="Surveys")

    assert rule_that_matched(task, "employee") == "table"
    assert rule_that_matched(task, "nowhere") == ""


def test_a_thousand_tasks_are_searched_in_one_query(run, django_assert_num_queries):
    Task.objects.bulk_create(
        Task(run=run, kind="extraction", key=str(n), name=f"Responses {n}", acronym=f"r{n}") for n in range(1000)
    )

    with django_assert_num_queries(1):
        assert len(found_in(run, "responses 99")) == 11


def test_what_another_run_said_or_loaded_finds_nothing(run):
    task = make.task(run, "Surveys")
    other = make.task(make.open_run(make.source("Other")), "Surveys")
    make.table(other, "employee")
    make.message(other.run, "The token has expired.", task=other)

    assert found_in(run, "employee") == found_in(run, "token") == found_in(run, "table:emp") == {}
    assert found_in(other.run, "employee") == {"Surveys": "table"}
    assert found_in(task.run, "surv") == {"Surveys": "name"}
