"""What must hold across a manifest: names apart, parents that exist, placeholders that can be filled."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.manifest import placeholders
from connectors.manifest.model import DateWindows, EndpointSpec, Manifest, ParentRecords, ValueList
from connectors.manifest.problems import Problem, suggestion

WINDOW_VALUES = ("partition.start", "partition.end", "partition.last")
MESSAGE_VALUES = ("endpoint", "status", "page")


def cross_check(manifest: Manifest) -> list[Problem]:
    """All problems that show only when the whole manifest is known."""
    problems = list(_names(manifest)) + list(_manifest_placeholders(manifest))
    for index, endpoint in enumerate(manifest.endpoints):
        at = f"endpoints[{index}]"
        problems += _parent(at, manifest, endpoint)
        problems += _placeholders(at, manifest, endpoint)
        problems += _incremental(at, endpoint)
        problems += _children(at, endpoint)
        problems += _bodies(at, endpoint)
    return problems


def _names(manifest: Manifest) -> Iterator[Problem]:
    tables = [(f"endpoints[{i}].name", e.name) for i, e in enumerate(manifest.endpoints)]
    tables += [
        (f"endpoints[{i}].tables[{j}].name", f"{e.name}__{t.name}")
        for i, e in enumerate(manifest.endpoints)
        for j, t in enumerate(e.tables)
    ]
    times = Counter(name.lower() for _, name in tables)
    for path, name in tables:
        if times[name.lower()] > 1:
            yield Problem(path, f'"{name}" is the name of several tables: each needs its own')


def _manifest_placeholders(manifest: Manifest) -> Iterator[Problem]:
    settings = _setting_names(manifest)
    yield from _unknown("base_url", manifest.base_url, settings)
    yield from _unknown("auth.token_url", manifest.auth.token_url, settings)
    yield from _unknown("auth.scope", manifest.auth.scope, settings)
    yield from _unknown("headers", manifest.headers, settings)


def _setting_names(manifest: Manifest) -> tuple[str, ...]:
    return tuple(f"settings.{setting.name}" for setting in manifest.settings)


def _placeholders(at: str, manifest: Manifest, endpoint: EndpointSpec) -> Iterator[Problem]:
    known = _setting_names(manifest) + _split_values(endpoint) + (("since",) if endpoint.cursor else ())
    yield from _unknown(f"{at}.path", endpoint.path, tuple(name for name in known if name != "since"), endpoint)
    yield from _unknown(f"{at}.params", endpoint.params, known, endpoint)
    yield from _unknown(f"{at}.headers", endpoint.headers, known, endpoint)
    yield from _unknown(f"{at}.body", endpoint.body, known, endpoint)
    if isinstance(endpoint.split, DateWindows):
        dates = (endpoint.split.start, endpoint.split.end)
        yield from _unknown(f"{at}.partition", dates, _setting_names(manifest))
    for index, rule in enumerate(endpoint.rules):
        yield from _unknown(f"{at}.responses[{index}].message", rule.message, MESSAGE_VALUES)


def _split_values(endpoint: EndpointSpec) -> tuple[str, ...]:
    if isinstance(endpoint.split, DateWindows):
        return WINDOW_VALUES
    return ("partition.value",) if isinstance(endpoint.split, ValueList) else ()


def _unknown(at: str, value: Any, known: Iterable[str], endpoint: EndpointSpec | None = None) -> Iterator[Problem]:
    known = tuple(known)
    parents = endpoint is not None and isinstance(endpoint.split, ParentRecords)
    for name in placeholders.names(value):
        if name in known or (parents and name.startswith("parent.") and placeholders.NAME.fullmatch(name)):
            continue
        offered = [*known, *(["parent.<field>"] if parents else [])]
        hint = suggestion(name, known) or f": known here are {', '.join(offered) or 'none'}"
        yield Problem(at, f'unknown placeholder "{{{{ {name} }}}}"{hint}')


def _uses(endpoint: EndpointSpec, word: str) -> bool:
    parts = (endpoint.path, endpoint.params, endpoint.headers, endpoint.body)
    return any(placeholders.group(name) == word for name in placeholders.names(parts))


def _parent(at: str, manifest: Manifest, endpoint: EndpointSpec) -> Iterator[Problem]:
    if (
        endpoint.split is not None
        and not isinstance(endpoint.split, ParentRecords)
        and not _uses(endpoint, "partition")
    ):
        yield Problem(f"{at}.partition", "is not used: put {{ partition.… }} into path, params or body")
    if not isinstance(endpoint.split, ParentRecords):
        return
    parents = {other.name: other for other in manifest.endpoints}
    wanted = endpoint.split.endpoint
    if wanted not in parents:
        yield Problem(f"{at}.partition.endpoint", f'no endpoint is named "{wanted}"{suggestion(wanted, parents)}')
    elif isinstance(parents[wanted].split, ParentRecords):
        yield Problem(f"{at}.partition.endpoint", f'"{wanted}" has a parent itself: only one level is possible')
    if not _uses(endpoint, "parent"):
        yield Problem(f"{at}.partition", "is not used: put {{ parent.… }} into path, params or body")


def _incremental(at: str, endpoint: EndpointSpec) -> Iterator[Problem]:
    cursor = endpoint.cursor
    if cursor is None or cursor.param or _uses(endpoint, "since"):
        return
    if not isinstance(endpoint.split, DateWindows):
        yield Problem(f"{at}.cursor", "needs `param`, or {{ since }} in params or body, or a partition by date")
    elif not endpoint.key:
        yield Problem(f"{at}.key", "is missing: a cursor that only narrows the date windows needs a key to merge by")


def _children(at: str, endpoint: EndpointSpec) -> Iterator[Problem]:
    if endpoint.tables and not endpoint.key:
        yield Problem(f"{at}.key", "is missing: child tables need the key of their parent")
    paths = [table.path for table in endpoint.tables]
    for index, path in enumerate(paths):
        if path in paths[:index]:
            yield Problem(f"{at}.tables[{index}].path", f'the array "{".".join(path)}" fills another table already')
    if len(set(endpoint.key)) < len(endpoint.key):
        yield Problem(f"{at}.key", "names a field twice")


def _bodies(at: str, endpoint: EndpointSpec) -> Iterator[Problem]:
    """What is put into a body needs one, with room at its place."""
    paging, cursor = endpoint.pagination, endpoint.cursor
    put = [(f"{at}.pagination", name) for name in (paging.param, paging.size_param) if name and paging.into == "body"]
    if cursor is not None and cursor.param and cursor.into == "body":
        put.append((f"{at}.cursor", cursor.param))
    for place, name in put:
        if endpoint.method != "POST":
            yield Problem(f"{place}.into", "only a POST has a body: set `method: POST` for the endpoint")
        elif not _has_room(endpoint.body, name.split(".")):
            yield Problem(
                f"{place}.into", f'there is no room for "{name}" in `body`: what leads to it must be a mapping'
            )


def _has_room(body: Any, keys: list[str]) -> bool:
    """Can a value be set there? What is missing on the way is made."""
    place = {} if body is None else body
    for key in keys[:-1]:
        if not isinstance(place, Mapping):
            return False
        place = place.get(key, {})
    return isinstance(place, Mapping)
