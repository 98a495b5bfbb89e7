"""Patterns and formats of text: one spelling that Python and the native engine read alike. Pure."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

import re2

LONGEST: Final = 2_000
# What both engines are known to read alike, with the ASCII classes; anything else goes record by record.
SAFE: Final = re.compile(r"(?:[A-Za-z0-9_ @#%&=:;,<>/~'\"!-]|\\[dwDW.\\/+*?()\[\]{}|^$-]|[\[\]^$.*+?(){}|])*")


class PatternProblem(Exception):
    """The pattern cannot be used."""


class Pattern(Protocol):
    """What is asked of a compiled pattern."""

    def search(self, text: str) -> object: ...


def _quiet() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    return options


QUIET: Final = _quiet()


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Pattern:
    """The pattern as JSON Schema means it: found anywhere, `$` at the very end only, classes of ASCII.

    The engine needs time in proportion to the text, whatever the pattern: clients write both. It has neither
    look-around nor references back. Raises PatternProblem.
    """
    if len(pattern) > LONGEST:
        raise PatternProblem(f"it is longer than {LONGEST:,} characters")
    try:
        compiled: Pattern = re2.compile(pattern, QUIET)
    except re2.error as error:
        raise PatternProblem(_words(error)) from error
    return compiled


def _words(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    said = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
    return f"{said} (look-around and references back are not available)"


def is_safe(pattern: str) -> bool:
    """Does the native engine read the pattern as `compile_pattern` does?"""
    return SAFE.fullmatch(pattern) is not None and "[[" not in pattern and "[]" not in pattern and "[^]" not in pattern


# Read by both engines, so written in what both have.
FORMATS: Final = {
    "email": r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*",
    "uuid": r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    "ipv4": r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*",
    "uri-reference": r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]*",
    "hostname": r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    "time": r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])",
}


def _is_ipv6(value: str) -> bool:
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return False
    return "%" not in value


CHECKS: Final[dict[str, Callable[[str], object]]] = {
    **{name: re.compile(spelling).fullmatch for name, spelling in FORMATS.items()},
    "ipv6": _is_ipv6,
}
