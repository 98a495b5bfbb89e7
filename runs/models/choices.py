"""The words of a status as choices of a field."""

from __future__ import annotations


def choices_of(words: dict[str, str]) -> list[tuple[str, str]]:
    return [(str(value), word) for value, word in words.items()]
