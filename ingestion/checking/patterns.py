"""Patterns and formats of text: one spelling that Python and the native engine read alike. Pure."""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

LONGEST: Final = 2_000
# What both engines are known to read alike, with the ASCII classes; anything else goes record by record.
SAFE: Final = re.compile(r"(?:[A-Za-z0-9_ @#%&=:;,<>/~'\"!-]|\\[dwDW.\\/+*?()\[\]{}|^$-]|[\[\]^$.*+?(){}|])*")


class PatternProblem(Exception):
    """The pattern cannot be used."""


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern as JSON Schema means it: found anywhere, `$` at the very end only, classes of ASCII."""
    if len(pattern) > LONGEST:
        raise PatternProblem(f"it is longer than {LONGEST:,} characters")
    return re.compile(_ends(pattern), re.ASCII)


def is_safe(pattern: str) -> bool:
    """Does the native engine read the pattern as `compile_pattern` does?"""
    return SAFE.fullmatch(pattern) is not None and "[[" not in pattern and "[]" not in pattern and "[^]" not in pattern


def _ends(pattern: str) -> str:
    r"""Python's `$` also stands before a last line end; `\Z` does not."""
    made, inside, escaped = [], False, False
    for character in pattern:
        plain = not escaped
        escaped = plain and character == "\\"
        if plain and character == "[":
            inside = True
        elif plain and character == "]":
            inside = False
        made.append(r"\Z" if plain and not inside and character == "$" else character)
    return "".join(made)


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
