"""COPY from S3, as the stand-in for Redshift does it: manifest and parts are read here, Postgres takes the lines."""

import csv
import io
import json
import re
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

LITERAL = r"'((?:[^'\\]|''|\\.)*)'"
STATEMENT = re.compile(rf"^\s*COPY\s+(\S+)\s*\(([^)]*)\)\s*FROM\s+{LITERAL}\s*(.*?);?\s*$", re.IGNORECASE | re.DOTALL)
OPTIONS = re.compile(rf"(?P<name>[A-Z_]+(?:\s+AS)?)(?:\s+(?P<text>{LITERAL}|OFF|ON|CSV|\d+|default))?", re.IGNORECASE)
PLACE = re.compile(r"line (\d+)(?:, column (\w+))?")
BLOCK = 1 << 16
LONGEST_TEXT = 65_535
REASONS = {
    "bigint": "Invalid digit, Value '{0}', Pos 0, Type: Long",
    "numeric": "Invalid digit, Value '{0}', Pos 0, Type: Decimal",
    "double precision": "Invalid digit, Value '{0}', Pos 0, Type: Double",
    "boolean": "Unknown boolean format",
    "date": "Invalid Date Format - length must be 10 or more",
    "timestamp": "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SSOF]",
}


class LoadRefused(Exception):
    """COPY does not begin, or cannot read what it was told to."""

    state = "XX000"


class Session(Protocol):
    client: Any
    backend: Any
    status: bytes

    def ask(self, sql: str) -> list[list[str | None]]: ...
    def fail(self, state: str, message: str, detail: str = "") -> None: ...
    def note(self, file: str, line: int, column: str, kind: str, message: str) -> None: ...


@dataclass(frozen=True)
class File:
    uri: str
    data: bytes
    whole: bool

    @property
    def lines(self) -> int:
        return self.data.count(b"\n")


