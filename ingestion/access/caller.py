"""Who calls the batch API, and for which organisation and sandbox: all that its views know of access."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`request.auth` of the batch API. `staff` are people of the admin; the others are programs with a token."""

    organisation: str  # the x-gw-ims-org-id
    sandbox: str
    client_id: str  # the x-api-key; empty for staff
    user: str  # what becomes createdUser: a client's technical account, or a person's user name
    staff: bool = False
