"""Connections to Redshift: psycopg with plain statements only, since Redshift knows little of the newer protocol."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import boto3
import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.adapt import Dumper

from ingestion.errors import IngestionError
from ingestion.warehouse.base import WarehouseRefused, WarehouseUnavailable
from ingestion.warehouse.postgres_errors import Place
from ingestion.warehouse.postgres_session import Connections, PostgresSession
from ingestion.warehouse.redshift_address import RedshiftAddress
from ingestion.warehouse.redshift_errors import WAIT, connecting, translated
from ingestion.warehouse.sql import REDSHIFT

CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 30,  # a paused serverless warehouse takes its time
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
    "application_name": "headgate",
    "client_encoding": "utf8",
}
SETTINGS: Final = (
    "SET timezone TO 'UTC'",
    "SET datestyle TO 'ISO'",
    "SET extra_float_digits TO 2",  # a number's text holds all of it
)
BUSY: Final = ("Throttling", "ThrottlingException", "InternalFailure", "ServiceUnavailable", "InternalServerException")


class RedshiftSession(PostgresSession):
    """One connection, for one thread at a time."""

    dialect = REDSHIFT


class TextDumper(Dumper):
    """Text as a constant that means the same whatever a backslash means to the server. Redshift takes no E'…'."""

    oid = psycopg.postgres.types["text"].oid

    def dump(self, obj: str) -> bytes:
        return obj.encode()

    def quote(self, obj: str) -> bytes:
        return constant(obj).encode()


def constant(text: str) -> str:
    """A text constant for Redshift. Raises ValueError for U+0000, which it cannot hold."""
    if "\0" in text:
        raise ValueError("a text constant cannot hold U+0000")
    quoted = text.replace("'", "''")
    if "\\" not in text:
        return f"'{quoted}'"
    stand_in = next(sign for sign in map(chr, range(1, 0x110000)) if sign not in text and sign not in "'\\")
    return f"REPLACE('{quoted.replace(chr(92), stand_in)}', '{stand_in}', CHR(92))"


def comment(text: str) -> str:
    """A text constant where nothing else may stand: a backslash is written as Redshift reads it, twice."""
    return "'" + text.replace("\0", "").replace("\\", "\\\\").replace("'", "''") + "'"


class RedshiftConnections(Connections):
    """See `postgres_session.Connections`."""

    def __init__(self, address: RedshiftAddress) -> None:
        self.address = address
        super().__init__("", Place(address.host, str(address.port), address.database, address.user))

    @contextmanager
    def session(self, doing: str) -> Iterator[RedshiftSession]:
        """A session in autocommit; errors inside come out as ours."""
        with self._lent() as connection, translated(self.address, doing):
            yield RedshiftSession(connection)

    def _unopened(self, error: psycopg.Error) -> IngestionError:
        return connecting(error, self.address)

    def _open(self) -> "psycopg.Connection[tuple[Any, ...]]":
        address = self.address
        user, password = (address.user, address.password) if address.password else _temporary(address)
        connection = psycopg.connect(
            host=address.host,
            port=address.port,
            dbname=address.database,
            user=user,
            password=password,
            sslmode=address.sslmode,
            sslrootcert=address.sslrootcert if address.sslmode.startswith("verify") else None,
            autocommit=True,
            prepare_threshold=None,
            cursor_factory=psycopg.ClientCursor,
            **CONNECT,
        )
        connection.adapters.register_dumper(str, TextDumper)
        for setting in SETTINGS:
            connection.execute(setting.encode())
        return connection


def _temporary(address: RedshiftAddress) -> Sequence[str]:
    """User and password that Amazon makes for this machine's role, for some minutes."""
    try:
        if address.workgroup:
            serverless: Any = boto3.client("redshift-serverless", region_name=address.region)
            given = serverless.get_credentials(workgroupName=address.workgroup, dbName=address.database)
            return given["dbUser"], given["dbPassword"]
        provisioned: Any = boto3.client("redshift", region_name=address.region)
        given = provisioned.get_cluster_credentials_with_iam(ClusterIdentifier=address.cluster, DbName=address.database)
        return given["DbUser"], given["DbPassword"]
    except (BotoCoreError, ClientError) as error:
        raise _no_credentials(error, address) from error


def _no_credentials(error: Exception, address: RedshiftAddress) -> IngestionError:
    whose = f"workgroup {address.workgroup}" if address.workgroup else f"cluster {address.cluster}"
    code = error.response["Error"].get("Code", "") if isinstance(error, ClientError) else type(error).__name__
    what = f"No temporary credentials were to be had for {whose} ({address}): {code}."
    if code in BUSY or "Timeout" in code or "Connect" in code:
        return WarehouseUnavailable(what, advice=WAIT, detail=str(error))
    return WarehouseRefused(
        what, advice="Let this machine's role ask for them (docs/redshift.md names the rights), or give a password."
    )
