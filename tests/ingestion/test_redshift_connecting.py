"""The address of a Redshift, who we are there, and what is said when it does not let us in."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingestion.errors import ConfigFault
from ingestion.warehouse.base import LoadFault
from ingestion.warehouse.connect import open_warehouse
from ingestion.warehouse.redshift_address import EXAMPLE, RedshiftAddress
from ingestion.warehouse.redshift_session import RedshiftConnections, constant
from tests.services.process import free_port
from tests.services.redshift import RunningRedshift, backend_dsn, start_redshift

BASE = "redshift://ann:pw@host.example/db?iam_role=default&region=eu-west-1"


def test_an_address_says_all_that_is_needed():
    address = RedshiftAddress.parse(EXAMPLE)

    assert (address.host, address.port, address.database, address.user) == ("host", 5439, "database", "user")
    assert (address.sslmode, address.region) == ("verify-full", "eu-west-1")
    assert "password" not in repr(address).replace("user:password", "")
    assert "password" not in str(address)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redshift://ann:hush@h/db", "lacks iam_role and region"),
        ("redshift://ann:hush@/db?iam_role=default&region=eu-west-1", "lacks a host or a database"),
        ("redshift://ann@h/db?iam_role=default&region=eu-west-1", "neither a password nor a cluster"),
        (BASE + "&colour=blue", "options that are not known: colour"),
        (BASE + "&sslmode=maybe", "its sslmode is not one that can be"),
        ("redshift://ann:hush@h:x/db?iam_role=default&region=eu-west-1", "its port is not a number"),
        ("redshift://ann:hush@h/db?iam_role=me&region=eu-west-1", "its iam_role is not one"),
    ],
)
def test_a_wrong_address_is_refused_without_its_password(url: str, said: str):
    with pytest.raises(ConfigFault) as caught:
        RedshiftAddress.parse(url)

    assert said in caught.value.message
    assert "hush" not in caught.value.message + caught.value.advice


def test_a_text_constant_means_the_same_whatever_a_backslash_means():
    assert constant("it's") == "'it''s'"
    assert constant("a\\b") == "REPLACE('a\x01b', '\x01', CHR(92))"
    with pytest.raises(ValueError, match="U\\+0000"):
        constant("\0")


def test_nothing_but_plain_statements_is_sent_and_no_prepared_one_remains(
    redshift_database: str, redshift_server: RunningRedshift
):
    warehouse = open_warehouse(redshift_database)
    since = len(redshift_server.statements)
    try:
        for _ in range(8):  # psycopg would prepare a statement that comes so often
            assert warehouse.query("SELECT ?, ?", ("it's \\ it", 5)) == [("it's \\ it", 5)]
        with pytest.raises(LoadFault):
            warehouse.query("SELECT FROM WHERE")
        assert warehouse.query("SELECT 1") == [(1,)]
    finally:
        warehouse.close()

    assert not [sql for sql in redshift_server.statements[since:] if "DEALLOCATE" in sql or "SAVEPOINT" in sql]


def test_a_wrong_password_and_a_closed_port_are_told_apart(redshift_database: str, redshift_server: RunningRedshift):
    wrong = redshift_database.replace(redshift_database.split(":")[2].split("@")[0], "hush")
    port = redshift_database.split("@127.0.0.1:")[1].split("/")[0]
    closed = redshift_database.replace(f":{port}/", f":{free_port()}/")

    (refused,), (unreachable,) = (list(_checked(address)) for address in (wrong, closed))

    assert "refused the connection" in refused.detail
    assert "could not be reached" in unreachable.detail
    assert "hush" not in refused.detail + refused.advice


def _checked(address: str) -> Any:
    warehouse = open_warehouse(address)
    try:
        yield from warehouse.check()
    finally:
        warehouse.close()


@pytest.mark.parametrize("service", ["redshift-serverless", "redshift"])
def test_without_a_password_temporary_credentials_are_asked_for(
    redshift_database: str, monkeypatch: pytest.MonkeyPatch, service: str
):
    user, password = redshift_database.removeprefix("redshift://").split("@")[0].split(":")
    asked: list[tuple[str, dict[str, str]]] = []

    class Amazon:
        def get_credentials(self, **who: str) -> dict[str, str]:
            asked.append(("redshift-serverless", who))
            return {"dbUser": user, "dbPassword": password}

        def get_cluster_credentials_with_iam(self, **who: str) -> dict[str, str]:
            asked.append(("redshift", who))
            return {"DbUser": user, "DbPassword": password}

    monkeypatch.setattr(boto3, "client", lambda name, region_name: Amazon())
    whose = "workgroup=etl-group" if service == "redshift-serverless" else "cluster=etl"
    address = redshift_database.replace(f"{user}:{password}@", "") + f"&{whose}"
    address = address.replace("redshift://127", "redshift://@127")

    connections = RedshiftConnections(RedshiftAddress.parse(address))
    with connections.session("asking") as session:
        assert session.rows("SELECT current_user") == [(user,)]
    connections.close()

    assert [name for name, _ in asked] == [service]


def test_the_certificate_is_verified(redshift_server: RunningRedshift, redshift_database: str, tmp_path: Path):
    certificate, key = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure = start_redshift(redshift_server.postgres, redshift_server.s3, tls=context)
    dsn = backend_dsn(redshift_database, redshift_server)
    try:
        trusted = RedshiftConnections(
            RedshiftAddress.parse(secure.address(dsn, sslmode="verify-full", sslrootcert=str(certificate)))
        )
        with trusted.session("asking") as session:
            assert session.connection.pgconn.ssl_in_use
        trusted.close()

        (probe,) = _checked(secure.address(dsn, sslmode="verify-full", sslrootcert="system"))
    finally:
        secure.stop()

    assert not probe.ok
    assert "certificate" in probe.detail


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.mark.parametrize(
    "sql",
    [
        "DEALLOCATE ALL",
        "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES (1) RETURNING id",
        "COPY t FROM STDIN",
        "SELECT ARRAY[1]",
        "SELECT '{}'::jsonb",
        "CREATE INDEX i ON t (id)",
        "SELECT id FROM t FOR UPDATE SKIP LOCKED",
        "DELETE FROM t AS x WHERE x.id = 1",
        "SELECT E'a'",
        "SELECT now()",
        "ALTER TABLE t ALTER COLUMN id TYPE numeric",
    ],
)
def test_the_stand_in_refuses_what_redshift_refuses(redshift_database: str, sql: str):
    with RedshiftConnections(RedshiftAddress.parse(redshift_database)).session("making") as session:
        session.run("CREATE TABLE t (id bigint)")
        with pytest.raises(psycopg.Error, match=r"Redshift|VARCHAR"):
            session.run(sql)
        session.connection.close()


def test_the_stand_ins_truncate_commits_and_append_stands_alone(redshift_database: str):
    connections = RedshiftConnections(RedshiftAddress.parse(redshift_database))
    with connections.session("making") as session:
        session.run("CREATE TABLE a (id bigint)")
        session.run("CREATE TABLE b (id bigint)")
        session.run("INSERT INTO b VALUES (1)")
        session.run("BEGIN")
        session.run("INSERT INTO a VALUES (7)")
        session.run("TRUNCATE b")
        session.run("ROLLBACK")
        assert session.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [(1, 0)]

        session.run("ALTER TABLE b APPEND FROM a")
        assert session.rows("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)") == [(0, 1)]

        session.run("BEGIN")
        with pytest.raises(psycopg.Error, match="cannot run inside a transaction"):
            session.run("ALTER TABLE a APPEND FROM b")
        session.connection.close()
    connections.close()