@dataclass(frozen=True)
class S3Copy:
    """A COPY statement, taken apart."""

    table: str
    columns: tuple[str, ...]
    source: str
    options: dict[str, str]

    @classmethod
    def parse(cls, sql: str) -> "S3Copy":
        found = STATEMENT.match(sql)
        if not found:
            raise LoadRefused("syntax error in COPY")
        columns = tuple(name.strip().strip('"') for name in found[2].split(","))
        options = {name: _unescaped(text) for name, text in _options(found[4])}
        for needed in ("IAM_ROLE", "REGION", "FORMAT AS", "GZIP", "MANIFEST"):
            if needed not in options:
                raise LoadRefused(f"COPY without {needed}: the stand-in knows no other")
        return cls(found[1], columns, _unescaped(f"'{found[3]}'"), options)

    def run(self, session: Session, s3: Any) -> int | None:
        """Load; answers the number of rows, or None when the client has been told why not."""
        self._authorise(s3)
        files = [file for entry in self._manifest(s3) if (file := self._file(s3, entry))]
        if not files:
            raise LoadRefused("The specified S3 prefix or manifest names no file that exists")
        types = self._types(session)
        if "super" in types.values():
            raise LoadRefused("the stand-in refuses delimited text into SUPER: it would stay text there")
        cut = next(
            ((file.uri, 0, "", "", "Unexpected end of compressed file") for file in files if not file.whole), None
        )
        if fault := cut or self._too_long(files, types):
            session.note(*fault)
            session.fail("XX000", self._failed)
            return None
        return self._pour(session, files, types)

    @property
    def _failed(self) -> str:
        return f"Load into table '{self.table}' failed.  Check 'sys_load_error_detail' system table for details."

    def _authorise(self, s3: Any) -> None:
        role = self.options["IAM_ROLE"]
        if role.endswith("/denied"):
            raise LoadRefused(f"User arn:aws:redshift is not authorized to assume IAM Role {role}")
        if role != "default" and not re.fullmatch(r"arn:aws:iam::\d{12}:role/\S+", role):
            raise LoadRefused("Invalid IAM_ROLE")
        bucket = self.source.split("/")[2]
        try:
            region = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] or "us-east-1"
        except ClientError as error:
            raise LoadRefused(f"S3ServiceException:{error.response['Error']['Code']},Status 404") from error
        if region != self.options["REGION"]:
            raise LoadRefused("S3ServiceException:The bucket is in another region,Status 301,Error PermanentRedirect")

    def _manifest(self, s3: Any) -> list[dict[str, Any]]:
        data = _object(s3, self.source)
        if data is None:
            raise LoadRefused("S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey")
        entries: list[dict[str, Any]] = json.loads(data)["entries"]
        return entries

    def _file(self, s3: Any, entry: dict[str, Any]) -> File | None:
        packed = _object(s3, entry["url"])
        if packed is None:
            if entry.get("mandatory", False):
                raise LoadRefused(
                    f"Problem reading manifest file - file {entry['url']} is mandatory and does not exist"
                )
            return None
        decoder = zlib.decompressobj(31)
        data = decoder.decompress(packed)  # the first member alone: nobody promises the others
        return File(entry["url"], data if not data or data.endswith(b"\n") else data + b"\n", whole=decoder.eof)

    def _types(self, session: Session) -> dict[str, str]:
        schema, table = (name.strip('"') for name in self.table.split("."))
        rows = session.ask(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a JOIN pg_class c ON "
            f"c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = '{schema}' "
            f"AND c.relname = '{table}' AND a.attnum > 0"
        )
        types = {str(name): str(kind) for name, kind in rows}
        return {name: types.get(name, "") for name in self.columns}

    def _too_long(self, files: list[File], types: dict[str, str]) -> tuple[str, int, str, str, str] | None:
        """VARCHAR counts bytes: Postgres would count characters."""
        for file in files:
            if max(map(len, file.data.split(b"\n"))) <= LONGEST_TEXT and b'\n"' not in file.data:
                continue
            csv.field_size_limit(1 << 28)
            reader = csv.reader(io.StringIO(file.data.decode(), newline=""))
            for row in reader:
                for (name, kind), value in zip(types.items(), row, strict=False):
                    if kind.startswith("character varying") and len(value.encode()) > LONGEST_TEXT:
                        return file.uri, reader.line_num, name, "varchar", "String length exceeds DDL length"
        return None

    def _pour(self, session: Session, files: list[File], types: dict[str, str]) -> int | None:
        null = self.options.get("NULL AS", r"\N").replace("\\", "\\\\")
        columns = ", ".join(f'"{name}"' for name in self.columns)
        statement = f"COPY {self.table} ({columns}) FROM STDIN (FORMAT csv, NULL '{null}')"
        session.backend.send(b"Q", statement.encode() + b"\0")
        kind, body = session.backend.read()
        if kind == b"G":
            for file in files:
                for start in range(0, len(file.data), BLOCK):
                    session.backend.send(b"d", file.data[start : start + BLOCK])
            session.backend.send(b"c")
            kind, body = session.backend.read()
        failed, tag = (body if kind == b"E" else None), body
        while kind != b"Z":
            kind, body = session.backend.read()
        session.status = body
        if failed is None:
            return int(tag.rstrip(b"\0").split()[-1])
        self._explain(session, failed, files, types)
        return None

    def _explain(self, session: Session, failed: bytes, files: list[File], types: dict[str, str]) -> None:
        fields = {part[:1]: part[1:].decode() for part in failed.split(b"\0") if part}
        place = PLACE.search(fields.get(b"W", ""))
        if place:
            line, column = int(place[1]), place[2] or ""
            for file in files:
                if line <= file.lines:
                    break
                line -= file.lines
            session.note(
                file.uri, line, column, types.get(column, "")[:10], _reason(fields[b"M"], types.get(column, ""))
            )
        session.client.send(b"E", _error("XX000", self._failed if place else fields[b"M"]))
        session.client.send(b"Z", session.status)


def _reason(message: str, kind: str) -> str:
    for word, reason in REASONS.items():
        if kind.startswith(word):
            return reason.format(message.rpartition(': "')[2][:1])
    if "extra data" in message:
        return "Extra column(s) found"
    if "missing data" in message:
        return "Delimiter not found"
    if "encoding" in message:
        return "String contains invalid or unsupported UTF8 codepoints."
    return message


def _error(state: str, message: str) -> bytes:
    fields = {"S": "ERROR", "V": "ERROR", "C": state, "M": message}
    return b"".join(name.encode() + text.encode() + b"\0" for name, text in fields.items()) + b"\0"


def _object(s3: Any, uri: str) -> bytes | None:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    try:
        data: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError:
        return None
    return data


def _options(text: str) -> list[tuple[str, str]]:
    return [(found["name"].upper(), found["text"] or "") for found in OPTIONS.finditer(text)]


def _unescaped(text: str) -> str:
    """A text constant as Redshift reads it: a backslash begins an escape."""
    if not text.startswith("'"):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1].replace("''", "'"))
