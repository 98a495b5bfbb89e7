"""Reads a JSON Schema (2020-12, draft-07, or XDM-like) into a `Schema`. What it does not enforce and no annotation is,
it refuses: a constraint that is silently ignored would be a promise broken.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

from ingestion.checking.patterns import PatternProblem, compile_pattern
from ingestion.checking.references import Steps, Unresolved, flatten
from ingestion.checking.schema import ANY, INTEGERS, Constraints, Place, Schema, SchemaProblem

DEEPEST: Final = 60
MOST_PLACES: Final = 10_000
TOO_OLD: Final = "http://json-schema.org/draft-03/"  # its types are others
REFUSED: Final = frozenset(
    {"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "patternProperties"}
    | {"propertyNames", "contains", "prefixItems", "additionalItems", "unevaluatedProperties", "unevaluatedItems"}
    | {"multipleOf", "uniqueItems", "minProperties", "maxProperties", "$dynamicRef", "$recursiveRef"}
)
XDM_TYPES: Final = {
    **{
        name: name for name in (*INTEGERS, "double", "boolean", "string", "date", "date-time", "object", "map", "array")
    },
    "integer": "int",
    "float": "double",
    "number": "double",
}
JSON_TYPES: Final = {
    "integer": "long",
    "number": "double",
    "string": "string",
    "boolean": "boolean",
    "object": "object",
    "array": "array",
}
KINDS: Final = {"integer": "number", "number": "number"}
Problems = list[tuple[str, str]]


def compile_schema(schema: Mapping[str, Any]) -> Schema:
    """Check a schema and make it ready. Raises SchemaProblem with everything that is wrong, by path."""
    try:
        problems = list(_breaches(schema))
        if problems:
            raise SchemaProblem(problems)
        return compile_checked(schema)
    except RecursionError as error:
        raise SchemaProblem([("", "the schema is nested too deeply")]) from error


def compile_checked(schema: Mapping[str, Any]) -> Schema:
    """Make a schema ready that was checked when its dataset was made. Kept for the next file of the dataset."""
    return _compiled(msgspec.json.encode(schema))


@lru_cache(maxsize=64)
def _compiled(text: bytes) -> Schema:
    schema = msgspec.json.decode(text)
    compiler = _Compiler(schema)
    root = compiler.place(schema, (), "")
    if root.type not in ("object", ANY):
        compiler.problems.append(("/type", "records are objects, so the schema's type must be object"))
    if compiler.problems:
        raise SchemaProblem(compiler.problems)
    return Schema(root=root)


def _breaches(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the schema's own meta-schema says."""
    dialect = schema.get("$schema", "")
    if not isinstance(dialect, str) or dialect.startswith(TOO_OLD):
        yield "/$schema", "it must name a draft of JSON Schema, the fourth or a later one"
        return
    from jsonschema import Draft202012Validator, validators  # costs 100 ms, and only those who make datasets need it

    checker = validators.validator_for(schema, default=Draft202012Validator)
    for error in checker(checker.META_SCHEMA).iter_errors(schema):
        yield "/" + "/".join(str(step) for step in error.absolute_path), f"not valid JSON Schema ({error.validator})"


