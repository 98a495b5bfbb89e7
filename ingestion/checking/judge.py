"""The judge of single records: schema, data types, constraints. What it says is what counts; a faster filter may only
spare it records that it would let pass as they are.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from ingestion.blueprint.paths import join_path, split_path
from ingestion.checking import codes
from ingestion.checking.codes import RowCode
from ingestion.checking.patterns import CHECKS, compile_pattern
from ingestion.checking.schema import ANY, FREE, Constraints, Place, Schema
from ingestion.checking.values import Convert, Misfit, NoConversion, converter, decimal_of, kind_of
from ingestion.formats.decode import Number

MOST_FAULTS: Final = 20  # of one record
LONGEST_NAME: Final = 200
INVISIBLE: Final = dict.fromkeys([*range(32), 127, *range(0xD800, 0xE000)], "\ufffd")


@dataclass(frozen=True)
class Fault:
    """One reason why a record is turned down."""

    code: RowCode
    text: str

    @property
    def order(self) -> int:
        return (codes.PARSING, codes.CONVERSION, codes.VALIDATION).index(self.code.kind)


Faults = list[Fault]
Weigh = Callable[[Any, Faults], Any]  # the value as it is staged; what is wrong is added to the faults


def fault(code: RowCode, **facts: object) -> Fault:
    return Fault(code, code.sentence.format(**facts))


def shown(path: Sequence[str]) -> str:
    """A field's name for people: bounded, and without signs that are none."""
    name = ".".join(path).translate(INVISIBLE)
    return name if len(name) <= LONGEST_NAME else name[:LONGEST_NAME] + "…"


class Judge:
    """Judges records against a schema and a key. One thread. `cuts` counts fractions of a second that were cut, by
    field; `has_converted` says whether the last record's values are other ones now."""

    def __init__(self, schema: Schema | None, key: Sequence[str] = (), *, most_fields: int = 10_000) -> None:
        self.cuts: Counter[str] = Counter()
        self.has_converted = False
        self._weigh = self._object(schema.root) if schema else None
        self._keys = [(path, split_path(path)) for path in key]
        self._most_fields = most_fields

    def judge(self, record: dict[str, Any]) -> Faults:
        """What is wrong with a record. Its values are converted in place; of a faulty one, some may be."""
        faults: Faults = []
        self.has_converted = False
        if self._most_fields < len(record) or (_is_wide(record) and _count(record) > self._most_fields):
            return [fault(codes.TOO_MANY_FIELDS, expected=f"{self._most_fields:,}")]
        if self._weigh:
            self._weigh(record, faults)
        for path, keys in self._keys:
            if not _is_single(_value_at(record, keys)):
                faults.append(fault(codes.NO_KEY, field=shown(keys) or path))
        return sorted(faults, key=lambda found: found.order)[:MOST_FAULTS]

    def _object(self, place: Place) -> Weigh:
        fields = {key: self._place(child) for key, child in place.fields.items()}
        required = [key for key in place.fields if key in place.required]
        required += sorted(place.required - set(place.fields))
        known, path, is_sealed = set(fields), place.path, place.is_sealed

        def weigh(record: Any, faults: Faults) -> Any:
            if not isinstance(record, dict):
                return record
            for key in required:
                if record.get(key) is None:
                    faults.append(fault(codes.REQUIRED, field=shown((*path, key))))
            for key, value in record.items():
                if value is not None and key in fields:
                    made = fields[key](value, faults)
                    if made is not value:
                        record[key] = made
            if is_sealed and not record.keys() <= known:
                for key in record:
                    if key not in known and record[key] is not None:
                        faults.append(fault(codes.EXTRA_FIELD, field=shown((*path, key))))
            return record

        return weigh

    def _place(self, place: Place) -> Weigh:
        inner = self._inner(place)
        checks = _checks(place)
        if place.type == ANY:
            return _any(place, inner, checks)
        return self._typed(place, converter(place.type), inner, checks)

    def _inner(self, place: Place) -> Weigh | None:
        """What is within a value: each part is for the kind of value that has it."""
        items = self._place(place.items) if place.items else None
        found = [_each(items)] if items and place.type in ("array", ANY) else []
        found += [_each_value(items, besides=frozenset(place.fields))] if items and place.type == "map" else []
        if place.type == "object" or place.fields or place.required or place.is_sealed:
            found.append(self._object(place))
        return _all_of(found) if found else None

    def _typed(self, place: Place, convert: Convert, inner: Weigh | None, checks: list[Weigh]) -> Weigh:
        field = shown(place.path)
        source, told, cuts = join_path(place.path), place.type, Counter[str]()

        def weigh(value: Any, faults: Faults) -> Any:
            try:
                made = convert(value, cuts)
            except NoConversion:
                came = kind_of(value)
                what = f"a {came} of another form" if came in ("string", "double") else f"a value of type {came}"
                faults.append(fault(codes.NO_CONVERSION, field=field, expected=told, came=what))
                return value
            except Misfit:
                faults.append(fault(codes.OUT_OF_RANGE, field=field, expected=told))
                return value
            if made is not value:
                self.has_converted = True
                if cuts.pop("fraction", 0):
                    self.cuts[source] += 1
            if inner:
                made = inner(made, faults)
            for check in checks:
                check(made, faults)
            return made

        return weigh


