"""A load that was given up never becomes live, whoever wakes up late; and one that was live is said to be."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ingestion.errors import IngestionError
from ingestion.warehouse import publishing
from ingestion.warehouse.base import Mode, Published, StaleToken, Warehouse
from tests.ingestion.warehouse_kit import SURVEYS, Load, live, publish

ROWS = [(1, "one"), (2, "two")]
WAIT = 20


class Frozen:
    """A publish in a thread, held at a point of its way until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool) -> None:
        self.reached, self.woken = threading.Event(), threading.Event()
        self.outcome: list[Published | IngestionError] = []
        real: Callable[..., Any] = getattr(publishing, step)

        def held(*args: Any, **named: Any) -> Any:
            answer = real(*args, **named) if after else None
            self.reached.set()
            assert self.woken.wait(WAIT)
            return answer if after else real(*args, **named)

        monkeypatch.setattr(publishing, step, held)

    def start(self, warehouse: Warehouse, load: Load, token: int) -> None:
        change = load.change(load.stage(warehouse))

        def run() -> None:
            try:
                self.outcome.append(publish(warehouse, load.number, [change], token=token))
            except IngestionError as error:
                self.outcome.append(error)

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert self.reached.wait(WAIT)

    def wake(self) -> Published | IngestionError:
        self.woken.set()
        self._thread.join(WAIT)
        (outcome,) = self.outcome
        return outcome


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.APPEND])
def test_a_publish_that_was_frozen_before_going_live_never_commits(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, mode: Mode
):
    Load(1, ROWS).run(warehouse)
    frozen = Frozen(monkeypatch, "_prepare", after=True)
    frozen.start(warehouse, Load(2, [(9, "late")], mode=mode), token=3)

    assert warehouse.give_up(2, token=3, datasets=[SURVEYS.dataset]) is None
    assert warehouse.give_up(2, token=3, datasets=[SURVEYS.dataset]) is None

    assert isinstance(frozen.wake(), StaleToken)
    assert live(warehouse) == ROWS
    assert warehouse.published(2) is None


def test_a_publish_that_is_committing_is_waited_for_and_told(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch):
    frozen = Frozen(monkeypatch, "_effect", after=False)  # inside the transaction that goes live
    frozen.start(warehouse, Load(2, ROWS), token=3)
    answers: list[Published | None] = []
    asking = threading.Thread(target=lambda: answers.append(warehouse.give_up(2, token=3, datasets=[SURVEYS.dataset])))
    asking.start()
    asking.join(0.3)
    assert answers == []

    outcome = frozen.wake()
    asking.join(WAIT)

    assert isinstance(outcome, Published)
    assert answers == [outcome]
    assert live(warehouse) == ROWS


def test_giving_up_what_is_live_answers_the_ledger(warehouse: Warehouse):
    done = Load(1, ROWS).run(warehouse)

    assert warehouse.give_up(1, token=1, datasets=[SURVEYS.dataset]) == done
    assert live(warehouse) == ROWS


def test_giving_up_in_a_new_warehouse_shuts_out_who_has_not_begun(warehouse: Warehouse):
    assert warehouse.give_up(1, token=4, datasets=[SURVEYS.dataset]) is None

    with pytest.raises(StaleToken, match="given up"):
        Load(1, ROWS).run(warehouse, token=4)

    assert warehouse.published(1) is None


def test_a_newer_token_may_still_publish(warehouse: Warehouse):
    warehouse.give_up(1, token=4, datasets=[SURVEYS.dataset])
    warehouse.give_up(1, token=2, datasets=[SURVEYS.dataset])

    with pytest.raises(StaleToken):
        Load(1, ROWS).run(warehouse, token=4)

    assert not Load(1, ROWS, attempt=2).run(warehouse, token=5).already
    assert live(warehouse) == ROWS


def test_other_loads_of_the_table_are_not_touched(warehouse: Warehouse):
    warehouse.give_up(1, token=4, datasets=[SURVEYS.dataset])

    Load(2, ROWS).run(warehouse, token=1)

    assert live(warehouse) == ROWS


def test_a_load_of_no_tables_can_be_given_up_too(warehouse: Warehouse):
    assert warehouse.give_up(1, token=1, datasets=[]) is None

    with pytest.raises(StaleToken):
        publish(warehouse, 1, [])

    assert warehouse.published(1) is None


def test_giving_up_while_many_begin_lets_none_through(warehouse: Warehouse):
    changes = {n: Load(n).change(Load(n, ROWS, mode=Mode.APPEND).stage(warehouse)) for n in range(1, 13)}
    outcomes: dict[int, Published | IngestionError] = {}
    answers: dict[int, Published | None] = {}

    def begin(number: int) -> None:
        try:
            outcomes[number] = publish(warehouse, number, [changes[number]])
        except IngestionError as error:
            outcomes[number] = error

    def stop(number: int) -> None:
        answers[number] = warehouse.give_up(number, token=1, datasets=[SURVEYS.dataset])

    threads = [threading.Thread(target=step, args=(n,)) for n in changes for step in (begin, stop)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for number in changes:
        if answers[number] is None:
            assert isinstance(outcomes[number], StaleToken)
        else:
            assert outcomes[number] == answers[number]
