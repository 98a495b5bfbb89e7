"""What is asked of Redshift before anything is loaded: reach it, may we create, fill and drop?"""

from collections.abc import Iterator

import psycopg

from ingestion.warehouse import redshift_store
from ingestion.warehouse.base import Probe
from ingestion.warehouse.redshift_address import RedshiftAddress
from ingestion.warehouse.redshift_session import RedshiftSession
from ingestion.warehouse.sql import BOOKS, STORE, qualified, stored


def probes(session: RedshiftSession, address: RedshiftAddress) -> Iterator[Probe]:
    version = str(session.rows("SELECT version()")[0][0])
    known = version.rpartition("Redshift")[2].strip() or version
    yield Probe(name="Reach the warehouse", ok=True, detail=f"Redshift {known} at {address.host}:{address.port}")
    yield _may_write(session, address)


def _may_write(session: RedshiftSession, address: RedshiftAddress) -> Probe:
    """Try for real, in a transaction that is undone."""
    try:
        with session.connection.transaction(force_rollback=True):
            for schema in filter(None, (BOOKS, STORE, address.schema)):
                redshift_store.make_schema(session, schema)
            name = f"check_{session.rows('SELECT pg_backend_pid()')[0][0]}"
            session.run(f"CREATE TABLE {stored(name)} (id bigint, data super)")
            session.run(f"INSERT INTO {stored(name)} (id) VALUES (1)")
            if address.schema:
                select = f"SELECT id FROM {stored(name)}"
                session.run(f"CREATE VIEW {qualified(address.schema, name)} AS {select} WITH NO SCHEMA BINDING")
    except psycopg.Error as error:
        return Probe(
            name="Create and write",
            ok=False,
            detail=f"{address.user or 'The user'} could not create and fill a table: "
            f"{error.diag.message_primary or error}",
            advice=f"GRANT CREATE ON DATABASE {address.database} TO the user, as the owner of the database; and on "
            "each schema that is there already.",
        )
    return Probe(name="Create and write", ok=True, detail="Schemas, tables and views can be created, and filled.")
