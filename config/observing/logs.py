"""Log lines: as text or as JSON, with what their thread works on, without secrets and without control characters."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from pythonjsonlogger.core import LogData
from pythonjsonlogger.json import JsonFormatter

from connectors.secrets import IN_USE
from ingestion.marks import marks
from runs.reading.redaction import Censor

REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
OURS: Final = ("request_id", "run", "task", "batch", "file", "dataset", "attempt")
ADDRESSES: Final = ("REDIS_URL", "WAREHOUSE_URL", "STAGING_URL", "ARCHIVE_URL", "COLD_URL", "SENTRY_DSN")


def known_secrets() -> tuple[str, ...]:
    """The secrets of this installation itself: keys, tokens, and the passwords within its addresses."""
    found = [settings.SECRET_KEY, settings.METRICS_TOKEN, *settings.CREDENTIAL_KEYS]
    found.append(str(settings.DATABASES["default"].get("PASSWORD") or ""))
    for name in ADDRESSES:
        parts = urlsplit(str(getattr(settings, name, "")))
        found += [parts.password or "", unquote(parts.password or "")]
    return tuple({value for value in found if value})


def keep_secrets() -> None:
    """Have every log line searched for them. Called once, when the process starts."""
    IN_USE.add(*known_secrets())


class Marked(logging.Filter):
    """Adds the request, run, task, batch and attempt that the logging thread is at."""

    def filter(self, record: logging.LogRecord) -> bool:
        known = {"request_id": REQUEST_ID.get(), **marks()}
        for name in OURS:
            if known.get(name) and not hasattr(record, name):
                setattr(record, name, known[name])
        return True


def plain(text: str) -> str:
    """One line: control characters are spelled out, so that no text from outside can look like a line of ours."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}" if found[0] != "\n" else "\\n", text)


class TextLines(logging.Formatter):
    """Lines for people. Tracebacks are indented, so that what they quote cannot begin a line."""

    def format(self, record: logging.LogRecord) -> str:
        said = [f"{name}={getattr(record, name)}" for name in OURS if hasattr(record, name)]
        head = f"{self.formatTime(record)} {record.levelname} {record.name} {plain(record.getMessage())}"
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        more = [part for part in (record.exc_text, record.stack_info) if part]
        lines = [f"    {plain(line)}" for part in more for line in re.split(r"[\r\n]+", part)]
        return "\n".join([plain(" ".join([head, *said])), *lines])


class JsonLines(JsonFormatter):
    """One JSON object a line, which spells control characters out. What has a telling name is blanked."""

    def __init__(self, *, reserved: Sequence[str] = ()) -> None:
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "error"},
            timestamp="at",
            json_ensure_ascii=True,
        )

    def process_log_record(self, log_data: LogData) -> LogData:
        """Called once a record, just before it is written: extras pass here that no filter has seen."""
        cleaned: dict[str, Any] = Censor(known=IN_USE.values()).data(super().process_log_record(log_data))
        return cleaned
