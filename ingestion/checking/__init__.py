"""Checks uploaded files, which nobody trusts, against a dataset's schema, and converts what passes into parts."""

from ingestion.checking.checks import check
from ingestion.checking.compiling import compile_schema
from ingestion.checking.previews import preview
from ingestion.checking.schema import Schema, SchemaProblem

__all__ = ["Schema", "SchemaProblem", "check", "compile_schema", "preview"]
