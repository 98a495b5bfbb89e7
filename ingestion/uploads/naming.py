"""The gate that a client's file path passes. It stays a name: no path on a disk, no key of the store is made of it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from ingestion.refusals import Refused, Why, shown

LONGEST_PATH: Final = 2000  # characters, as the column that keeps it
LONGEST_SEGMENT: Final = 255  # bytes, as file systems have it: somebody will save it under its name
DEVICES: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)\s*(\..*)?")


def checked_path(path: str) -> str:
    """The path in normal form (NFC), with its folders. Raises Refused: 400 with the reason."""
    normal = unicodedata.normalize("NFC", path)
    if len(normal) > LONGEST_PATH:
        raise _refused(path, f"it is longer than {LONGEST_PATH:,} characters")
    for segment in normal.split("/"):
        if reason := _fault(segment):
            raise _refused(path, reason)
    return normal


def _fault(segment: str) -> str:
    if not segment:
        return "it begins or ends with a slash, or has two in a row"
    if segment.startswith("."):
        return "a part of it begins with a dot"
    if len(segment.encode("utf-8", "surrogatepass")) > LONGEST_SEGMENT:
        return f"a part of it is longer than {LONGEST_SEGMENT} bytes"
    if "\\" in segment:
        return "it holds a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in segment):
        return "it holds a control character, or one that is not valid Unicode"
    if DEVICES.fullmatch(segment):
        return "a part of it is the name of a device on Windows"
    return ""


def _refused(path: str, reason: str) -> Refused:
    return Refused(Why.INVALID, f"The file path “{shown(path)}” cannot be used: {reason}. Name the file otherwise.")
