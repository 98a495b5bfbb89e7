"""Who calls the batch API, and for which organisation and sandbox: all that its views know of access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`request.auth` of the batch API. `staff` are people of the admin; the others are programs with a token."""

    organisation: str  # the x-gw-ims-org-id
    sandbox: str
    client_id: str  # the x-api-key; empty for staff
    user: str  # what becomes createdUser: a client's technical account, or a person's user name
    staff: bool = False


@dataclass(frozen=True)
class ClientUser:
    """`request.user` where a program calls: signed in, and with none of the rights that people have."""

    username: str
    pk: ClassVar[None] = None
    id: ClassVar[None] = None
    is_authenticated: ClassVar[bool] = True
    is_anonymous: ClassVar[bool] = False
    is_active: ClassVar[bool] = True
    is_staff: ClassVar[bool] = False
    is_superuser: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.username

    def get_username(self) -> str:
        return self.username

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return False

    def has_perms(self, perms: list[str], obj: object = None) -> bool:
        return not perms