class _Compiler:
    """One way through one schema document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.problems: Problems = []
        self.count = 0
        self.steps = Steps()

    def place(self, node: Any, path: tuple[str, ...], at: str, depth: int = 0) -> Place:
        self.count += 1
        if depth > DEEPEST or self.count > MOST_PLACES:
            if self.count <= MOST_PLACES + 1:
                self.problems.append((at, "the schema is too large, or refers to itself without an end"))
            return Place(path=path)
        if node is True or node == {}:
            return Place(path=path)
        try:
            flat = flatten(node, self.document, self.steps)
        except Unresolved as problem:
            self.problems.append((at, str(problem)))
            return Place(path=path)
        self._refuse(flat, at)
        return self._place(flat, path, at, depth)

    def _place(self, node: Mapping[str, Any], path: tuple[str, ...], at: str, depth: int) -> Place:
        kind, allowed = self._type(node, at)
        fields: dict[str, Place] = {}
        items, extra = None, node.get("additionalProperties")
        if kind in ("object", "map", ANY):
            for key, child in node.get("properties", {}).items():
                fields[key] = self.place(child, (*path, key), f"{at}/properties/{key}", depth + 1)
        if kind == "map" or (kind == "object" and not fields and isinstance(extra, dict)):
            kind = "map"
            items = self.place(
                extra if isinstance(extra, dict) else True, (*path, "*"), f"{at}/additionalProperties", depth + 1
            )
        elif isinstance(extra, dict) and extra:
            self.problems.append(
                (
                    f"{at}/additionalProperties",
                    "a schema for further fields beside named ones is not supported: use true or false",
                )
            )
        if kind in ("array", ANY) and "items" in node:
            items = self.place(node["items"], (*path[:-1], f"{path[-1]}[]") if path else path, f"{at}/items", depth + 1)
        return Place(
            path=path,
            type=kind,
            constraints=self._constraints(node, kind, at),
            fields=fields,
            required=frozenset(node.get("required", ())) if kind in ("object", "map", ANY) else frozenset(),
            is_sealed=extra is False and kind in ("object", "map", ANY),
            items=items,
            allowed=allowed,
        )

    def _refuse(self, node: Mapping[str, Any], at: str) -> None:
        for word in sorted(REFUSED & node.keys()):
            if node[word] not in (False, 0, {}, []):
                self.problems.append((f"{at}/{word}", f"{word} is not supported, so records could not be held to it"))

    def _type(self, node: Mapping[str, Any], at: str) -> tuple[str, frozenset[str]]:
        told = node.get("type")
        words = [word for word in (told if isinstance(told, list) else [told]) if word not in (None, "null")]
        xdm = node.get("meta:xdmType")
        if xdm is not None:
            return self._xdm_type(xdm, at), frozenset()
        if not words:
            return ("object" if "properties" in node else "array" if "items" in node else ANY), frozenset()
        if len(words) == 1 or set(words) <= {"integer", "number"}:
            word = "number" if "number" in words else words[0]
            return self._string_type(node) if word == "string" else JSON_TYPES[word], frozenset()
        return ANY, frozenset(KINDS.get(word, word) for word in words)

    def _xdm_type(self, word: Any, at: str) -> str:
        if not isinstance(word, str) or word not in XDM_TYPES:
            known = ", ".join(sorted(XDM_TYPES))
            self.problems.append((f"{at}/meta:xdmType", f"the type is unknown: use one of {known}"))
            return ANY
        return XDM_TYPES[word]

    def _string_type(self, node: Mapping[str, Any]) -> str:
        return node["format"] if node.get("format") in ("date", "date-time") else "string"

    def _constraints(self, node: Mapping[str, Any], kind: str, at: str) -> Constraints:
        made: dict[str, Any] = {}
        if "enum" in node or "const" in node:
            made["enum"] = _choices(node)
        if kind in ("string", ANY):
            made |= {"format": node.get("format", ""), "pattern": self._pattern(node.get("pattern", ""), at)}
        if kind in ("string", ANY, "date", "date-time"):
            made |= {"shortest": node.get("minLength", 0), "longest": node.get("maxLength")}
        if kind in (*INTEGERS, "double", ANY):
            made |= _range(node)
        if kind in ("array", ANY):
            made |= {"fewest": node.get("minItems", 0), "most": node.get("maxItems")}
        return Constraints(**made)

    def _pattern(self, pattern: str, at: str) -> str:
        try:
            compile_pattern(pattern)
        except PatternProblem as problem:
            self.problems.append((f"{at}/pattern", f"the pattern cannot be used: {problem}"))
        return pattern


def _choices(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """The values of enum, const, or those that both allow."""
    if "const" not in node:
        return tuple(node["enum"])
    only = node["const"]
    choices = node.get("enum", [only])
    return tuple(x for x in choices if x == only and isinstance(x, bool) == isinstance(only, bool))


def _range(node: Mapping[str, Any]) -> dict[str, Decimal]:
    """Ends of a range. Draft-04's boolean exclusives, which XDM still carries, sharpen their neighbours."""
    ends: dict[str, Decimal] = {}
    for word, end, exclusive, sharp in (
        ("minimum", "minimum", "exclusiveMinimum", "above"),
        ("maximum", "maximum", "exclusiveMaximum", "below"),
    ):
        told, sharper = node.get(word), node.get(exclusive)
        if told is not None:
            ends[sharp if sharper is True else end] = Decimal(str(told))
        if sharper is not None and not isinstance(sharper, bool):
            ends[sharp] = Decimal(str(sharper))
    return ends
