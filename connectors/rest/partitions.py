"""Cuts an endpoint into partitions: date windows, a list, or the records of a parent in groups. Makes no call."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final

from connectors.manifest import Cursor, DateWindows, EndpointSpec, ParentRecords, ValueList, placeholders
from connectors.protocol import Fault, Partition, SourceError
from connectors.rest import moments, templating

ONE_DAY: Final = timedelta(days=1)
MAX_PARTITIONS: Final = 100_000


def static(spec: EndpointSpec, *, values: templating.Values, since: str | None, now: str) -> Sequence[Partition]:
    """The partitions that follow from the manifest. `since` narrows date windows where the cursor has no other way."""
    if isinstance(spec.split, DateWindows):
        return date_windows(spec.split, _narrowed(spec, since), values=values, now=now)
    if isinstance(spec.split, ValueList):
        return value_list(spec.split)
    return ()


def date_windows(split: DateWindows, since: date | None, *, values: templating.Values, now: str) -> list[Partition]:
    """Half-open windows, aligned to months or weeks where that is the step; the end "now" takes in today. Where all
    lie before `since` the last is read again, so that there is always a task."""
    start = _day(templating.fill(split.start, values), now)
    end = _day(templating.fill(split.end, values), now)
    if split.end == "now":
        end += ONE_DAY
    windows = list(islice(_windows(split, start, end), MAX_PARTITIONS + 1))
    if len(windows) > MAX_PARTITIONS:
        raise _too_many()
    kept = [
        (max(first, since), last) if since else (first, last) for first, last in windows if not since or last > since
    ]
    return [_window(split, first, last) for first, last in kept or windows[-1:]]


def value_list(split: ValueList) -> list[Partition]:
    slices = [{"partition.value": value} for value in split.values]
    return [
        Partition(key=f"list-{index:05d}", title=_titles(group), slices=tuple(group))
        for index, group in enumerate(_groups(slices, split.group), start=1)
    ]


def parent_groups(split: ParentRecords, slices: Iterable[Mapping[str, str]]) -> list[Partition]:
    """One slice for each different parent, in groups; a group is named by its numbers, never by what is in it."""
    different = list({tuple(sorted(values.items())): values for values in slices}.values())
    partitions = []
    for index, group in enumerate(_groups(different, split.group)):
        first = index * split.group + 1
        last = first + len(group) - 1
        partitions.append(Partition(key=f"parents-{first:07d}", title=f"{first:,}–{last:,}", slices=tuple(group)))
    return partitions


def parent_fields(spec: EndpointSpec) -> tuple[tuple[str, ...], ...]:
    """The fields of a parent record that the endpoint's placeholders name."""
    used = placeholders.names((spec.path, spec.params, spec.headers, spec.body))
    names = dict.fromkeys(name.partition(".")[2] for name in used if placeholders.group(name) == "parent")
    return tuple(tuple(name.split(".")) for name in names)


def parent_slices(lines: bytes, fields: tuple[tuple[str, ...], ...]) -> Iterator[dict[str, str]]:
    """The template values of each parent record; a record without one of the fields has no children."""
    for line in lines.splitlines():
        record = json.loads(line)  # which takes NaN too
        values = {f"parent.{'.'.join(field)}": _scalar(record, field) for field in fields}
        if None not in values.values():
            yield {name: value for name, value in values.items() if value is not None}


def _scalar(record: Any, field: tuple[str, ...]) -> str | None:
    for key in field:
        record = record.get(key) if isinstance(record, dict) else None
    if isinstance(record, bool):
        return "true" if record else "false"
    return str(record) if isinstance(record, str | int | float) and record != "" else None


def _narrowed(spec: EndpointSpec, since: str | None) -> date | None:
    cursor = spec.cursor
    if cursor is None or since is None or _is_sent(spec, cursor):
        return None
    moment = moments.read(since)
    return moments.earlier(moment, cursor.look_back).date()


def _is_sent(spec: EndpointSpec, cursor: Cursor) -> bool:
    return bool(cursor.param) or "since" in set(placeholders.names((spec.params, spec.headers, spec.body)))


def _windows(split: DateWindows, start: date, end: date) -> Iterator[tuple[date, date]]:
    while start < end:
        following = min(_step(split, start), end)
        yield start, following
        start = following


def _step(split: DateWindows, start: date) -> date:
    try:
        return _next(split, start)
    except OverflowError:  # an end like 9999-12-31
        return date.max


def _next(split: DateWindows, start: date) -> date:
    if split.step == "month":
        return (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    if split.step == "week":
        return start + timedelta(days=7 - start.weekday())
    return start + timedelta(days=split.days or 1)


def _window(split: DateWindows, first: date, last: date) -> Partition:
    final = last - ONE_DAY
    slices = {
        name: moments.write(datetime.combine(day, time(), UTC), split.format)
        for name, day in (("partition.start", first), ("partition.end", last), ("partition.last", final))
    }
    whole_month = split.step == "month" and first.day == 1
    title = f"{first:%Y-%m}" if whole_month else f"{first}" if first == final else f"{first} to {final}"
    return Partition(key=f"{first:%Y-%m}" if whole_month else f"{first}", title=title, slices=(slices,))


def _titles(group: Sequence[Mapping[str, str]]) -> str:
    values = [one["partition.value"] for one in group]
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _groups(slices: Sequence[Mapping[str, str]], size: int) -> Iterator[Sequence[Mapping[str, str]]]:
    for index in range(0, len(slices), size):
        yield slices[index : index + size]


def _day(text: str, now: str) -> date:
    return moments.read(now if text == "now" else text).date()


def _too_many() -> SourceError:
    return SourceError(
        f"The endpoint would be cut into more than {MAX_PARTITIONS:,} partitions.",
        fault=Fault.CONFIG,
        advice="Choose a longer `partition.step` or a later `partition.start` in the manifest.",
    )
