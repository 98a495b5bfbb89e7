"""Tags of the card that says who looks after a run."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import reverse

from runs.models import Run
from runs.reading.care import Care, care_of
from runs.reading.handover import handover

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


@register.filter
def is_address(text: str) -> bool:
    """Whether a ticket can be a link: nothing but http and https leads anywhere from our pages."""
    return text.startswith(("https://", "http://"))
