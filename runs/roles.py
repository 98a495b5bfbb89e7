"""Who may do what, by role: the verbs that pages and APIs ask a right for, and the four groups that are given them.

The groups are made after every migration. What a role has and its group lacks is added; what people have given a group
besides stays, and groups of other names are theirs alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps as installed

VIEWER, SUPPORT, OPERATOR, ADMIN = "viewer", "support", "operator", "admin"


@dataclass(frozen=True, kw_only=True)
class Verb:
    """Something that people may or may not do, the permissions that the code asks for it, and the roles that may."""

    about: str
    permissions: tuple[str, ...]
    roles: tuple[str, ...]


ROLES: Final = (VIEWER, SUPPORT, OPERATOR, ADMIN)
HELPERS: Final = (SUPPORT, OPERATOR, ADMIN)
KEEPERS: Final = (OPERATOR, ADMIN)
VERBS: Final[dict[str, Verb]] = {
    "view": Verb(
        about="See runs, data loads, data sources, connectors, batches and datasets",
        permissions=(
            "runs.view_run", "runs.view_dataload", "connectors.view_datasource", "connectors.view_connector",
            "ingestion.view_batch", "ingestion.view_dataset",
        ),
        roles=ROLES,
    ),
    "start": Verb(about="Start an incremental run", permissions=("connectors.start_run",), roles=HELPERS),
    "cancel": Verb(about="Cancel a run", permissions=("runs.cancel_run",), roles=HELPERS),
    "retry": Verb(
        about="Retry a run, a destructive one with the right to start it, too; send a message about a data load again",
        permissions=("runs.retry_run",),
        roles=HELPERS,
    ),
    "care": Verb(
        about="Acknowledge, assign and snooze a run, and add notes to it",
        permissions=("runs.care_run",),
        roles=HELPERS,
    ),
    "steer batches": Verb(
        about="Abort, fail or resume a batch, or try it again now; send one in the name of a program",
        permissions=("ingestion.change_batch",),
        roles=HELPERS,
    ),
    "view clients": Verb(
        about="See API clients and organisations; secrets are seen by nobody",
        permissions=("access.view_apiclient", "access.view_organisation", "access.view_sandbox"),
        roles=HELPERS,
    ),
    "start destructive": Verb(
        about="Start a destructive run", permissions=("connectors.start_destructive_run",), roles=KEEPERS
    ),
    "force close": Verb(about="Force a run closed", permissions=("runs.close_run",), roles=KEEPERS),
    "take batches away": Verb(
        about="Revert a batch, move it to the archive or to cold storage, delete its data",
        permissions=("ingestion.delete_batch",),
        roles=KEEPERS,
    ),
    "see raw data": Verb(
        about="See records, bad rows and technical details", permissions=("runs.view_raw_data",), roles=KEEPERS
    ),
    "test": Verb(about="Test the connection of a data source", permissions=("connectors.test_source",), roles=KEEPERS),
    "edit configuration": Verb(
        about="Add and change data sources and connectors; change the settings of datasets",
        permissions=(
            "connectors.add_datasource", "connectors.change_datasource", "connectors.add_connector",
            "connectors.change_connector", "ingestion.change_dataset",
        ),
        roles=KEEPERS,
    ),
    "delete configuration": Verb(
        about="Delete data sources, connectors and datasets",
        permissions=("connectors.delete_datasource", "connectors.delete_connector", "ingestion.delete_dataset"),
        roles=(ADMIN,),
    ),
    "manage clients": Verb(
        about="Add API clients and organisations, change them, make new secrets, switch clients off and on",
        permissions=(
            "access.add_apiclient", "access.change_apiclient", "access.add_organisation", "access.change_organisation",
            "access.add_sandbox", "access.change_sandbox",
        ),
        roles=(ADMIN,),
    ),
    "manage people": Verb(
        about="Add users and groups, change them, and delete them",
        permissions=(
            "auth.view_user", "auth.add_user", "auth.change_user", "auth.delete_user",
            "auth.view_group", "auth.add_group", "auth.change_group", "auth.delete_group",
        ),
        roles=(ADMIN,),
    ),
}  # fmt: skip


def permissions_of(role: str) -> set[str]:
    """As "app.codename"."""
    return {permission for verb in VERBS.values() if role in verb.roles for permission in verb.permissions}


def as_table() -> str:
    """The matrix, as docs/roles.md shows it."""
    lines = [f"| may | {' | '.join(ROLES)} | permissions |", f"|---|{':-:|' * len(ROLES)}---|"]
    for verb in VERBS.values():
        marks = " | ".join("yes" if role in verb.roles else "–" for role in ROLES)
        lines.append(f"| {verb.about} | {marks} | {', '.join(f'`{each}`' for each in verb.permissions)} |")
    return "\n".join(lines) + "\n"


def make_groups(*, using: str = "default", apps: Any = installed, **_: Any) -> None:
    """Called after every migration; safe to repeat. Where the tables of groups are not there yet, it leaves it."""
    try:
        group, permission = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    except LookupError:
        return
    known = {
        f"{app}.{codename}": pk
        for pk, app, codename in permission.objects.using(using).values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for role in ROLES:
        made, _created = group.objects.using(using).get_or_create(name=role)
        made.permissions.add(*_given(known, permissions_of(role)))


def _given(known: dict[str, int], wanted: Iterable[str]) -> list[int]:
    """The rows of these permissions; one is missing only while its app is not migrated yet."""
    return sorted(known[permission] for permission in wanted if permission in known)
