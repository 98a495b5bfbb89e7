"""Spools of undecoded records into staged parts, and small parts into larger ones."""

from ingestion.formats.conversion import convert

__all__ = ["convert"]
