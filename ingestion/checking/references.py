"""One node of a schema with its references followed and its `allOf` merged: a plain mapping of keywords. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

PLACE: Final = re.compile("0|[1-9][0-9]{0,8}")  # in a list
LONGEST_CHAIN: Final = 40
MOST_STEPS: Final = 50_000  # of one schema: parts that refer to each other twice double with every step
TIGHTER: Final = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), min),
}


class Unresolved(Exception):
    """A reference or a merge that cannot be made; the argument says why."""


@dataclass
class Steps:
    """How many nodes of one schema were looked at."""

    taken: int = 0

    def take(self) -> None:
        self.taken += 1
        if self.taken > MOST_STEPS:
            raise Unresolved("the schema refers to its own parts too often")


def flatten(node: Any, document: Mapping[str, Any], steps: Steps, *, chain: int = 0) -> dict[str, Any]:
    """The node's own keywords and those it refers to, as one. Raises Unresolved."""
    steps.take()
    if chain > LONGEST_CHAIN:
        raise Unresolved("the references go round in circles")
    if node is True:
        return {}
    if not isinstance(node, Mapping):
        raise Unresolved("a place that permits nothing (false) is not supported")
    flat = {key: value for key, value in node.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
    parts = [_lookup(node["$ref"], document)] if "$ref" in node else []
    parts += [*node.get("allOf", ()), *_nullable(node, "anyOf"), *_nullable(node, "oneOf")]
    for part in parts:
        flat = _merged(flat, flatten(part, document, steps, chain=chain + 1))
    return flat


def _nullable(node: Mapping[str, Any], word: str) -> list[Any]:
    """Of alternatives only "this, or null" is understood: every field may be null unless it is required."""
    if word not in node:
        return []
    others = [choice for choice in node[word] if choice != {"type": "null"}]
    if len(others) != 1:
        raise Unresolved(f"{word} is supported for one type or null only")
    return others


def _lookup(reference: Any, document: Mapping[str, Any]) -> Any:
    """What a JSON Pointer in a fragment leads to."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise Unresolved("references must lead to a place within the schema (#/…)")
    found: Any = document
    for step in reference.removeprefix("#").split("/")[1:]:
        found = _inner(found, step)
    return found


def _inner(found: Any, step: str) -> Any:
    """Percent signs are of the fragment; where somebody forgot to write them so, they are of the name."""
    for spelling in (step, unquote(step)):
        key = spelling.replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and key in found:
            return found[key]
        if isinstance(found, list) and PLACE.fullmatch(key) and int(key) < len(found):
            return found[int(key)]
    raise Unresolved("a reference leads nowhere")


def _merged(left: dict[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Both at once."""
    made = dict(left)
    for word, value in right.items():
        made[word] = _both(word, made[word], value) if word in made else value
    return made


def _both(word: str, left: Any, right: Any) -> Any:
    if left == right:
        return left
    if word == "properties":
        return {
            key: _field(left.get(key), right.get(key)) for key in (*left, *(key for key in right if key not in left))
        }
    if word == "required":
        return [*left, *(key for key in right if key not in left)]
    if word in TIGHTER:
        return _tighter(word, left, right)
    if word == "enum":
        return [value for value in left if value in right]
    if word == "additionalProperties" and (left is False or right is False):
        return False
    if word in ("type", "format", "pattern", "items", "const", "meta:xdmType", "additionalProperties"):
        raise Unresolved(f"two values of {word} meet in allOf")
    return left


def _field(left: Any, right: Any) -> Any:
    return {"allOf": [left, right]} if left is not None and right is not None else left if right is None else right


def _tighter(word: str, left: Any, right: Any) -> Any:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is True or right is True
    return TIGHTER[word](left, right)
