"""The verbs of access: organisations and clients are made here, secrets given out, tokens taken back.

A secret is in the clear only in what `create` and `new_secret` return: hand it to the person, keep it nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify
from oauth2_provider.generators import generate_client_id, generate_client_secret
from oauth2_provider.models import AccessToken, Application

from ingestion.access.errors import AccessError
from ingestion.access.models import ApiClient, Organisation, Sandbox

CLEARED_AT_ONCE = 1000  # rows of one statement: a transaction that other writers wait for stays short


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a program is given, once."""

    client: ApiClient
    client_id: str
    secret: str = field(repr=False)


@transaction.atomic
def add_organisation(*, name: str, title: str = "") -> Organisation:
    """The organisation of this name with its first sandbox; safe to repeat."""
    organisation, _ = Organisation.objects.get_or_create(name=name, defaults={"title": title})
    add_first_sandbox(organisation)
    return organisation


def add_first_sandbox(organisation: Organisation) -> None:
    """Every organisation has the sandbox that requests without x-sandbox-name go to; safe to repeat."""
    Sandbox.objects.get_or_create(
        organisation=organisation, name=settings.SANDBOX, defaults={"title": settings.SANDBOX.capitalize()}
    )


@transaction.atomic
def create(
    *, organisation: Organisation, name: str, sandboxes: Iterable[Sandbox] = (), account: str = "", by: str
) -> Credentials:
    """A client with a new id and secret. Raises AccessError where the name is taken or a sandbox is another's."""
    client = ApiClient(organisation=organisation, name=name, technical_account=account, created_by=by)
    return register(client, sandboxes=sandboxes)


@transaction.atomic
def register(client: ApiClient, *, sandboxes: Iterable[Sandbox] = ()) -> Credentials:
    """Save a client that is new, with its id, its secret and the sandboxes it is limited to."""
    client_id, secret = generate_client_id(), generate_client_secret()
    client.application = Application.objects.create(
        client_id=client_id,
        client_secret=secret,  # hashed on its way into the database
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
        name=f"{client.organisation}/{client.name}",
    )
    client.secret_made_at = timezone.now()
    client.technical_account = client.technical_account or f"{slugify(client.name)[:60] or client_id}@techacct"
    try:
        with transaction.atomic():
            client.save(force_insert=True)
    except IntegrityError as error:
        raise AccessError(
            f"The organisation “{client.organisation}” has a client “{client.name}” already.",
            advice="Choose another name, or make a new secret for that client on its page.",
        ) from error
    limit(client, to=sandboxes)
    return Credentials(client=client, client_id=client_id, secret=secret)


@transaction.atomic
def limit(client: ApiClient, *, to: Iterable[Sandbox]) -> None:
    """Limit a client to these sandboxes; with none, it may work in all of its organisation."""
    wanted = list(to)
    foreign = [str(sandbox) for sandbox in wanted if sandbox.organisation_id != client.organisation_id]
    if foreign:
        raise AccessError(
            f"{', '.join(foreign)} does not belong to the organisation “{client.organisation}” of this client.",
            advice="Choose sandboxes of the client's own organisation.",
        )
    client.sandboxes.set(wanted)


@transaction.atomic
def new_secret(client: ApiClient, *, instead_of: datetime, revoke: bool) -> Credentials:
    """Replace the secret made at `instead_of`; the old one gets no token from now on. Raises AccessError where another
    has replaced it before, so that a form sent twice gives out one secret. `revoke` takes its tokens back as well."""
    now = timezone.now()
    mine = ApiClient.objects.filter(pk=client.pk, secret_made_at=instead_of)
    if not mine.update(secret_made_at=now):
        raise AccessError(
            f"The secret of “{client}” has been replaced since this page was opened. Nothing was changed.",
            advice="Whoever replaced it was shown the new one. If it is lost, make another.",
        )
    client.secret_made_at = now
    application, secret = client.application, generate_client_secret()
    application.client_secret = secret
    application.save(update_fields=["client_secret", "updated"])
    if revoke:
        take_tokens_back(client)
    return Credentials(client=client, client_id=application.client_id, secret=secret)


@transaction.atomic
def switch(client: ApiClient, *, on: bool) -> int:
    """Let a client in or shut it out; either way the tokens it had are gone, and their count is the answer."""
    ApiClient.objects.filter(pk=client.pk).update(active=on)
    client.active = on
    return take_tokens_back(client)


def take_tokens_back(client: ApiClient) -> int:
    """Revoke every token of a client; safe to repeat."""
    count: int = AccessToken.objects.filter(application=client.application_id).delete()[0]
    return count


def clear_expired(now: datetime | None = None) -> int:
    """Remove tokens that have ended; returns how many. Safe to repeat and to run beside itself."""
    expired = AccessToken.objects.filter(expires__lt=now or timezone.now()).order_by("pk")
    cleared = 0
    while some := list(expired.values_list("pk", flat=True)[:CLEARED_AT_ONCE]):
        cleared += AccessToken.objects.filter(pk__in=some).delete()[0]
    return cleared
