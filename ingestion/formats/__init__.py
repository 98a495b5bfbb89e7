"""Spools of undecoded records into staged parts, and small parts into larger ones."""

from ingestion.formats.conversion import convert
from ingestion.formats.merging import merge_parts

__all__ = ["convert", "merge_parts"]
