"""Give a program an id and a secret for the batch API, and print them: this once, and never again."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingestion.access import clients
from ingestion.access.errors import AccessError
from ingestion.access.models import ApiClient, Organisation, Sandbox


class Command(BaseCommand):
    help = "Make an API client and print its id and secret, which cannot be read again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--name", required=True, help="the program, as people call it")
        parser.add_argument("--organisation", default=settings.ORGANISATION, help="default: %(default)s")
        parser.add_argument(
            "--sandbox", action="append", default=[], help="limits it to this sandbox; may be repeated; default: all"
        )

    def handle(self, *args: Any, name: str, organisation: str, sandbox: list[str], **options: Any) -> None:
        owner = _organisation(organisation)
        client = ApiClient(organisation=owner, name=name, created_by="create_client")
        try:
            client.full_clean(exclude=["application", "secret_made_at"])
            given = clients.register(client, sandboxes=[_sandbox(owner, one) for one in sandbox])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except AccessError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"CLIENT_ID={given.client_id}\nCLIENT_SECRET={given.secret}")


def _organisation(name: str) -> Organisation:
    found = Organisation.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Organisation.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no organisation “{name}”. There is: {known}. Add it in the admin first.")
    return found


def _sandbox(owner: Organisation, name: str) -> Sandbox:
    found = owner.sandboxes.filter(name=name).first()
    if found is None:
        known = ", ".join(owner.sandboxes.values_list("name", flat=True))
        raise CommandError(f"“{owner}” has no sandbox “{name}”. It has: {known}. Add it in the admin first.")
    return found
