"""One budget of calls for all tasks that use the same credentials, wherever they run."""

import threading
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import budgets, engines
from connectors.budgets import SharedPace, budget_of
from connectors.models import CallBudget

pytestmark = pytest.mark.django_db
KEY = budget_of("https://api.example", {}, {"token": "t-0123456789"})


class Watch:
    """A steady clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_same_credentials_have_one_budget_and_it_holds_no_secret():
    same = budget_of("https://other.example", {"region": "eu"}, {"token": "t-0123456789"})

    assert same == KEY
    assert budget_of("https://api.example", {}, {"token": "t-9876543210"}) != KEY
    assert budget_of("https://a.example", {}, {}) != budget_of("https://b.example", {}, {})
    assert "0123456789" not in KEY


@pytest.mark.django_db(transaction=True)
def test_tasks_take_turns_that_together_keep_the_rate():
    turns, ready = list[float](), threading.Barrier(4)

    def task() -> None:
        pace = SharedPace(KEY, 2)
        ready.wait()
        for _ in range(3):
            turns.append(time.monotonic() + pace.wait())
        connection.close()

    threads = [threading.Thread(target=task) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    turns.sort()
    assert len(turns) == 12
    assert turns[-1] - turns[0] == pytest.approx(11 * 0.5, abs=0.4)
    assert all(later - earlier > 0.25 for earlier, later in pairwise(turns))


def test_a_fast_source_costs_a_statement_for_half_a_second_of_calls_not_for_each():
    pace = SharedPace(KEY, 100, steady=Watch())
    pace.wait()

    with CaptureQueriesContext(connection) as asked:
        waits = [pace.wait() for _ in range(49)]

    assert not asked.captured_queries
    assert [later - earlier for earlier, later in pairwise(waits)] == pytest.approx([0.01] * 48)


def test_turns_that_have_passed_are_not_made_up_for_in_a_burst():
    watch = Watch()
    pace = SharedPace(KEY, 10, steady=watch)
    pace.wait()
    watch.now += 60

    waits = [pace.wait() for _ in range(5)]

    assert waits == sorted(waits)
    assert waits[-1] - waits[0] == pytest.approx(0.4)


@pytest.mark.parametrize("rate", [None, 5])
def test_who_is_asked_to_slow_down_holds_all_who_use_the_same_credentials(rate):
    SharedPace(KEY, rate).hold(30)

    assert SharedPace(KEY, rate).wait() == pytest.approx(30, abs=5)
    assert SharedPace(KEY, None).wait() == pytest.approx(30, abs=5)
    assert SharedPace("another", rate).wait() < 5


def test_without_a_rate_it_looks_now_and_then_and_makes_no_row():
    watch = Watch()
    pace = SharedPace(KEY, None, steady=watch)

    with CaptureQueriesContext(connection) as asked:
        for _ in range(100):
            watch.now += 0.1
            assert pace.wait() == 0

    assert len(asked) == 2
    assert not CallBudget.objects.exists()


def test_while_the_database_cannot_be_asked_each_task_keeps_the_rate_by_itself(monkeypatch):
    def broken(self):
        raise DatabaseError("gone")

    monkeypatch.setattr(budgets.SharedPace, "_read", broken)
    pace = SharedPace(KEY, 4, steady=Watch())

    assert [pace.wait() for _ in range(5)] == pytest.approx([0, 0.25, 0.5, 0.75, 1.0])
    pace.hold(10)
    assert pace.wait() == pytest.approx(10)


MANIFEST = """
manifest: 1
name: x
base_url: "{{ settings.base_url }}"
settings: {base_url: {title: Address}}
auth: {style: oauth2, token_url: "{{ settings.base_url }}/token", scope: SCOPE}
client: {requests_per_second: 2}
endpoints: [{name: a, path: /a}]
"""
CLIENT = {"client_id": "c", "client_secret": "s-0123456789"}


def setup_of(
    *, shared: bool = True, scope: str = "read", secret: str = "s-0123456789", address: str = "https://a.example"
):
    text = MANIFEST.replace("SCOPE", scope)
    opened = engines.open_source(
        text, settings={"base_url": address}, credentials=CLIENT | {"client_secret": secret}, shared=shared
    )
    return opened._setup  # type: ignore[attr-defined]


def test_runs_share_their_budget_and_a_test_of_the_connection_does_not():
    assert isinstance(setup_of().pace(2), SharedPace)
    assert setup_of(shared=False).pace is None


def test_tasks_of_a_process_share_a_token_where_they_would_ask_for_the_same():
    mine = setup_of().tokens

    assert setup_of().tokens is mine
    others = [setup_of(scope="write"), setup_of(secret="another-secret"), setup_of(address="https://b.example")]
    assert all(each.tokens is not mine for each in [*others, setup_of(shared=False)])


def test_budgets_that_nobody_has_used_for_a_day_are_forgotten():
    for key, hours in (("old", 30), ("new", 1)):
        CallBudget.objects.create(key=key, next_at=timezone.now() - timedelta(hours=hours))

    assert budgets.delete_unused() == 1
    assert CallBudget.objects.get().key == "new"
