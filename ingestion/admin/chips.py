"""The filters that are set on a list, each with the way to remove it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One filter that is set; `address` is the list without it."""

    words: str
    address: str


def chips(shown: Any) -> list[Chip]:
    """The filters that somebody set on a list, each with the way to remove it."""
    found = []
    for spec in shown.filter_specs:
        named = [name for name in spec.expected_parameters() if name in shown.params or name in shown.filter_params]
        if named:
            said = next((str(choice["display"]) for choice in spec.choices(shown) if choice["selected"]), "")
            address = shown.get_query_string(remove=named)
            found.append(Chip(words=f"{str(spec.title).capitalize()}: {said or 'chosen'}", address=address))
    return found


def with_chips(answer: HttpResponse) -> HttpResponse:
    """A list's answer that also names the filters that are set."""
    context = getattr(answer, "context_data", None)
    if context and "cl" in context:
        context["chips"] = chips(context["cl"])
    return answer