def _any(place: Place, inner: Weigh | None, checks: list[Weigh]) -> Weigh:
    field, allowed = shown(place.path), place.allowed

    def weigh(value: Any, faults: Faults) -> Any:
        kind = _json_kind(value)
        if allowed and kind not in allowed:
            expected = " or ".join(sorted(allowed))
            came = f"a value of type {kind_of(value)}"
            faults.append(fault(codes.NO_CONVERSION, field=field, expected=expected, came=came))
            return value
        if inner:
            value = inner(value, faults)
        for check in checks:
            check(value, faults)
        return value

    return weigh


def _json_kind(value: Any) -> str:
    kind = kind_of(value)
    return "number" if kind in ("integer", "double") else kind


def _all_of(found: Sequence[Weigh]) -> Weigh:
    def all_of(value: Any, faults: Faults) -> Any:
        for weigh in found:
            value = weigh(value, faults)
        return value

    return found[0] if len(found) == 1 else all_of


def _each(weigh: Weigh) -> Weigh:
    def all_of(values: Any, faults: Faults) -> Any:
        if not isinstance(values, list):
            return values
        for number, value in enumerate(values):
            if value is not None:
                values[number] = weigh(value, faults)
            if len(faults) > MOST_FAULTS:
                break
        return values

    return all_of


def _each_value(weigh: Weigh, *, besides: frozenset[str]) -> Weigh:
    """Of a map; `besides` are keys that have a place of their own."""

    def all_of(record: Any, faults: Faults) -> Any:
        for key, value in record.items():
            if value is not None and key not in besides:
                record[key] = weigh(value, faults)
            if len(faults) > MOST_FAULTS:
                break
        return record

    return all_of


def _checks(place: Place) -> list[Weigh]:
    """The constraints of a place, each as a function of the converted value."""
    told, field = place.constraints, shown(place.path)
    if told == FREE:
        return []
    found = [_enum(told, field)] if told.enum is not None else []
    if told.format in CHECKS:
        found.append(_format(told, field))
    if told.pattern:
        found.append(_pattern(told, field))
    if told.has_range:
        found.append(_range(told, field))
    if told.shortest or told.longest is not None:
        found.append(_sized(str, told.shortest, told.longest, codes.BAD_LENGTH, field))
    if told.fewest or told.most is not None:
        found.append(_sized(list, told.fewest, told.most, codes.BAD_COUNT, field))
    return found


def _enum(told: Constraints, field: str) -> Weigh:
    values = told.enum or ()
    texts = {value for value in values if isinstance(value, str)}
    numbers = {Decimal(str(value)) for value in values if type(value) in (int, float)}
    others = [value for value in values if isinstance(value, bool | dict | list)]

    def check(value: Any, faults: Faults) -> None:
        if type(value) is Number:
            good = decimal_of(value) in numbers
        elif type(value) is str:
            good = value in texts
        else:
            good = any(_plain(value) == other and type(value) is type(other) for other in others)
        if not good:
            faults.append(fault(codes.NOT_IN_ENUM, field=field))

    return check


def _plain(value: Any) -> Any:
    """A decoded value as the schema's own JSON has it."""
    if type(value) is Number:
        return decimal_of(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _format(told: Constraints, field: str) -> Weigh:
    is_good, expected = CHECKS[told.format], told.format

    def check(value: Any, faults: Faults) -> None:
        if type(value) is str and not is_good(value):
            faults.append(fault(codes.BAD_FORMAT, field=field, expected=expected))

    return check


def _pattern(told: Constraints, field: str) -> Weigh:
    search = compile_pattern(told.pattern).search

    def check(value: Any, faults: Faults) -> None:
        if type(value) is str and not search(value):
            faults.append(fault(codes.BAD_PATTERN, field=field))

    return check


def _range(told: Constraints, field: str) -> Weigh:
    tests: list[tuple[str, Decimal, Callable[[Decimal, Decimal], bool]]] = [
        (word, end, test)
        for word, end, test in (
            ("at least", told.minimum, Decimal.__ge__),
            ("at most", told.maximum, Decimal.__le__),
            ("more than", told.above, Decimal.__gt__),
            ("less than", told.below, Decimal.__lt__),
        )
        if end is not None
    ]
    expected = " and ".join(f"{word} {end}" for word, end, _ in tests)

    def check(value: Any, faults: Faults) -> None:
        if type(value) is Number:
            number = decimal_of(value)
            if number is None or not all(test(number, end) for _, end, test in tests):
                faults.append(fault(codes.BAD_RANGE, field=field, expected=expected))

    return check


def _sized(kind: type[str] | type[list[Any]], least: int, most: int | None, code: RowCode, field: str) -> Weigh:
    expected = " and ".join([f"at least {least}"] * bool(least) + [f"at most {most}"] * (most is not None))

    def check(value: Any, faults: Faults) -> None:
        if type(value) is kind and not (least <= len(value) and (most is None or len(value) <= most)):
            faults.append(fault(code, field=field, expected=expected))

    return check


def _is_wide(record: Mapping[str, Any]) -> bool:
    return any(isinstance(value, dict) for value in record.values())


def _count(record: Mapping[str, Any]) -> int:
    return sum(1 + (_count(value) if isinstance(value, dict) else 0) for value in record.values())


def _value_at(record: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        record = record.get(key) if isinstance(record, dict) else None
    return record


def _is_single(value: Any) -> bool:
    return value is not None and not isinstance(value, dict | list)
