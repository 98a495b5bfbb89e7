"""How pages say statuses, times, durations and numbers: a word always, with a shape and a colour beside it."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from runs.models import Level
from runs.states import KIND_WORDS, LOAD_WORDS, RUN_WORDS, TASK_WORDS

register = template.Library()
NOTHING = "–"
UNBROKEN = "\u00a0"
# status → the shape of its icon; the class of the same name gives its colour
SHAPES = {
    "waiting": "hourglass_empty",
    "queued": "hourglass_empty",
    "running": "autorenew",
    "canceling": "pending",
    "cancelled": "do_not_disturb_on",
    "completed": "check_circle",
    "failed": "error",
    "rejected": "front_hand",
    "skipped": "step_over",
}
LEVELS = {Level.INFO: ("info", "info"), Level.WARNING: ("warning", "warning"), Level.ERROR: ("failed", "error")}
TRIGGERS = {
    "person": "Person",
    "api": "API",
    "command": "Command",
    "retry": "Retry",
    "schedule": "Schedule",
    "demo": "Demo",
}
SYSTEM_WORDS = {**KIND_WORDS, **LOAD_WORDS}


def icon(name: str) -> SafeString:
    return format_html('<span class="material-symbols-outlined hg-icon" aria-hidden="true">{}</span>', name)


@register.simple_tag
def badge(status: str, word: str = "") -> SafeString:
    """A status as people see it."""
    word = word or RUN_WORDS.get(status) or TASK_WORDS.get(status) or status
    shape = icon(SHAPES.get(status, "circle"))
    return format_html('<span class="hg-badge hg-{}">{}<span>{}</span></span>', status, shape, word)


@register.simple_tag
def level_badge(level: int, count: int | None = None) -> SafeString:
    """A message's level, or a number of messages with the worst of their levels."""
    if level not in LEVELS:
        return format_html('<span class="hg-none">{}</span>', NOTHING if count is None else count)
    tone, shape = LEVELS[Level(level)]
    word = Level(level).label
    if count is None:
        return format_html('<span class="hg-badge hg-{}">{}<span>{}</span></span>', tone, icon(shape), word)
    text = '<span class="hg-count hg-{}" title="Worst: {}">{}{}<span class="hg-hidden"> {}</span></span>'
    return format_html(text, tone, word, icon(shape), number(count), word)


@register.filter
def number(value: int | None) -> str:
    return NOTHING if value is None else f"{value:,}"


@register.filter
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


@register.filter
def brief(value: timedelta | None) -> str:
    """A duration that may be very short: under ten seconds with a decimal."""
    if not value:
        return NOTHING
    seconds = value.total_seconds()
    return f"{max(seconds, 0.1):.1f}{UNBROKEN}s" if seconds < 10 else words(value)


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """How long ago, with the exact time in the title."""
    if value is None:
        return NOTHING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact(value), ago(timezone.now() - value)
    )


@register.filter
def exact(value: datetime | None) -> str:
    return timezone.localtime(value).strftime("%d %b %Y %H:%M:%S %Z") if value else NOTHING


@register.filter
def clock(value: datetime | None) -> SafeString | str:
    """The time of day, with date and zone in the title."""
    if value is None:
        return NOTHING
    short = timezone.localtime(value).strftime("%H:%M:%S")
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact(value), short)


def ago(passed: timedelta) -> str:
    seconds = int(passed.total_seconds())
    if seconds < 5:
        return "just now"
    unit, size = next((u, s) for u, s in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)) if seconds >= s)
    return f"{seconds // size}{UNBROKEN}{unit}{UNBROKEN}ago"


@register.simple_tag
def lasted(item: Any) -> SafeString | str:
    """How long a run or a task took; it goes on counting while it has not ended, and stands still from then on."""
    passed = item.duration(now=timezone.now())
    if passed is None or item.finished_at:
        return words(passed)
    return format_html('<span data-seconds="{}">{}</span>', int(passed.total_seconds()), words(passed))


@register.filter
def trigger_word(value: str) -> str:
    return TRIGGERS.get(value, value)


@register.filter
def system_word(value: str) -> str:
    """The word for a kind of task or a data load's status."""
    return SYSTEM_WORDS.get(value, value)


@register.filter
def plural(count: int, word: str) -> str:
    """ "1 table", "3 tables"."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


@register.filter
def signed(value: float | None) -> str:
    """A change in percent: "+3.1 %", "−40.0 %", "0 %"."""
    if value is None:
        return NOTHING
    if -100 < value < -99.9:
        value = -99.9  # something is left: a hundred would say that nothing is
    return f"{value:+,.1f}{UNBROKEN}%".replace("-", "−") if abs(value) >= 0.05 else f"0{UNBROKEN}%"


@register.simple_tag
def link(view: Any, **changes: Any) -> str:
    """The address of the page that is open, with these things of it changed."""
    return str(view.link(**changes))


@register.simple_tag
def load_badge(load: Any) -> SafeString:
    return badge(load.status, LOAD_WORDS[load.status])
