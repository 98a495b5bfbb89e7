"""Breaking off the commits of a real Postgres: what is made and never told, what is never made, and all the rest."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.services.commits import NOT_MADE, NOT_TOLD, at_commits
from tests.services.postgres import KILLABLE, start_postgres


@pytest.fixture
def books(postgres_database):
    """The database itself, beside the proxy."""
    with psycopg.connect(postgres_database, autocommit=True) as direct:
        direct.execute("CREATE TABLE books (load int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        direct.execute("CREATE TABLE others (load int)")
        yield direct


@pytest.fixture
def proxy(postgres_database):
    with at_commits(postgres_database, "INSERT INTO books") as found:
        yield found


@pytest.fixture
def pool():
    with ThreadPoolExecutor(2) as found:
        yield found


def enter(address, load, *, table="books", cursor=psycopg.Cursor, piped=False):
    """As a publish does; answers what a statement after it says."""
    with psycopg.connect(address, autocommit=True, cursor_factory=cursor) as through:
        if piped:
            with through.pipeline(), through.transaction():
                through.execute(f"INSERT INTO {table} VALUES (%s)", [load])
        else:
            with through.transaction():
                through.execute(f"INSERT INTO {table} VALUES (%s)", [load])
        return through.execute("SELECT 'on'").fetchone()


def entered(books):
    return [load for (load,) in books.execute("SELECT load FROM books ORDER BY 1")]


@pytest.mark.parametrize(
    "how", [{}, {"cursor": psycopg.ClientCursor}, {"piped": True}], ids=["extended", "simple", "pipelined"]
)
@pytest.mark.parametrize(("kind", "made"), [(NOT_TOLD, [1]), (NOT_MADE, [])])
def test_a_commit_is_broken_off_before_or_after_it_is_made(books, proxy, pool, postgres_database, kind, made, how):
    proxy.meet(kind)

    caller = pool.submit(enter, proxy.address(postgres_database), 1, **how)

    assert proxy.met.wait(5)
    assert entered(books) == made
    assert not caller.done()
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        caller.result(5)
    assert entered(books) == made
    assert enter(proxy.address(postgres_database), 2) == ("on",)


def test_what_has_no_mark_and_what_the_server_refuses_goes_through(books, proxy, pool, postgres_database):
    address = proxy.address(postgres_database)
    books.execute("INSERT INTO books VALUES (1)")
    proxy.meet(NOT_TOLD)

    assert enter(address, 1, table="others") == ("on",)
    with pytest.raises(psycopg.errors.UniqueViolation):
        enter(address, 1)  # found at its COMMIT
    assert not proxy.met.is_set()

    caller = pool.submit(enter, address, 2)
    assert proxy.met.wait(5)
    proxy.cut()
    with pytest.raises(psycopg.OperationalError):
        caller.result(5)


def test_nothing_is_met_after_it_was_given_up(books, proxy, postgres_database):
    proxy.meet(NOT_MADE)

    assert proxy.give_up() is True

    assert enter(proxy.address(postgres_database), 1) == ("on",)
    assert entered(books) == [1]


def test_a_crash_in_the_midst_of_a_commit_ends_the_caller_and_keeps_the_row(tmp_path, pool):
    server = start_postgres(tmp_path, settings=KILLABLE)
    try:
        with psycopg.connect(server.dsn, autocommit=True) as direct:
            direct.execute("CREATE TABLE books (load int)")
        with at_commits(server.dsn, "INSERT INTO books") as proxy:
            proxy.meet(NOT_TOLD)
            caller = pool.submit(enter, proxy.address(server.dsn), 1)
            assert proxy.met.wait(5)

            server.restart(immediate=True)

            with pytest.raises(psycopg.OperationalError):
                caller.result(5)
            assert enter(proxy.address(server.dsn), 2) == ("on",)
        with psycopg.connect(server.dsn) as direct:
            assert entered(direct) == [1, 2]
    finally:
        server.remove()
