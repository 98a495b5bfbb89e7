"""Keeps credentials sealed, and blanks them out of anything printed. Knows no store and no form.

A sealed value is bound to its context (organisation and source): moved to another row it does not open.
"""

import base64
import json
import logging
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote, quote_plus

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

BLANK: Final = "•••"
SHORTEST: Final = 6  # shorter values are no secrets worth the name, and blanking them would blank ordinary text
KEY_NAMES: Final = r"[\w-]*(?:authorization|passw(?:or)?d|secret|token|api[_-]?key|credential|private[_-]?key)[\w-]*"
NAMED: Final = re.compile(
    rf"""(?P<name>["']?{KEY_NAMES}["']?\s*[:=]\s*)(?:(?:Bearer|Basic)\s+)?(?P<value>"[^"]*"|'[^']*'|[^\s,;&"'}}\]]+)""",
    re.IGNORECASE,
)
BEARER: Final = re.compile(r"\b(Bearer|Basic)\s+(?=\S*[0-9=])[A-Za-z0-9._~+/=-]{6,}", re.IGNORECASE)


class SealError(Exception):
    """Credentials could not be opened: other key, other row, or damaged. Says which, never what."""


class SecretBox:
    """Seals credentials with the first key; opens what any of the keys has sealed, so that keys can be changed."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed: make one with Fernet.generate_key()")
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise ValueError("an encryption key must be 32 bytes in URL-safe base64 (Fernet.generate_key())") from error

    def encrypt(self, secrets: Mapping[str, str], *, context: str) -> bytes:
        """Seal. `context` names the place that alone may open it."""
        payload = {"context": context, "secrets": dict(secrets)}
        return self._fernet.encrypt(json.dumps(payload).encode())

    def decrypt(self, sealed: bytes, *, context: str) -> dict[str, str]:
        """Open. Raises SealError."""
        try:
            payload = json.loads(self._fernet.decrypt(bytes(sealed)))
        except InvalidToken as error:
            raise SealError(
                "The stored credentials cannot be opened with the encryption keys of this server."
            ) from error
        if payload["context"] != context:
            raise SealError("The stored credentials belong to another data source.")
        return {str(name): str(value) for name, value in payload["secrets"].items()}

    def rotate(self, sealed: bytes) -> bytes:
        """The same, sealed anew with the first key. Raises SealError."""
        try:
            return self._fernet.rotate(bytes(sealed))
        except InvalidToken as error:
            raise SealError(
                "The stored credentials cannot be opened with the encryption keys of this server."
            ) from error


class InUse:
    """The secret values that this process works with right now; counted, since several sources may share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[str] = Counter()

    def add(self, *values: str) -> None:
        with self._lock:
            self._values.update(value for value in values if value)

    def remove(self, *values: str) -> None:
        with self._lock:
            self._values.subtract(value for value in values if value)
            self._values += Counter()

    def values(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._values)


IN_USE: Final = InUse()


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these values, however they are spelled, and without what follows a telling name."""
    spellings = {one for value in secrets if len(value) >= SHORTEST for one in _spellings(value)}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, BLANK)
    text = NAMED.sub(lambda found: f"{found['name']}{BLANK}", text)
    return BEARER.sub(lambda found: f"{found[1]} {BLANK}", text)


def _spellings(value: str) -> set[str]:
    escaped = json.dumps(value)[1:-1]
    plain = base64.b64encode(value.encode()).decode()
    return {value, quote(value), quote(value, safe=""), quote_plus(value), escaped, plain}


class Redactor(logging.Filter):
    """Blanks secrets in log records: by key name, and by the values in use. Put it on every handler."""

    def __init__(self, in_use: InUse = IN_USE) -> None:
        super().__init__()
        self._in_use = in_use

    def filter(self, record: logging.LogRecord) -> bool:
        values = self._in_use.values()
        record.msg = redact(record.getMessage(), values)
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text, values)
        if record.stack_info:
            record.stack_info = redact(record.stack_info, values)
        return True
