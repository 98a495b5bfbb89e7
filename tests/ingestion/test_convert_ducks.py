"""The DuckDBs that a writer keeps between its conversions: none sees another's tables; none that failed comes back."""

import threading
from pathlib import Path

import duckdb
import pytest

from ingestion.formats.duck import Ducks


@pytest.fixture
def ducks(tmp_path: Path) -> Ducks:
    kept = Ducks(tmp_path, threads=1)
    yield kept
    kept.close()


def test_a_database_is_used_again_and_its_tables_are_gone(ducks: Ducks) -> None:
    with ducks.borrow() as session:
        session.execute("CREATE TEMP TABLE t0 AS SELECT 1 AS a")
    kept = list(ducks._idle)

    with ducks.borrow() as session:
        assert session.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)
        session.execute("CREATE TEMP TABLE t0 AS SELECT 2 AS a")
    assert ducks._idle == kept


def test_two_threads_have_one_each(ducks: Ducks) -> None:
    together = threading.Barrier(2, timeout=20)
    found = []

    def convert(number: int) -> None:
        with ducks.borrow() as session:
            session.execute(f"CREATE TEMP TABLE t0 AS SELECT {number} AS a")
            together.wait()
            found.append(session.execute("SELECT a FROM t0").fetchone()[0])

    threads = [threading.Thread(target=convert, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found) == [1, 2]
    assert len(ducks._idle) == 2


def test_one_that_failed_is_not_used_again(ducks: Ducks) -> None:
    with pytest.raises(duckdb.Error), ducks.borrow() as session:
        session.execute("SELECT * FROM nowhere")

    assert ducks._idle == []
    with ducks.borrow() as session:
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_one_whose_user_changed_its_mind_is_used_again(ducks: Ducks) -> None:
    with pytest.raises(LookupError), ducks.borrow():
        raise LookupError

    assert len(ducks._idle) == 1
