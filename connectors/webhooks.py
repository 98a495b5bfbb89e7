"""Telling somebody else's server by one signed POST, through the outbound gate. Knows no retries, and keeps nothing of
the answer but its status."""

import hashlib
import hmac
import re
import threading
import time
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from connectors.protocol import Fault, SourceError
from connectors.rest.body import Limits, WireError
from connectors.rest.gate import Gate, place
from connectors.rest.wire import Request, Wire

LIMITS: Final = Limits(connect_timeout=5, read_timeout=10, answer_timeout=10, max_bytes=1024 * 1024)
LONGEST: Final = 30.0  # seconds: whatever the receiver does, the call is broken off then
SHORTEST_SECRET: Final = 16  # characters
ADVICE: Final = "Correct the webhook on the data source's page; then send it again."


@dataclass(frozen=True, kw_only=True)
class Told:
    """How one try went: `status` is None when no answer came, `problem` empty when it was taken."""

    status: int | None = None
    seconds: float = 0.0
    problem: str = ""
    advice: str = ""
    lasting: bool = False  # another try would not help


def signature(secret: str, *, timestamp: str, key: str, body: bytes) -> str:
    """What X-Headgate-Signature holds."""
    signed = f"{timestamp}.{key}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def shown(url: str) -> str:
    """As much of an address as everybody may see: "https://host/…"; paths may hold secrets. Raises SourceError."""
    scheme, host, port = place(url)
    named = f"[{host}]" if ":" in host else host
    return f"{scheme}://{named}{'' if port in (80, 443) else f':{port}'}/…"


def why_not(url: str) -> str:
    """Why an address will never be called; empty when it may be, or when its name cannot be resolved just now."""
    try:
        _gate().permit(url)
    except SourceError as error:
        return f"{error.message} {error.advice}" if error.fault == Fault.CONFIG else ""
    return ""


def tell(url: str, *, secret: str, key: str, body: bytes) -> Told:
    """POST the body, signed. Never raises for what the receiver or the network does. Answers within LONGEST, but for
    the time that its name takes to be resolved and its addresses take to be connected to."""
    wire = Wire(_gate(), LIMITS)
    end = threading.Timer(LONGEST, wire.close)
    end.daemon = True
    began = time.monotonic()
    end.start()
    try:
        answer = wire.send(_request(url, secret=secret, key=key, body=body))
    except WireError as error:
        return Told(seconds=time.monotonic() - began, problem=f"No answer: {error}.", advice="It is tried again.")
    except SourceError as error:
        return _refused(error, time.monotonic() - began)
    finally:
        end.cancel()
        wire.close()
    return _judged(answer.status, time.monotonic() - began)


def _gate() -> Gate:
    return Gate(allow=settings.OUTBOUND_ALLOW)


def _request(url: str, *, secret: str, key: str, body: bytes) -> Request:
    timestamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "X-Headgate-Id": key, "X-Headgate-Timestamp": timestamp}
    signed = signature(secret, timestamp=timestamp, key=key, body=body)
    return Request(url=url, method="POST", headers=headers, secret={"X-Headgate-Signature": signed}, body=body)


def _refused(error: SourceError, seconds: float) -> Told:
    """The gate and the wire speak of sources; here it is the receiver."""
    text = re.sub(r"\b([Tt])he source\b", r"\1he receiver", error.message)
    advice = error.advice.replace("data source's settings", "data source's webhook")
    lasting = error.fault == Fault.CONFIG
    return Told(seconds=seconds, problem=text, advice=advice, lasting=lasting)


def _judged(status: int, seconds: float) -> Told:
    if 200 <= status < 300:
        return Told(status=status, seconds=seconds)
    advice = "Ask whoever runs the receiver; its log should name the id of the message."
    return Told(status=status, seconds=seconds, problem=f"The receiver answered {status}.", advice=advice)
