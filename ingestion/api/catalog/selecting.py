"""From what a list is asked for to a query: which rows, in which order. Nothing is filtered in Python."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import reduce
from itertools import count
from operator import or_
from typing import Any, Final, TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy

from ingestion.api import wire
from ingestion.api.base import bad_request
from ingestion.api.catalog.asked import Asked, Condition, Order, Sign
from ingestion.api.catalog.fields import Field, Kind, Members
from ingestion.api.catalog.json_text import holds, is_plain

Row = TypeVar("Row", bound=Model)
NONE: Final = Q(pk__in=())
ALL: Final = ~NONE
MOST: Final = 2**63 - 1
LOOKUPS: Final = {
    Sign.EQUAL: "exact", Sign.BELOW: "lt", Sign.AT_MOST: "lte", Sign.ABOVE: "gt", Sign.AT_LEAST: "gte",
}  # fmt: skip
SECONDS_UNTIL: Final = 10**11  # a smaller time is meant in seconds, as availability dates are


class Selection:
    """Builds one query. Expressions that are asked for get a name in it, each its own."""

    def __init__(self, rows: QuerySet[Any], members: Members) -> None:
        self.rows, self.members = rows, members
        self._numbers = count(1)

    def where(self, conditions: Sequence[Condition]) -> QuerySet[Any]:
        for condition in conditions:
            wanted = self._condition(condition)  # which may give the query names
            self.rows = self.rows.filter(wanted)
        return self.rows

    def order_by(self, order: Sequence[Order], *, usual: Sequence[str]) -> QuerySet[Any]:
        """Ordered so that pages never overlap; by `usual` when nothing was asked for."""
        if not order:
            return self.rows.order_by(*usual)
        keys = [self._key(item) for item in order]
        return self.rows.order_by(*keys, "-pk" if order[0].is_descending else "pk")

    def _key(self, item: Order) -> OrderBy:
        field = self.members.field(item.name)
        if field is None or not self._is_askable(item.name):
            raise bad_request(f"orderBy: it cannot be ordered by “{item.name[:80]}”.{self._hint(item.name)}")
        column = F(self.column(field))
        last = None if field.is_always_there else True
        return column.desc(nulls_last=last) if item.is_descending else column.asc(nulls_last=last)

    def _condition(self, asked: Condition) -> Q:
        if "*" in asked.name and asked.name not in self.members.fields:
            return self._any_of(asked)
        if asked.name in self.members.constants:
            return self._compared(Field(at=self.members.constants[asked.name]), asked)
        field = self.members.field(asked.name)
        if field is None or not self._is_askable(asked.name):
            return self._absent(asked)
        return self._compared(field, asked)

    def _is_askable(self, name: str) -> bool:
        return all(is_plain(part) for part in name.split("."))

    def _any_of(self, asked: Condition) -> Q:
        """A name with wildcards: one of the members that it fits; `**` stands for a star."""
        if asked.sign == Sign.ABSENT:
            return ~self._any_of(Condition(name=asked.name, sign=Sign.EXISTS))
        pattern = asked.name.replace("[", "[[]").replace("**", "[*]")
        fitting = [name for name in self.members.fields if fnmatchcase(name, pattern)]
        found = [self._compared(self.members.fields[name], asked, strict=False) for name in fitting]
        return reduce(or_, found, NONE)

    def _absent(self, asked: Condition) -> Q:
        """A member that no object has, or one that is shown and cannot be asked for."""
        if asked.name.partition(".")[0] in self.members.closed:
            raise bad_request(f"It cannot be asked for “{asked.name[:80]}”.{self._hint(asked.name)}")
        if asked.is_parameter:  # a misspelt filter must not show everything
            raise bad_request(f"There is no parameter “{asked.name[:80]}” here.{self._hint(asked.name)}")
        return ALL if asked.sign in (Sign.ABSENT, Sign.UNEQUAL) else NONE

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.members.fields, n=3)
        return f" Did you mean {' or '.join(near)}?" if near else ""

    def column(self, field: Field) -> str:
        """The column's name, or a name for the expression."""
        if isinstance(field.at, str):
            return field.at
        name = f"asked_{next(self._numbers)}"
        self.rows = self.rows.alias(**{name: field.at})
        return name

    def _compared(self, field: Field, asked: Condition, *, strict: bool = True) -> Q:
        there = field.only if field.only is not None else ALL
        column = self.column(field)
        if asked.sign in (Sign.EXISTS, Sign.ABSENT):
            present = there & _filled(field.kind, column)
            return present if asked.sign == Sign.EXISTS else ~present
        try:
            if asked.sign == Sign.UNEQUAL:
                equal = Condition(name=asked.name, sign=Sign.EQUAL, values=asked.values)
                return ~(there & _filled(field.kind, column) & self._test(field, column, equal))
            return there & self._test(field, column, asked)
        except ValueError as error:
            if strict:
                raise bad_request(f"{asked.name[:80]}: {error}") from error
            return NONE

    def _test(self, field: Field, column: str, asked: Condition) -> Q:
        """Raises ValueError for a value that is none of the field's kind."""
        if asked.sign == Sign.MATCHES:
            if field.kind not in (Kind.TEXT, Kind.LIST, Kind.STATUS):
                raise ValueError("a regular expression can be asked of texts only.")
            return Q(**{f"{column}__regex": asked.value})
        if field.among and asked.sign == Sign.EQUAL:
            return field.among(list(asked.values))
        return reduce(or_, (TESTS[field.kind](column, asked.sign, value) for value in asked.values))


