"""What a list is asked for: page, order, members and conditions, read from the query string. Knows no table.

`p=v`, `p=!v`, `p=a,b` (any of them), `p=!a,b` (none of them); `property=name`, `!name`, `name~regex`, `name==v` and so
on; `orderBy=asc:a,b`, `name,desc:created`. Several conditions must all hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ingestion.api.base import bad_request

USUAL: Final = 20
MOST: Final = 100
DEEPEST: Final = 100_000_000  # rows that `start` may step over
MOST_CONDITIONS: Final = 50
MOST_VALUES: Final = 200
LONGEST_VALUE: Final = 1_000
LONGEST_REGEX: Final = 200
MOST_REPEATS: Final = 4
PAGING: Final = ("limit", "start", "offset", "orderBy", "sort", "properties", "property")
CONDITION: Final = re.compile(r"(?P<name>[^~=!<>]+)(?P<sign>==|!=|<=|>=|=|<|>|~)(?P<value>.*)", re.DOTALL)


class Sign(StrEnum):
    EXISTS = "exists"
    ABSENT = "absent"
    MATCHES = "~"
    EQUAL = "=="
    UNEQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One condition on one member. `values`: any of them for EQUAL, none of them for UNEQUAL, else just one."""

    name: str
    sign: Sign
    values: tuple[str, ...] = ()
    is_parameter: bool = False  # by a parameter of its own, not by `property=`

    @property
    def value(self) -> str:
        return self.values[0]


@dataclass(frozen=True, kw_only=True)
class Order:
    name: str
    is_descending: bool


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A list as it is asked for."""

    limit: int
    start: int
    order: tuple[Order, ...]
    conditions: tuple[Condition, ...]
    members: tuple[str, ...] | None  # top-level ones to show; None for all


Query = Mapping[str, Sequence[str]]


def read(query: Query, *, besides: Sequence[str] = ()) -> Asked:
    """What the query asks for; the parameters `besides` are read elsewhere. Raises Problem: 400."""
    simple = [name for name in query if name not in PAGING and name not in besides]
    conditions = [_simple(name, value) for name in simple for value in query[name]]
    conditions += [_property(value) for value in query.get("property", ())]
    if len(conditions) > MOST_CONDITIONS:
        raise bad_request(f"At most {MOST_CONDITIONS} conditions can be asked for at once.")
    return Asked(
        limit=number(query, "limit", default=USUAL, least=1, most=MOST),
        start=number(query, "start" if "start" in query else "offset", default=0, least=0, most=DEEPEST),
        order=_order(query.get("orderBy") or query.get("sort") or ()),
        conditions=tuple(conditions),
        members=members(query),
    )


def members(query: Query) -> tuple[str, ...] | None:
    """The top-level members that an answer shall be cut down to."""
    named = [name.strip() for value in query.get("properties", ()) for name in value.split(",") if name.strip()]
    return tuple(named) or None


def number(query: Query, name: str, *, default: int, least: int, most: int) -> int:
    given = query.get(name)
    if not given:
        return default
    text = given[-1].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most):
        raise bad_request(f"{name}: “{text[:40]}” is no number in the range {least}-{most}.")
    return int(text)


def _simple(name: str, text: str) -> Condition:
    is_negated = text.startswith("!")
    values = tuple(value.strip() for value in text.removeprefix("!").split(","))
    _check_values(name, values)
    sign = Sign.UNEQUAL if is_negated else Sign.EQUAL
    return Condition(name=name, sign=sign, values=values, is_parameter=True)


def _property(text: str) -> Condition:
    found = CONDITION.fullmatch(text)
    if found is None:
        return _presence(text)
    name, value = found["name"].strip(), found["value"].strip().strip('"')
    sign = Sign.EQUAL if found["sign"] == "=" else Sign(found["sign"])
    values = tuple(value.split(",")) if sign in (Sign.EQUAL, Sign.UNEQUAL) else (value,)
    _check_values(name, values)
    if sign == Sign.MATCHES:
        _check_regex(value)
    return Condition(name=name, sign=sign, values=values)


def _presence(text: str) -> Condition:
    name = text.removeprefix("!").strip()
    if not name or set(name) & set("~=!<>"):
        raise bad_request(
            f"property: “{text[:80]}” cannot be read. Write a name, !name, or a name with ~, ==, !=, <, <=, > or >= "
            "and a value."
        )
    return Condition(name=name, sign=Sign.ABSENT if text.startswith("!") else Sign.EXISTS)


def _check_values(name: str, values: Sequence[str]) -> None:
    if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
        raise bad_request(
            f"{name[:80]}: at most {MOST_VALUES} values of {LONGEST_VALUE:,} characters can be asked for."
        )
    if any("\0" in text for text in (name, *values)):
        raise bad_request(f"{name.replace(chr(0), '')[:80]}: a condition cannot hold the character U+0000.")


def _check_regex(text: str) -> None:
    """Only expressions that every database reads alike, and none that takes for ever: no groups, few repetitions."""
    if re.search(r"(?<!\\)[(){}]|\\[1-9]", text) or len(re.findall(r"(?<!\\)[*+?]", text)) > MOST_REPEATS:
        raise bad_request(
            f"property: the expression “{text[:80]}” is too powerful. Groups and {{n}} cannot be used, and at most "
            f"{MOST_REPEATS} of * + ?."
        )
    try:
        re.compile(text)
    except re.error as error:
        raise bad_request(f"property: “{text[:80]}” is no regular expression: {error}.") from error
    if len(text) > LONGEST_REGEX or re.search(r"\\[^dDsSwW\W]", text):
        raise bad_request(f"property: “{text[:80]}” uses what not every database knows, or is too long.")


def _order(given: Sequence[str]) -> tuple[Order, ...]:
    """A direction holds for its name and those after it, until another is given."""
    order, is_descending = [], False
    for item in (item.strip() for text in given for item in text.split(",")):
        direction, colon, name = item.rpartition(":")
        if colon:
            if direction.lower() not in ("asc", "desc"):
                raise bad_request(f"orderBy: “{item[:80]}” must be a name, asc:name or desc:name.")
            is_descending = direction.lower() == "desc"
        if name:
            order.append(Order(name=name, is_descending=is_descending))
    if len(order) > len(PAGING):
        raise bad_request(f"orderBy: at most {len(PAGING)} names can be ordered by.")
    return tuple(order)
