"""Redshift's SQL for a Postgres: what it refuses is refused, what only it knows is rewritten. For the stand-in."""

import re

COPY = re.compile(r"^\s*COPY\s+\S+\s*(\([^)]*\))?\s*FROM\s+'s3://", re.IGNORECASE)
LITERAL = re.compile(r"'(?:[^'\\]|''|\\.)*'", re.DOTALL)
BOUND = re.compile(r"alter\s+table\s+(\S+)\s+alter\s+column\s+(\S+)\s+type\s+(\w+)", re.IGNORECASE)
APPEND = re.compile(r"^\s*alter\s+table\s+(\S+)\s+append\s+from\s+(\S+?)\s*;?\s*$", re.IGNORECASE)

REFUSED = {
    r"\bdeallocate\s+all\b": "42601",
    r"\bon\s+conflict\b": "42601",
    r"\breturning\b": "42601",
    r"\bfrom\s+stdin\b|\bto\s+stdout\b": "0A000",
    r"\barray\s*\[|\w\[\]": "0A000",
    r"\bjsonb\b|\bas\s+json\b|::json\b": "42704",
    r"\bcreate\s+(unique\s+)?index\b": "0A000",
    r"\bskip\s+locked\b|\bfor\s+(no\s+key\s+)?update\b|\bfor\s+share\b": "42601",
    r"\bcreate\s+sequence\b|\bnextval\s*\(": "0A000",
    r"\bpg_(try_)?advisory|\bto_reg\w+\s*\(|\bset_config\s*\(|\bunnest\s*\(|\bpg_current_xact_id": "42883",
    r"\bsavepoint\b|\bset\s+local\b|\block_timeout\b": "0A000",
    r"\bdistinct\s+from\b": "42601",
    r"\bnow\s*\(": "0A000",
    r"\bfrom\s*\(\s*values\b": "42601",
    r"^\s*delete\s+from\s+\S+\s+(as\s+\w+|(?!where|using)\w+)\b": "42601",
    r"\badd\s+column\s+if\b|\badd\s+column\b.*,\s*add\s+column\b": "42601",
    r"\bctid\b|\bpartition\s+by\s+list\b|\binherits\b": "0A000",
    r"\be''": "42704",
}
REWRITTEN = (
    (r"\s+with\s+no\s+schema\s+binding\b", ""),
    (r"\s+diststyle\s+(auto|all|even|key)\b", ""),
    (r"\s+distkey\s*\([^)]*\)", ""),
    (r"\s+(compound\s+|interleaved\s+)?sortkey\s*\([^)]*\)", ""),
    (r"\bencode\s+\w+", ""),
    (r"\bidentity\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)", r"IDENTITY (START WITH \1 INCREMENT BY \2)"),
    (r"\bas\s+text\b", "AS varchar(256)"),  # which is what Redshift understands by it
    (r"\bjson_serialize\s*\(", "redshift_json_serialize("),  # newer Postgres has one of its own
    (r"^\s*begin\b", "BEGIN ISOLATION LEVEL REPEATABLE READ"),
)
# What every database of Redshift's has, and Postgres has not.
FURNITURE = (
    "CREATE DOMAIN super AS json",
    "CREATE FUNCTION json_parse(text) RETURNS super LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1::json::super'",
    "CREATE FUNCTION redshift_json_serialize(super) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT "
    "AS 'SELECT $1::json::text'",
    "CREATE FUNCTION getdate() RETURNS timestamp LANGUAGE sql STABLE "
    "AS $$SELECT statement_timestamp() AT TIME ZONE 'UTC'$$",
    """CREATE TABLE sys_load_error_detail (user_id integer, query_id bigint, transaction_id bigint, session_id integer,
       database_name character(64), table_id integer, start_time timestamp, file_name character(256),
       line_number bigint, column_name character(127), column_type character(10), column_length character(10),
       position integer, error_code integer, error_message character(512))""",
    """CREATE VIEW svv_transactions AS SELECT usename AS txn_owner, datname AS txn_db, pid,
       xact_start AT TIME ZONE 'UTC' AS txn_start FROM pg_stat_activity
       WHERE xact_start IS NOT NULL AND datname = current_database() AND backend_type = 'client backend'""",
    """CREATE VIEW svv_relation_privileges AS SELECT n.nspname AS namespace_name, c.relname AS relation_name,
       a.privilege_type, CASE WHEN a.grantee = 0 THEN 'public' ELSE pg_get_userbyid(a.grantee) END AS identity_name,
       CASE WHEN a.grantee = 0 THEN 'public' ELSE 'user' END AS identity_type, a.is_grantable AS admin_option
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a""",
)


class Refused(Exception):
    """Redshift does not know this."""

    def __init__(self, message: str, state: str) -> None:
        super().__init__(message)
        self.state = state


def is_copy(sql: str) -> bool:
    return COPY.match(sql) is not None


def rewritten(sql: str, *, in_transaction: bool, copied: int, copy_id: int) -> str:
    """The statement for Postgres. Raises Refused."""
    texts: list[str] = []
    bare = LITERAL.sub(lambda found: texts.append(found[0]) or "''", sql)  # type: ignore[func-returns-value]
    _refuse(bare, in_transaction)
    if appended := APPEND.match(bare):
        return f"INSERT INTO {appended[1]} SELECT * FROM {appended[2]}; TRUNCATE {appended[2]}"
    for pattern, instead in REWRITTEN:
        bare = re.sub(pattern, instead, bare, flags=re.IGNORECASE)
    bare = bare.replace("pg_last_copy_count()", f"{copied:d}").replace("pg_last_copy_id()", f"{copy_id:d}")
    if in_transaction and re.match(r"\s*truncate\b", bare, re.IGNORECASE):
        bare = f"COMMIT; {bare}"
    pieces = iter(texts)
    return re.sub("''", lambda _: next(pieces), bare)


def _refuse(bare: str, in_transaction: bool) -> None:
    for pattern, state in REFUSED.items():
        if found := re.search(pattern, bare, re.IGNORECASE | re.DOTALL):
            raise Refused(f'syntax error or not supported by Redshift at or near "{found[0]}"', state)
    if APPEND.match(bare) and in_transaction:
        raise Refused("ALTER TABLE APPEND cannot run inside a transaction block", "25001")
    if bound := BOUND.search(bare):
        if bound[3].lower() not in ("varchar", "character"):
            raise Refused("ALTER COLUMN TYPE is only supported for VARCHAR columns", "0A000")
        if in_transaction:
            raise Refused("ALTER TABLE ALTER COLUMN cannot run inside a transaction block", "25001")
