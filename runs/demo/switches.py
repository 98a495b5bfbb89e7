"""The switches that make the demo server slow, faulty, empty or inconsistent, and the check of each."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

ENDPOINTS = ("airlines", "airports", "planes", "weather", "flights", "summary", "bench")
STYLES = ("seconds", "date", "none")


class SwitchError(Exception):
    """A switch is unknown or has a value that it cannot have."""


@dataclass(frozen=True)
class Drift:
    """From this page of the endpoint on, the field (a path with dots) has this value."""

    endpoint: str
    field: str
    from_page: int
    value: Any


@dataclass(frozen=True, kw_only=True)
class Switches:
    """How the server behaves now. Rates are shares of the calls, from 0 to 1."""

    latency_ms: float = 0
    rate_429: float = 0
    retry_after: int = 1  # seconds
    retry_after_style: str = "seconds"
    rate_500: float = 0
    rate_truncated: float = 0
    rate_html: float = 0
    rate_reset: float = 0
    token_ttl: float = 3600  # seconds
    token_requests: int = 0  # 0 sets no limit
    fixed_token_valid: bool = True
    empty: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    seed: int = 1

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"drift": [[*asdict(drift).values()] for drift in self.drift]}


def changed(switches: Switches, asked: Mapping[str, Any]) -> Switches:
    """The switches with some set anew. Raises SwitchError and changes nothing where one is wrong."""
    if unknown := sorted(set(asked) - set(CHECKS)):
        raise SwitchError(f"No such switch: {', '.join(unknown)}. There are: {', '.join(CHECKS)}.")
    return replace(switches, **{name: CHECKS[name](name, value) for name, value in asked.items()})


def from_text(name: str, text: str) -> Any:
    """A switch's value as the command line gives it: JSON, or else plain text."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return CHECKS[name](name, value)


def _rate(name: str, value: Any) -> float:
    if _is_number(value) and 0 <= value <= 1:
        return float(value)
    raise SwitchError(f"{name} is a share from 0 to 1, not {value!r}.")


def _amount(name: str, value: Any) -> float:
    if _is_number(value) and value >= 0:
        return float(value)
    raise SwitchError(f"{name} is a number from 0 on, not {value!r}.")


def _whole(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise SwitchError(f"{name} is a whole number from 0 on, not {value!r}.")


def _yes_or_no(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise SwitchError(f"{name} is true or false, not {value!r}.")


def _style(name: str, value: Any) -> str:
    if value in STYLES:
        return str(value)
    raise SwitchError(f"{name} is one of {', '.join(STYLES)}, not {value!r}.")


def _endpoints(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(item in ENDPOINTS for item in value):
        return tuple(value)
    raise SwitchError(f"{name} is a list of endpoints out of {', '.join(ENDPOINTS)}, not {value!r}.")


def _drifts(name: str, value: Any) -> tuple[Drift, ...]:
    if not isinstance(value, list | tuple):
        raise SwitchError(f"{name} is a list of [endpoint, field, from_page, value], not {value!r}.")
    return tuple(_drift(name, item) for item in value)


def _drift(name: str, item: Any) -> Drift:
    match item:
        case [str(endpoint), str(field), int(page), value] if endpoint in ENDPOINTS and field and page > 0:
            return Drift(endpoint, field, page, value)
    raise SwitchError(f"An item of {name} is [endpoint, field, from_page, value], not {item!r}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "latency_ms": _amount,
    "rate_429": _rate,
    "retry_after": _whole,
    "retry_after_style": _style,
    "rate_500": _rate,
    "rate_truncated": _rate,
    "rate_html": _rate,
    "rate_reset": _rate,
    "token_ttl": _amount,
    "token_requests": _whole,
    "fixed_token_valid": _yes_or_no,
    "empty": _endpoints,
    "drift": _drifts,
    "seed": _whole,
}
