"""What a file is by its first bytes, whatever it was declared to be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ingestion.checking import codes
from ingestion.checking.base import CheckRequest
from ingestion.checking.codes import refuse

HEAD: Final = 512
UNPACK: Final = "Unpack it before the upload."
DECLARE: Final = "Create the batch with the format that the file has, or upload another file."
SIGNS: Final = (
    (b"PAR1", "parquet", "a Parquet file", DECLARE),
    (b"PARE", "parquet", "an encrypted Parquet file", DECLARE),
    (b"\x1f\x8b", "gzip", "a gzip file", UNPACK),
    (b"PK\x03\x04", "zip", "a ZIP archive (or an Excel workbook)", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd", "a Zstandard file", UNPACK),
    (b"BZh", "bzip2", "a bzip2 file", UNPACK),
    (b"\xfd7zXZ\0", "xz", "an xz file", UNPACK),
    (b"7z\xbc\xaf", "7z", "a 7-Zip archive", UNPACK),
    (b"Obj\x01", "avro", "an Avro file", DECLARE),
    (b"ORC", "orc", "an ORC file", DECLARE),
    (b"%PDF-", "pdf", "a PDF document", DECLARE),
    (b"\xff\xfe", "utf-16", "UTF-16 text", "Save it as UTF-8."),
    (b"\xfe\xff", "utf-16", "UTF-16 text", "Save it as UTF-8."),
)
NAMES: Final = {"json": "JSON", "parquet": "Parquet", "csv": "CSV"}
MARKUP: Final = (b"<!doctype", b"<html", b"<?xml", b"<!--", b"<head", b"<body", b"<error")


def size_of(pieces: Sequence[Path]) -> int:
    return sum(piece.stat().st_size for piece in pieces)


def refuse_other_formats(request: CheckRequest) -> None:
    """Raises FileRefused for a file that is empty, or plainly of another format than its batch."""
    if not size_of(request.pieces):
        raise refuse(codes.EMPTY_FILE)
    head = _head(request.pieces)
    found = next((sign for sign in SIGNS if head.startswith(sign[0])), None)
    if found and found[1] != request.format:
        raise _other(request, found[2], found[3])
    if request.format == "parquet" and not found:
        raise _other(request, _text_or_bytes(head), DECLARE)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if request.format in ("json", "csv") and start.startswith(MARKUP):
        raise _other(request, "a web page or XML", DECLARE)
    if request.format in ("json", "csv") and b"\0" in head[:4]:
        raise _other(request, "a file of another kind (it has zero bytes at its start)", DECLARE)


def _head(pieces: Sequence[Path]) -> bytes:
    head = b""
    for piece in pieces:
        with piece.open("rb") as file:
            head += file.read(HEAD - len(head))
        if len(head) == HEAD:
            break
    return head


def _text_or_bytes(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        return "JSON text"
    return "a file of another kind" if b"\0" in head else "text"


def _other(request: CheckRequest, came: str, advice: str) -> codes.FileRefused:
    expected = NAMES.get(request.format, request.format)
    return refuse(codes.OTHER_FORMAT, expected=expected, name=request.name, came=came, advice=advice)
