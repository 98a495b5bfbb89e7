"""How the page of a run says times of log lines, lengths in seconds, and what a retry was to reuse."""

from datetime import datetime, timedelta

from django import template

from runs.lifecycle.retrying import WORDS, Choice
from runs.templatetags.headgate import brief

register = template.Library()


@register.filter
def millis(value: datetime) -> str:
    """ "14:02:11.042", in UTC as the log has it."""
    return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}"


@register.filter
def seconds(value: float) -> str:
    """A length that may be none, or very short: "0 s", "42 ms", "2.3 s", "2 min 05 s"."""
    if value < 1:
        return f"{value * 1000:.0f}\u00a0ms" if value >= 0.0005 else "0\u00a0s"
    return brief(timedelta(seconds=value))


@register.filter
def choice_word(value: str) -> str:
    """What a retry was to reuse, as within a sentence: "failed tasks only"."""
    return WORDS[Choice(value)][0].lower() if value in set(Choice) else value
