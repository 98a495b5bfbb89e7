"""Whose token this is, and whether it opens a sandbox: one statement, written out.

The query builder takes 1.4 ms to compose the same one, which is more than the rest of a small request.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

KNOWN: Final = """
SELECT client.active, token.expires > %s, application.client_id, organisation.name, client.technical_account,
       box.id IS NOT NULL
       AND (mine.id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM access_allowance other WHERE other.client_id = client.id))
FROM oauth2_provider_accesstoken token
JOIN oauth2_provider_application application ON application.id = token.application_id
JOIN access_apiclient client ON client.application_id = application.id
JOIN access_organisation organisation ON organisation.id = client.organisation_id
LEFT JOIN access_sandbox box ON box.organisation_id = client.organisation_id AND box.name = %s
LEFT JOIN access_allowance mine ON mine.client_id = client.id AND mine.sandbox_id = box.id
WHERE token.token_checksum = %s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """The client that a living token was given to. `may_enter` is about the sandbox that was asked for."""

    client_id: str
    organisation: str
    account: str
    may_enter: bool


def holder_of(token: str, *, sandbox: str, now: datetime) -> Holder | None:
    """None for a token that nobody was given, that has ended, or whose client is switched off."""
    checksum = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(KNOWN, [connection.ops.adapt_datetimefield_value(now), sandbox, checksum])
        row = cursor.fetchone()
    if row is None or not row[0] or not row[1]:
        return None
    _, _, client_id, organisation, account, may_enter = row
    return Holder(client_id=client_id, organisation=organisation, account=account, may_enter=bool(may_enter))
