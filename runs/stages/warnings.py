"""What conversion counted, in sentences for people."""

from connectors.protocol import Endpoint
from ingestion.formats.base import ConvertedPart


def in_words(part: ConvertedPart, endpoint: Endpoint) -> list[tuple[str, str, int]]:
    """(code, text, count) for each thing that could not be kept exactly as it came."""
    where = f"table “{part.table}” of “{endpoint.title}”"
    return [
        (
            item.code,
            f"{item.text or item.code.replace('_', ' ').capitalize()} ({_place(item.column)}{where}).",
            item.count,
        )
        for item in part.warnings
    ]


def _place(column: str) -> str:
    return f"column “{column}”, " if column else ""
