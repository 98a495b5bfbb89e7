"""Changing a JSON document: by a merge patch (RFC 7396), or by operations (RFC 6902)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import jsonpatch
import jsonpointer

from ingestion.api.base import Problem, bad_request
from ingestion.api.bodies import DEEPEST as MOST_NESTED
from ingestion.api.bodies import is_deep

MOST_OPERATIONS: Final = 200
LARGEST: Final = 4 << 20  # bytes of the document between two operations: `copy` can double it each time
DEEPEST: Final = 50


def applied(patch: Any, document: Mapping[str, Any], *, makes_parents: bool = False) -> dict[str, Any]:
    """The document as it is after the patch: a list is one of operations, an object is merged. `makes_parents` adds
    the objects that an operation's path leads through. Raises Problem: 400."""
    if isinstance(patch, list):
        changed = _operated(patch, json.loads(json.dumps(document)), makes_parents=makes_parents)
    elif isinstance(patch, dict):
        changed = merged(document, patch)
    else:
        raise bad_request("A patch is an object to be merged, or a list of operations (JSON Patch).")
    if not isinstance(changed, dict):
        raise bad_request("The patch would leave something other than an object.")
    return changed


def merged(target: Any, patch: Any, *, depth: int = 0) -> Any:
    """RFC 7396: null takes a member away."""
    if not isinstance(patch, dict):
        return patch
    if depth > DEEPEST:
        raise bad_request(f"The patch is nested more than {DEEPEST} deep.")
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, depth=depth + 1)
    return result


def _operated(operations: list[Any], document: Any, *, makes_parents: bool) -> Any:
    if len(operations) > MOST_OPERATIONS:
        raise bad_request(f"A patch may have {MOST_OPERATIONS} operations at most.")
    for number, operation in enumerate(operations, 1):
        try:
            if makes_parents:
                _make_parents(operation, document)
            document = jsonpatch.apply_patch(document, [operation], in_place=True)
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
            raise bad_request(f"Operation {number} of the patch cannot be applied: {str(error)[:200]}.") from error
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:  # operations of a wrong form
            raise bad_request(f"Operation {number} of the patch is none: see RFC 6902.") from error
        except RecursionError as error:
            raise _too_deep(number) from error
        if is_deep(document):  # each `copy` can double this, too
            raise _too_deep(number)
        if len(json.dumps(document)) > LARGEST:
            raise bad_request(f"Operation {number} of the patch makes the description too large.")
    return document


def _too_deep(number: int) -> Problem:
    return bad_request(f"Operation {number} of the patch makes a description nested more than {MOST_NESTED} deep.")


def _make_parents(operation: Any, document: Any) -> None:
    if not isinstance(operation, dict) or operation.get("op") != "add":
        return
    for name in jsonpointer.JsonPointer(operation["path"]).parts[:-1]:
        if not isinstance(document, dict):
            return
        document = document.setdefault(name, {})
