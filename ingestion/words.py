"""How all pages say numbers, times and durations. Knows nothing of what is counted or timed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

NOTHING: Final = "–"
UNBROKEN: Final = "\u00a0"


def icon(name: str) -> SafeString:
    return format_html('<span class="material-symbols-outlined hg-icon" aria-hidden="true">{}</span>', name)


def number(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


def plural(count: int, word: str) -> str:
    """ "1 row", "3 rows", "3 batches"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}es" if word[-2:] == "ch" else f"{count:,} {word}s"


def words(value: timedelta | None) -> str:
    """A duration in its two largest units: "41 s", "3 min 05 s", "2 h 07 min", "7 d 3 h"."""
    if value is None:
        return NOTHING
    seconds = max(int(value.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        text = f"{seconds} s"
    elif minutes < 60:
        text = f"{minutes} min {seconds % 60:02d} s"
    else:
        text = f"{hours} h {minutes % 60:02d} min" if hours < 24 else f"{days} d {hours % 24} h"
    return text.replace(" ", UNBROKEN)


def brief(value: timedelta | None) -> str:
    """A duration that may be very short: under ten seconds with a decimal."""
    if not value:
        return NOTHING
    seconds = value.total_seconds()
    return f"{max(seconds, 0.1):.1f}{UNBROKEN}s" if seconds < 10 else words(value)


def exact(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%d %b %Y %H:%M:%S %Z") if value else NOTHING


def moment(value: datetime | None) -> SafeString | str:
    """How long ago, with the exact time in the title."""
    if value is None:
        return NOTHING
    text = '<time datetime="{}" title="{}">{}</time>'
    return format_html(text, value.isoformat(), exact(value), ago(timezone.now() - value))


def ago(passed: timedelta) -> str:
    seconds = int(passed.total_seconds())
    if seconds < 5:
        return "just now"
    unit, length = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)) if seconds >= s)
    return f"{seconds // length}{UNBROKEN}{unit}{UNBROKEN}ago"
