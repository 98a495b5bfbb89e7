"""The `endpoints` part of a manifest, key by key. Reads one endpoint at a time and knows nothing of the others."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from connectors.manifest.document import Node, split_path
from connectors.manifest.model import (
    Action,
    ChildTable,
    Cursor,
    DateWindows,
    EndpointSpec,
    PageStyle,
    Pagination,
    ParentRecords,
    Predicate,
    Rule,
    Split,
    ValueList,
)

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
STATUS: Final = re.compile(r"[1-5]xx|[1-5]\d\d")
TYPE: Final = re.compile(r"boolean|integer|double|date|timestamp|json|text|numeric(\(\d{1,2},\s*\d{1,2}\))?")
FORMATS: Final = ("as_is", "iso", "date", "epoch", "epoch_ms")
STYLE_DEFAULTS: Final[dict[PageStyle, dict[str, Any]]] = {
    PageStyle.PAGE: {"param": "page", "start": 1},
    PageStyle.OFFSET: {"param": "offset", "start": 0, "size_param": "limit"},
    PageStyle.CURSOR: {"param": "cursor"},
}


def read_endpoint(node: Node, *, rules: tuple[Rule, ...], in_flight: int) -> EndpointSpec:
    """One endpoint; `rules` and `in_flight` are those of the whole manifest, which its own go before."""
    name = _table_name(node)
    endpoint = EndpointSpec(
        name=name,
        title=node.text("title") or name.replace("_", " ").capitalize(),
        description=node.text("description").strip(),
        path=_url_path(node),
        method=node.choice("method", ("GET", "POST"), "GET"),
        params=node.mapping("params"),
        headers=node.mapping("headers"),
        body=node.take("body"),
        records=node.dotted("records"),
        pagination=_pagination(node.child("pagination")),
        split=_split(node.child("partition")) if node.has("partition") else node.take("partition"),
        cursor=_cursor(node.child("cursor")) if node.has("cursor") else node.take("cursor"),
        key=node.words("key"),
        depth=node.whole("depth", 3, least=0, most=20) or 0,
        types=_types(node),
        tables=tuple(_child_table(item) for item in node.children("tables")),
        rules=(*read_rules(node, "responses"), *rules),
        in_flight=node.whole("in_flight", in_flight, least=1, most=64) or 1,
    )
    if endpoint.body is not None and endpoint.method == "GET":
        node.wrong("body", "only a POST has a body: set `method: POST`")
    node.done()
    return endpoint


def _table_name(node: Node) -> str:
    name = node.text("name", required=True)
    if name and not NAME.fullmatch(name):
        node.wrong("name", f'"{name}" must be letters, digits and _, beginning with a letter, 63 at most')
    return name


def _url_path(node: Node) -> str:
    path = node.text("path", required=True)
    if path and not path.startswith("/"):
        node.wrong("path", f'"{path}" must begin with "/": it is joined to base_url')
    if "?" in path or "#" in path:
        node.wrong("path", "must hold no query: write it as `params`")
    return path


def _types(node: Node) -> dict[str, str]:
    types = node.mapping("types")
    for field, word in types.items():
        if not TYPE.fullmatch(word):
            words = "boolean, integer, numeric, numeric(p,s), double, date, timestamp, json, text"
            node.wrong(f"types.{field}", f'unknown type "{word}": use one of {words}')
    return types


def _child_table(node: Node) -> ChildTable:
    name = _table_name(node)
    table = ChildTable(
        name=name,
        path=node.dotted("path") if node.has("path") else (node.take("path") or name,),
        description=node.text("description").strip(),
        key=node.words("key"),
        depth=node.whole("depth", 3, least=0, most=20) or 0,
        types=_types(node),
    )
    node.done()
    return table


def _pagination(node: Node) -> Pagination:
    style = PageStyle(node.choice("style", tuple(PageStyle), PageStyle.SINGLE, required=bool(node.values)))
    usual = STYLE_DEFAULTS.get(style, {})
    sized = style not in (PageStyle.SINGLE,)
    counted = style in (PageStyle.PAGE, PageStyle.OFFSET)
    pagination = Pagination(
        style=style,
        param=node.text("param", usual["param"]) if usual else "",
        start=(node.whole("start", usual["start"]) or 0) if counted else 1,
        size_param=node.text("size_param", usual.get("size_param", "")) if sized else "",
        size=node.whole("size", None, least=1, most=1_000_000) if sized else None,
        overlap=(node.whole("overlap", 0) or 0) if style is PageStyle.OFFSET else 0,
        into=node.choice("into", ("params", "body"), "params") if usual else "params",
        path=node.dotted("path", required=True) if style in (PageStyle.CURSOR, PageStyle.NEXT_LINK) else (),
        more_path=node.dotted("more_path") if style is PageStyle.CURSOR else (),
        pages_path=node.dotted("pages_path") if style is PageStyle.PAGE else (),
        total_path=node.dotted("total_path") if sized else (),
        stop=node.choice("stop", ("short", "empty"), "short") if counted else "short",
        max_pages=(node.whole("max_pages", 100_000, least=1) or 1) if sized else 1,
    )
    _check_sizes(node, pagination)
    node.done()
    return pagination


def _check_sizes(node: Node, pagination: Pagination) -> None:
    if pagination.style is PageStyle.OFFSET and pagination.size is None:
        node.wrong("size", "is missing: an offset needs the number of records a page")
    if pagination.size is not None and not pagination.size_param:
        node.wrong("size_param", "is missing: `size` must be sent under some name")
    if pagination.size is not None and pagination.overlap >= pagination.size:
        node.wrong("overlap", "must be smaller than `size`")


def _cursor(node: Node) -> Cursor:
    cursor = Cursor(
        field=node.text("field", required=True),
        param=node.text("param"),
        into=node.choice("into", ("params", "body"), "params"),
        format=node.choice("format", FORMATS, "as_is"),
        initial=node.text("initial") if node.has("initial") else node.take("initial"),
        look_back=node.seconds("look_back"),
    )
    node.done()
    return cursor


def _split(node: Node) -> Split | None:
    by = node.choice("by", ("date", "list", "parent"), "list", required=True)
    readers: dict[str, Callable[[Node], Split]] = {
        "date": _date_windows,
        "list": _value_list,
        "parent": _parent_records,
    }
    split = readers[by](node)
    node.done()
    return split


def _date_windows(node: Node) -> DateWindows:
    step = node.text("step", "month")
    days = re.fullmatch(r"(\d{1,4}) days?", step)
    if step not in ("month", "week", "day") and not (days and int(days[1])):
        node.wrong("step", f'unknown step "{step}": use one of month, week, day, or "10 days"')
    windows = DateWindows(
        start=node.text("start", required=True),
        end=node.text("end", "now"),
        step="days" if days else step,
        days=int(days[1]) if days else 0,
        format=node.choice("format", FORMATS[1:], "date"),
    )
    for key, value in (("start", windows.start), ("end", windows.end)):
        if value and value != "now" and "{{" not in value and not _is_date(value):
            node.wrong(key, f'cannot read the date "{value}": write it like 2024-01-31')
    return windows


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _value_list(node: Node) -> ValueList:
    values = node.words("values", required=True)
    return ValueList(values=values, group=node.whole("group", 1, least=1) or 1)


def _parent_records(node: Node) -> ParentRecords:
    return ParentRecords(
        endpoint=node.text("endpoint", required=True), group=node.whole("group", 100, least=1, most=100_000) or 1
    )


def read_rules(node: Node, key: str) -> tuple[Rule, ...]:
    """Response rules in their order."""
    return tuple(_rule(item) for item in node.children(key))


def _rule(node: Node) -> Rule:
    statuses = node.words("status")
    for status in statuses:
        if not STATUS.fullmatch(status):
            node.wrong("status", f'unknown status "{status}": use a number like 404, or 4xx, 5xx')
    rule = Rule(
        action=Action(node.choice("action", tuple(Action), Action.FAIL, required=True)),
        statuses=statuses,
        when=_predicate(node.child("when")) if node.has("when") else node.take("when"),
        message=node.text("message"),
    )
    if not rule.statuses and rule.when is None:
        node.wrong("", "needs `status` or `when`: a rule without both would fit every answer")
    node.done()
    return rule


def _predicate(node: Node) -> Predicate:
    equals = node.take("equals")
    predicate = Predicate(
        path=split_path(node.text("path")),
        exists=node.flag("exists"),
        equals=() if equals is None else tuple(equals) if isinstance(equals, list) else (equals,),
        contains=node.text("contains"),
    )
    if predicate.path and predicate.exists is None and not predicate.equals:
        predicate = Predicate(path=predicate.path, exists=True, contains=predicate.contains)
    if not predicate.path and not predicate.contains:
        node.wrong("", "needs `path` (with exists or equals) or `contains`")
    node.done()
    return predicate
