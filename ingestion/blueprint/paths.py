"""Field paths: the keys that lead to a value, joined with dots. Keys that hold dots themselves are escaped, so that
no two fields share a path. Pure.
"""

from collections.abc import Sequence
from typing import Final

OURS: Final = ("_parent_id", "_index", "_overflow", "_part")  # columns that we add; a source's own key of that name is
# written with a backslash before it, which escaping never produces


def join_path(keys: Sequence[str]) -> str:
    """`("carrier", "code")` → `carrier.code`; `("a.b",)` → `a\\.b`."""
    if len(keys) == 1 and keys[0] in OURS:
        return "\\" + keys[0]
    return ".".join(key.replace("\\", "\\\\").replace(".", "\\.") for key in keys)


def split_path(path: str) -> tuple[str, ...]:
    """The reverse of `join_path`. A backslash that escapes nothing is dropped."""
    keys, current, escaped = [], "", False
    for character in path:
        if escaped or character not in "\\.":
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        else:
            keys.append(current)
            current = ""
    return (*keys, current)
