"""Logging in with a name and a password, to the admin and to the API: refused for a while after failures."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone
from unfold.forms import AuthenticationForm

from runs import logins

SECONDS_OF_A_MINUTE = 60


class Throttled(ModelBackend):
    """Django's own, behind the count of failures. A name that is locked is refused whatever the password is, and
    nothing is hashed for it, so that a name that nobody has answers in the same words and time."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> User | None:
        if not username or password is None:
            return None
        address = client_address(request)
        if logins.locked_until(username, address):
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password, **others)
        if user is None:
            logins.note_failure(username, address)
        elif request is not None:
            logins.clear(username, address)
        return user


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """The admin's, which says when to try again."""

    def get_invalid_login_error(self) -> ValidationError:
        until = logins.locked_until(self.cleaned_data.get("username") or "", client_address(self.request))
        if until is None:
            return super().get_invalid_login_error()  # type: ignore[no-any-return]
        minutes = int((until - timezone.now()).total_seconds() // SECONDS_OF_A_MINUTE) + 1
        return ValidationError(
            f"Too many logins failed for this name from where you are. Try again at {until:%H:%M} UTC (in {minutes} "
            "min), or ask an administrator to unlock the name.",
            code="locked",
        )


def client_address(request: HttpRequest | None) -> str:
    """Where a request comes from: the one that is connected to us; behind proxies of TRUSTED_PROXIES the last address
    that they name and that is none of them. What others write into X-Forwarded-For counts for nothing."""
    if request is None:
        return ""
    told = [*request.META.get("HTTP_X_FORWARDED_FOR", "").split(","), request.META.get("REMOTE_ADDR", "")]
    client = None
    for text in reversed(told):
        address = _address(text)
        if address is None:
            break
        client = address
        if not any(address in ip_network(trusted, strict=False) for trusted in settings.TRUSTED_PROXIES):
            break
    return _whose(client) if client else ""


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _whose(address: IPv4Address | IPv6Address) -> str:
    """One subscriber has all of a /64 of IPv6."""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
