"""A dataset's store in Postgres: a table partitioned by generation, and the public view over it.

The view shows the generation that the books point to, so that what readers see is decided by data. It is changed only
when columns are, and then no reader waits longer than one short lock attempt.
"""

import random
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Final

import psycopg

from ingestion.warehouse import books
from ingestion.warehouse.base import Target, WarehouseRefused
from ingestion.warehouse.books import Generation
from ingestion.warehouse.postgres_session import PostgresSession
from ingestion.warehouse.postgres_views import replace_view
from ingestion.warehouse.sql import (
    GENERATION,
    LINEAGE,
    LOAD,
    PART,
    POSTGRES,
    STORE,
    Shape,
    book,
    literal,
    names,
    qualified,
    quote,
    stored,
)

LOCKS: Final = 0x48474154  # our class of advisory locks; the other half of each is a dataset's number
SETUP_LOCK: Final = 0  # no dataset has this number
LOCK_ATTEMPTS: Final = 60
LOCK_TIMEOUT: Final = "100ms"  # the longest that our waiting for a lock makes readers wait behind us
LOCK_PAUSE: Final = 0.4
OWN: Final = (GENERATION, *LINEAGE)


def columns(session: PostgresSession, table: str) -> Shape:
    found = session.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (stored(table),),
    )
    return {name: kind for name, kind in found if name not in OWN}


def create_table(session: PostgresSession, table: str, generation: Generation, shape: Shape) -> None:
    """A table for one generation's rows. Its CHECK lets Postgres attach it without reading it."""
    number, load = f"{generation.number:d}", f"{generation.load:d}"
    own = (
        f"{quote(GENERATION)} bigint NOT NULL DEFAULT {number} CHECK ({quote(GENERATION)} = {number})",
        f"{quote(LOAD)} bigint NOT NULL DEFAULT {load}",
        f"{quote(PART)} bigint NOT NULL",
    )
    session.run(f"CREATE TABLE {stored(table)} ({', '.join([*own, *_definitions(shape)])})")


def _definitions(shape: Shape) -> list[str]:
    return [f"{quote(name)} {kind}" for name, kind in shape.items()]


def versions(session: PostgresSession, dataset: int) -> list[int]:
    """The stores of a dataset, oldest first: a new one is made when a column changes its type."""
    found = session.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(?) AND relkind = 'p' AND relname ~ ?",
        (STORE, f"^d{dataset:d}_v[0-9]+$"),
    )
    return sorted(int(name.rpartition("v")[2]) for (name,) in found)


def store_name(dataset: int, version: int) -> str:
    return f"d{dataset:d}_v{version:d}"


def shape_store(session: PostgresSession, target: Target, shape: Shape) -> None:
    """Bring store and view to these columns, in one transaction. Does nothing when they have them."""
    known = versions(session, target.dataset)
    store = store_name(target.dataset, known[-1]) if known else ""
    present = columns(session, store) if known else {}
    added = {name: kind for name, kind in shape.items() if name not in present}
    same = known and all(shape[name] == kind for name, kind in present.items())
    if same and not added and _shown_as(session, target) == view_sql(session, target, known, present):
        return

    def change() -> None:
        newer = [] if same else [known[-1] + 1 if known else 1]
        if newer:
            _create_store(session, store_name(target.dataset, newer[0]), shape)
        elif added:
            adding = ", ".join(f"ADD COLUMN {definition}" for definition in _definitions(added))
            session.run(f"ALTER TABLE {stored(store)} {adding}")
        refresh_view(session, target, [*known, *newer])

    with_short_locks(session, change)


def _create_store(session: PostgresSession, store: str, shape: Shape) -> None:
    own = [f"{quote(name)} bigint NOT NULL" for name in OWN]
    definitions = ", ".join([*own, *_definitions(shape)])
    session.run(f"CREATE TABLE {stored(store)} ({definitions}) PARTITION BY LIST ({quote(GENERATION)})")


