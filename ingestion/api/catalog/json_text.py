"""A member of a JSON column as text, alike in every control database; and how to find one value in a list of texts."""

from __future__ import annotations

import json
import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Func, TextField
from django.db.models.sql.compiler import SQLCompiler


class JsonText(Func):
    """The text at a path of member names; null where there is nothing. Lists come as their JSON.

    Django's own key lookups take a name of digits for a position in a list.
    """

    output_field = TextField()

    def __init__(self, column: str, *path: str) -> None:
        super().__init__(column)
        self.path = path

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> tuple[str, tuple[Any, ...]]:
        column, parameters = compiler.compile(self.source_expressions[0])
        if connection.vendor == "sqlite":
            path = "$" + "".join(f".{json.dumps(name)}" for name in self.path)
            text = f"CASE json_type({column}, %s) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            text += f"ELSE CAST(json_extract({column}, %s) AS TEXT) END"
            return text, (*parameters, path, *parameters, path)
        names = ", ".join("%s::text" for _ in self.path)
        return f"jsonb_extract_path_text({column}, {names})", (*parameters, *self.path)


def holds(value: str, *, is_prefix: bool = False) -> str:
    """An expression that finds `value` in a list's JSON: a quote within a text has a backslash before it, the one that
    opens a text has not."""
    spellings = {json.dumps(value, ensure_ascii=False), json.dumps(value)}  # SQLite keeps what was written
    texts = sorted(re.escape(text[:-1] if is_prefix else text) for text in spellings)
    return rf"[\[, ]({'|'.join(texts)})"


def is_plain(name: str) -> bool:
    """Can it stand in a path of every database?"""
    return bool(name) and not set(name) & set('"\\\0')