def _filled(kind: Kind, column: str) -> Q:
    there = Q(**{f"{column}__isnull": False})
    return there & ~Q(**{column: ""}) if kind in (Kind.TEXT, Kind.LIST) else there


def _text(column: str, sign: Sign, value: str) -> Q:
    return Q(**{f"{column}__{LOOKUPS[sign]}": value})


def _list(column: str, sign: Sign, value: str) -> Q:
    if sign != Sign.EQUAL:
        return _text(column, sign, value)
    if value == "*":
        return Q(**{f"{column}__isnull": False})
    is_prefix = value.endswith("*")
    plain = value.removesuffix("*") if is_prefix else value
    alone = Q(**{f"{column}__startswith": plain}) if is_prefix else Q(**{column: plain})
    return alone | Q(**{f"{column}__regex": holds(plain, is_prefix=is_prefix)})


def _number(column: str, sign: Sign, value: str) -> Q:
    if not (value.isascii() and value.removeprefix("-").isdigit() and len(value) < 20 and abs(int(value)) <= MOST):
        raise ValueError(f"“{value[:40]}” is no whole number.")
    return Q(**{f"{column}__{LOOKUPS[sign]}": int(value)})


def _time(column: str, sign: Sign, value: str) -> Q:
    """A millisecond is a span in the database, which keeps microseconds."""
    if not (value.isascii() and value.isdigit() and len(value) < 16):
        raise ValueError(f"“{value[:40]}” is no time in milliseconds since 1970.")
    first = wire.moment(int(value))
    after = first + timedelta(milliseconds=1)
    if sign == Sign.EQUAL:
        return Q(**{f"{column}__gte": first, f"{column}__lt": after})
    edge = {Sign.BELOW: ("lt", first), Sign.AT_MOST: ("lt", after), Sign.ABOVE: ("gte", after)}
    lookup, moment = edge.get(sign, ("gte", first))
    return Q(**{f"{column}__{lookup}": moment})


def _version(column: str, sign: Sign, value: str) -> Q:
    parts = value.split(".")
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise ValueError(f"“{value[:40]}” is no version such as 1.0.3.")
    numbers = (*(int(part) for part in parts), 0, 0)[:3]
    if numbers[:2] == wire.SERIES:
        return Q(**{f"{column}__{LOOKUPS[sign]}": min(numbers[2], 2**31 - 1)})
    is_higher = numbers[:2] > wire.SERIES
    return ALL if sign in ((Sign.BELOW, Sign.AT_MOST) if is_higher else (Sign.ABOVE, Sign.AT_LEAST)) else NONE


def _flag(column: str, sign: Sign, value: str) -> Q:
    if value.lower() not in ("true", "false") or sign != Sign.EQUAL:
        raise ValueError(f"“{value[:40]}” is neither true nor false.")
    return Q(**{column: value.lower() == "true"})


def _status(column: str, sign: Sign, value: str) -> Q:
    if sign != Sign.EQUAL:
        raise ValueError("a status is equal to a word or it is not.")
    try:
        return Q(**{f"{column}__in": wire.statuses(value)})
    except ValueError as error:
        raise ValueError(f"“{value[:40]}” is no status of a batch.") from error


TESTS: Final = {
    Kind.TEXT: _text,
    Kind.LIST: _list,
    Kind.NUMBER: _number,
    Kind.TIME: _time,
    Kind.VERSION: _version,
    Kind.FLAG: _flag,
    Kind.STATUS: _status,
}
TIMES: Final = {
    "createdAfter": ("created", Sign.ABOVE),
    "createdBefore": ("created", Sign.BELOW),
    "updatedAfter": ("updated", Sign.ABOVE),
    "updatedBefore": ("updated", Sign.BELOW),
    "startAfter": ("availableDates.startDate", Sign.ABOVE),
    "startBefore": ("availableDates.startDate", Sign.BELOW),
    "endAfter": ("availableDates.endDate", Sign.ABOVE),
    "endBefore": ("availableDates.endDate", Sign.BELOW),
}


def conditions(asked: Asked) -> list[Condition]:
    """The conditions in terms of members: createdAfter, tags and the like spelled out."""
    spelled: list[Condition] = []
    for item in asked.conditions:
        if item.name in TIMES and item.sign == Sign.EQUAL:
            name, sign = TIMES[item.name]
            spelled.append(Condition(name=name, sign=sign, values=(_in_milliseconds(item.value, name),)))
        elif item.name == "tags" and item.sign == Sign.EQUAL:
            spelled += [_tag(value) for value in item.values]
        else:
            spelled.append(item)
    return spelled


def _in_milliseconds(value: str, name: str) -> str:
    is_seconds = name.startswith("availableDates") and value.isascii() and value.isdigit() and len(value) < 12
    return value + "000" if is_seconds and int(value) < SECONDS_UNTIL else value


def _tag(text: str) -> Condition:
    name, colon, value = text.partition(":")
    if not name:
        raise bad_request(f"tags: “{text[:80]}” must be name:value, or name:*.")
    if not colon or value == "*":
        return Condition(name=f"tags.{name}", sign=Sign.EXISTS)
    return Condition(name=f"tags.{name}", sign=Sign.EQUAL, values=(value,))