def view_sql(session: PostgresSession, target: Target, known: Sequence[int], newest: Shape) -> str:
    """What the public view selects. Older stores stay in it while they hold generations: a reader whose snapshot is
    older than a change of type still finds its rows. `newest` are the columns of the last of the known stores."""
    pointer = f"(SELECT generation FROM {book('_live')} WHERE dataset = {target.dataset:d})"
    branches = []
    for version in reversed(known):
        store = store_name(target.dataset, version)
        before = columns(session, store) if version != known[-1] else newest
        values = [_value(name, before.get(name), after) for name, after in newest.items()]
        chosen = ", ".join([*map(quote, LINEAGE), *values])
        branches.append(f"SELECT {chosen} FROM {stored(store)} WHERE {quote(GENERATION)} = {pointer}")
    return " UNION ALL ".join(branches)


def _value(name: str, before: str | None, after: str) -> str:
    if before == after:
        return quote(name)
    value = POSTGRES.cast(quote(name), before, after) if before else f"CAST(NULL AS {after})"
    return f"{value} AS {quote(name)}"


def refresh_view(session: PostgresSession, target: Target, known: Sequence[int]) -> None:
    """Make the public view show these stores, under each of the dataset's names. Inside the caller's transaction."""
    newest = columns(session, store_name(target.dataset, known[-1]))
    sql = view_sql(session, target, known, newest)
    _refuse_foreign(session, target)
    make_schema(session, target.schema)
    books.enter_name(session, target, shown_as=sql)
    for schema, name in books.public_names(session, target.dataset):
        replace_view(session, qualified(schema, name), sql, {LOAD: "bigint", PART: "bigint", **newest})
    session.run(f"COMMENT ON VIEW {qualified(target.schema, target.name)} IS {literal(target.description)}")


def make_schema(session: PostgresSession, schema: str) -> None:
    """Make a schema if it is missing, inside the caller's transaction. Two that find it missing at once take turns:
    IF NOT EXISTS neither does that nor lets through a user who may not make schemas."""
    # The catalog itself is asked: to_regnamespace may answer from before we waited for the lock.
    there = "SELECT 1 FROM pg_namespace WHERE nspname = ?"
    if session.rows(there, (schema,)):
        return
    session.run("SELECT pg_advisory_xact_lock(?, ?)", (LOCKS, SETUP_LOCK))
    if not session.rows(there, (schema,)):
        session.run(f"CREATE SCHEMA {quote(schema)}")


def _shown_as(session: PostgresSession, target: Target) -> str | None:
    """What the view was last made to show; None when it is gone, or was made for another name or description."""
    found = session.rows(
        f"SELECT shown_as FROM {book('_datasets')} WHERE dataset = ? AND schema_name = ? AND name = ? "
        "AND description = ? AND to_regclass(?) IS NOT NULL",
        (target.dataset, target.schema, target.name, target.description, qualified(target.schema, target.name)),
    )
    return found[0][0] if found else None


def _refuse_foreign(session: PostgresSession, target: Target) -> None:
    """A relation of that name that is not ours is never touched."""
    name = qualified(target.schema, target.name)
    there = session.rows("SELECT to_regclass(?) IS NOT NULL", (name,))[0][0]
    owner = session.rows(
        f"SELECT dataset FROM {book('_datasets')} WHERE schema_name = ? AND name = ? ORDER BY dataset = ? DESC",
        (target.schema, target.name, target.dataset),
    )
    if there and (not owner or owner[0][0] != target.dataset):
        whose = "another dataset" if owner else "something that was not made here"
        raise WarehouseRefused(
            f"{target.schema}.{target.name} cannot be made the live table: that name belongs to {whose}.",
            advice="Give the table another name, or remove what stands there.",
        )


def attach(session: PostgresSession, target: Target, staged: Generation) -> None:
    """Make a staged table a partition of the newest store. Readers are not blocked, and see no difference."""
    version = versions(session, target.dataset)[-1]
    if staged.version == version:
        return

    def change() -> None:
        store = stored(store_name(target.dataset, version))
        session.run(f"ALTER TABLE {store} ATTACH PARTITION {stored(staged.table)} FOR VALUES IN ({staged.number:d})")
        books.note_version(session, staged.number, version)

    with_short_locks(session, change)


