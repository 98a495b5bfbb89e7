"""The placeholders that a manifest may use, like `{{ settings.x }}`: found and checked here, filled elsewhere."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

PLACEHOLDER: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
NAME: Final = re.compile(r"(since|endpoint|status|page|(?:settings|partition|parent)\.[A-Za-z0-9_.\-]+)")


def names(value: Any) -> Iterator[str]:
    """Every placeholder inside a text, or inside the texts of a list or mapping."""
    if isinstance(value, str):
        yield from (match[1] for match in PLACEHOLDER.finditer(value))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from names(item)


def group(name: str) -> str:
    """The part before the dot: "settings" of "settings.base_url"."""
    return name.partition(".")[0]
