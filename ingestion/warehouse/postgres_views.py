"""Change a public view in Postgres without losing what hangs on it: views over it, grants, comments, owners.

A view whose columns keep their types is replaced in place. One whose column changes its type must be made anew, and so
must the views over it; this happens in the caller's transaction, so that nobody ever misses one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from ingestion.errors import SchemaFault
from ingestion.warehouse.postgres_session import PostgresSession
from ingestion.warehouse.sql import Shape, literal, qualified, quote

DEPENDENTS: Final = """
WITH RECURSIVE below (oid, depth) AS (
    SELECT to_regclass(?)::oid, 0
    UNION ALL
    SELECT r.ev_class, below.depth + 1
    FROM below
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = below.oid
                    AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> below.oid
)
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relhastriggers, c.reloptions, pg_get_userbyid(c.relowner),
       pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class')
FROM (SELECT oid, max(depth) AS depth FROM below GROUP BY oid) b
JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY b.depth, c.oid
"""
GRANTS: Final = """
SELECT NULL, a.privilege_type, a.is_grantable, CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = ? AND a.grantee <> c.relowner
UNION ALL
SELECT t.attname, a.privilege_type, a.is_grantable, CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END
FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid, aclexplode(t.attacl) a WHERE t.attrelid = ?
"""


@dataclass(frozen=True, kw_only=True)
class View:
    """All that it takes to make a view again as it was."""

    schema: str
    name: str
    kind: str
    triggers: bool
    options: tuple[str, ...]
    owner: str
    definition: str
    comment: str | None
    grants: list[tuple[Any, ...]] = field(default_factory=list)
    column_comments: list[tuple[Any, ...]] = field(default_factory=list)

    @property
    def sql_name(self) -> str:
        return qualified(self.schema, self.name)


def replace_view(session: PostgresSession, name: str, sql: str, shape: Shape) -> None:
    """Make the view select `sql`, which yields `shape`. Raises SchemaFault when something over it cannot follow."""
    present = _columns(session, name)
    if present == list(shape.items())[: len(present)]:
        session.run(f"CREATE OR REPLACE VIEW {name} AS {sql}")
        return
    ours, *above = _views(session, name)
    for view in above:
        _refuse_what_cannot_be_remade(view, name)
    for view in reversed([ours, *above]):
        session.run(f"DROP VIEW {view.sql_name}")
    session.run(f"CREATE VIEW {name}{_options(ours)} AS {sql}")
    _restore(session, ours)
    for view in above:
        _remake(session, view, name)


def _remake(session: PostgresSession, view: View, name: str) -> None:
    try:
        session.run(f"CREATE VIEW {view.sql_name}{_options(view)} AS {view.definition}")
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        raise SchemaFault(
            f"A column of {name} changes its type, but the view {view.schema}.{view.name} "
            f"does not fit the new one: {error.diag.message_primary}.",
            advice="Change or drop the view, then retry.",
            detail=str(error),
        ) from error
    _restore(session, view)


def _columns(session: PostgresSession, name: str) -> list[tuple[str, str]]:
    found = session.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (name,),
    )
    return [(column, kind) for column, kind in found]


def _views(session: PostgresSession, name: str) -> list[View]:
    """The view itself and the views over it, in an order in which they can be made."""
    views = []
    for oid, schema, relation, kind, triggers, options, owner, definition, comment in session.rows(DEPENDENTS, (name,)):
        comments = session.rows(
            "SELECT a.attname, d.description FROM pg_description d JOIN pg_attribute a "
            "ON a.attrelid = d.objoid AND a.attnum = d.objsubid WHERE d.objoid = ? AND d.objsubid > 0 "
            "AND d.classoid = 'pg_class'::regclass",
            (oid,),
        )
        views.append(
            View(
                schema=schema,
                name=relation,
                kind=kind.decode() if isinstance(kind, bytes) else kind,
                triggers=triggers,
                options=tuple(options or ()),
                owner=owner,
                definition=definition,
                comment=comment,
                grants=session.rows(GRANTS, (oid, oid)),
                column_comments=comments,
            )
        )
    return views


def _refuse_what_cannot_be_remade(view: View, name: str) -> None:
    if view.kind == "v" and not view.triggers:
        return
    what = "view with triggers" if view.kind == "v" else "materialized view"
    raise SchemaFault(
        f"A column of {name} changes its type, but the {what} {view.schema}.{view.name} "
        "depends on the table and cannot be made again by itself.",
        advice="Drop it, retry, and create it again afterwards.",
    )


def _options(view: View) -> str:
    pairs = [option.partition("=") for option in view.options]
    listed = ", ".join(f"{quote(name)} = {literal(value)}" for name, _, value in pairs)
    return f" WITH ({listed})" if listed else ""


def _restore(session: PostgresSession, view: View) -> None:
    if view.owner != session.rows("SELECT current_user")[0][0]:
        session.run(f"ALTER VIEW {view.sql_name} OWNER TO {quote(view.owner)}")
    for grant in _grants(view):
        session.run(grant)
    if view.comment is not None:
        session.run(f"COMMENT ON VIEW {view.sql_name} IS {literal(view.comment)}")
    for column, comment in view.column_comments:
        session.run(f"COMMENT ON COLUMN {view.sql_name}.{quote(column)} IS {literal(comment)}")


def _grants(view: View) -> Sequence[str]:
    statements = []
    for column, privilege, grantable, grantee in view.grants:
        what = f"{privilege} ({quote(column)})" if column else privilege
        whom = quote(grantee) if grantee else "PUBLIC"
        option = " WITH GRANT OPTION" if grantable else ""
        statements.append(f"GRANT {what} ON {view.sql_name} TO {whom}{option}")
    return statements
