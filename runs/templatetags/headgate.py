"""How pages say statuses, times, durations and numbers: a word always, with a shape and a colour beside it."""

from datetime import datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from ingestion.words import NOTHING, UNBROKEN, brief, exact, icon, moment, number, plural, words
from runs.models import Level
from runs.states import KIND_WORDS, LOAD_WORDS, RUN_WORDS, TASK_WORDS

__all__ = [
    "NOTHING",
    "TRIGGERS",
    "badge",
    "brief",
    "clock",
    "exact",
    "icon",
    "lasted",
    "level_badge",
    "link",
    "load_badge",
    "moment",
    "number",
    "plural",
    "signed",
    "system_word",
    "trigger_word",
    "words",
]

register = template.Library()
for shared in (number, words, brief, moment, exact, plural):
    register.filter(shared)
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
    "warning": "warning",  # a step after a data load that did not run
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
def clock(value: datetime | None) -> SafeString | str:
    """The time of day, with date and zone in the title."""
    if value is None:
        return NOTHING
    short = timezone.localtime(value).strftime("%H:%M:%S")
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), exact(value), short)


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