def detach(session: PostgresSession, generation: Generation) -> None:
    """Take a generation out of its store. A reader in the middle of it is waited for; nobody waits for us."""
    store = store_name(generation.dataset, generation.version or 0)
    if (pending := _attached(session, store, generation.table)) is not None:
        how = "FINALIZE" if pending else "CONCURRENTLY"
        session.run(f"ALTER TABLE {stored(store)} DETACH PARTITION {stored(generation.table)} {how}")
    books.note_version(session, generation.number, None)


def drop_generation(session: PostgresSession, generation: Generation) -> None:
    if generation.version is not None:
        detach(session, generation)

    def drop() -> None:
        session.run(f"DROP TABLE IF EXISTS {stored(generation.table)}")
        books.forget_generation(session, generation.number)

    with_short_locks(session, drop)


def _attached(session: PostgresSession, store: str, table: str) -> bool | None:
    """None: it is no partition. True: an earlier detaching broke off half-way."""
    found = session.rows(
        "SELECT inhdetachpending FROM pg_inherits WHERE inhparent = to_regclass(?) AND inhrelid = to_regclass(?)",
        (stored(store), stored(table)),
    )
    return bool(found[0][0]) if found else None


def drop_empty_versions(session: PostgresSession, target: Target) -> None:
    """Forget stores of former column types that hold no generation any more."""
    known = versions(session, target.dataset)
    used = session.rows(
        f"SELECT DISTINCT version FROM {book('_generations')} WHERE dataset = ? AND version IS NOT NULL",
        (target.dataset,),
    )
    kept = [version for version in known if (version,) in used or version == known[-1]]
    if kept == known:
        return

    def change() -> None:
        refresh_view(session, target, kept)
        for version in set(known) - set(kept):
            session.run(f"DROP TABLE {stored(store_name(target.dataset, version))}")

    with_short_locks(session, change)


def key_indexes(session: PostgresSession, table: str) -> list[tuple[str, bool, tuple[str, ...]]]:
    """The indexes of a table: name, unique?, columns."""
    found = session.rows(
        "SELECT c.relname, i.indisunique, ARRAY(SELECT a.attname FROM pg_attribute a "
        "WHERE a.attrelid = c.oid ORDER BY a.attnum) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = to_regclass(?)",
        (stored(table),),
    )
    return [(name, unique, tuple(map(str, key))) for name, unique, key in found]


def build_key_index(session: PostgresSession, table: str, key: Sequence[str], *, unique: bool) -> None:
    """Make an index on the key, if there is none; readers go on. Raises UniqueViolation where keys repeat."""
    if any(
        columns == tuple(key) and (is_unique or not unique) for _, is_unique, columns in key_indexes(session, table)
    ):
        return
    kind = "UNIQUE INDEX" if unique else "INDEX"
    name = f"{table}_{'unique' if unique else 'key'}_{zlib.crc32(names(key).encode()):08x}"
    session.run(f"CREATE {kind} {quote(name)} ON {stored(table)} ({names(key)})")


def drop_unique_indexes(session: PostgresSession, table: str) -> None:
    unwanted = [name for name, unique, _ in key_indexes(session, table) if unique]

    def drop() -> None:
        for name in unwanted:
            session.run(f"DROP INDEX {stored(name)}")

    if unwanted:
        with_short_locks(session, drop)


def with_short_locks(session: PostgresSession, body: Callable[[], None]) -> None:
    """Run `body` in a transaction that waits for each lock a moment only, and again while one is not to be had."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            with session.connection.transaction():
                session.run(f"SET LOCAL lock_timeout = {literal(LOCK_TIMEOUT)}")
                body()
        except psycopg.errors.LockNotAvailable:
            if attempt == LOCK_ATTEMPTS:
                raise
            time.sleep(LOCK_PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  only spreads attempts
        else:
            return
