"""Takes secrets out of what leaves the house: those that are known, and whatever looks like one. Never restores any."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.secrets import BLANK, redact

TELLING = re.compile(
    r"[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|credential|signature|authorization)s?",
    re.IGNORECASE,
)
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), BLANK),
    (re.compile(r"\bBasic\s+[\w+/=]{8,}", re.IGNORECASE), f"Basic {BLANK}"),
    (re.compile(r"(\w+://)[^\s/@:]+:[^\s/@]+@"), rf"\1{BLANK}@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), BLANK),  # JSON web tokens
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), BLANK),  # keys of AWS
    (re.compile(r"\b(?:gh[pousr]_|sk_live_|sk_test_|xox[abprs]-)[\w-]{10,}"), BLANK),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), "[e-mail]"),
)

REMEMBERED = 60  # characters


@dataclass(frozen=True, kw_only=True)
class Censor:
    """`known` are secrets in the clear, to be taken out wherever they stand, however they are spelled."""

    known: tuple[str, ...] = field(default=(), repr=False)
    _seen: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def text(self, value: str) -> str:
        """Short texts are remembered: in lists of thousands of rows most of them come again."""
        if len(value) > REMEMBERED:
            return self._cleaned(value)
        if value not in self._seen:
            self._seen[value] = self._cleaned(value)
        return self._seen[value]

    def _cleaned(self, value: str) -> str:
        for pattern, instead in PATTERNS:
            value = pattern.sub(instead, value)
        return redact(value, self.known)

    def data(self, value: Any) -> Any:
        """The same for JSON; what is kept under a name like “password” goes whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._named(str(name), item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in value]
        return value

    def _named(self, name: str, value: Any) -> Any:
        secret = TELLING.fullmatch(name) and isinstance(value, str) and value
        return BLANK if secret else self.data(value)
