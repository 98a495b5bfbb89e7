"""Tags of the card that says who looks after a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone

from runs.models import Run
from runs.reading.care import Care, care_of
from runs.reading.handover import handover
from runs.reading.stopping import Stopping, stopping
from runs.templatetags.headgate import NOTHING, brief

register = template.Library()


@register.simple_tag(takes_context=True)
def care(context: Any, run: Run) -> Care:
    """What people have done about the run, and what the person who asks may do."""
    return care_of(run, context["request"].user)


@register.simple_tag(takes_context=True)
def handover_text(context: Any, run: Run) -> str:
    """The run in Markdown, with the whole address of its page."""
    address = context["request"].build_absolute_uri(reverse("admin:runs_run_change", args=[run.pk]))
    return handover(run, address=address)


@register.simple_tag
def stopping_of(run: Run) -> Stopping | None:
    """How far the cancel of the run has come; None where none was asked."""
    return stopping(run, now=timezone.now())


@register.filter
def seconds_words(value: float | None) -> str:
    """Seconds as a duration: "3 min 05 s"."""
    return NOTHING if value is None else brief(timedelta(seconds=value))


@register.filter
def of_key(found: Mapping[str, Any], key: str) -> Any:
    """What a mapping holds under a key that is known only in the template."""
    return found.get(key)


@register.filter
def is_address(text: str) -> bool:
    """Whether a ticket can be a link: nothing but http and https leads anywhere from our pages."""
    return text.startswith(("https://", "http://"))
