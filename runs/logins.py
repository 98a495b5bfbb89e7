"""How often a login failed, counted in the control database so that all web processes know: after five failures a
name is locked for the address they came from. Names that nobody has are counted alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from runs.models import FailedLogin

FAILURES: Final = 5
LOCKED: Final = timedelta(minutes=15)  # and failures that are older no longer count


def locked_until(name: str, address: str) -> datetime | None:
    """Until when logins of this name from this address are refused; None when they are not."""
    found = FailedLogin.objects.filter(name=_known_as(name), address=address, locked_until__gt=timezone.now())
    return found.values_list("locked_until", flat=True).first()


def note_failure(name: str, address: str) -> None:
    """Count one more; the fifth within a quarter of an hour locks. Safe from several processes at once."""
    now = timezone.now()
    with transaction.atomic():
        row, _ = FailedLogin.objects.select_for_update().get_or_create(
            name=_known_as(name), address=address, defaults={"last_at": now}
        )
        if row.locked_until and row.locked_until > now:
            return
        over = row.locked_until or row.last_at < now - LOCKED
        row.count = 1 if over else row.count + 1
        row.locked_until = now + LOCKED if row.count >= FAILURES else None
        row.last_at = now
        row.save()


def clear(name: str, address: str | None = None) -> int:
    """Forget the failures of a name, from one address or from all; answers how many counts there were."""
    found = FailedLogin.objects.filter(name=_known_as(name))
    return (found if address is None else found.filter(address=address)).delete()[0]


def forget_old() -> int:
    return FailedLogin.objects.filter(last_at__lt=timezone.now() - timedelta(days=1)).delete()[0]


def _known_as(name: str) -> str:
    """Letters large or small are one name, so that nobody gets more tries by them."""
    return name.strip().casefold()[:150].replace("\x00", "")
