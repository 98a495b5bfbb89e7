"""What crosses the pipe to the child: length-prefixed MessagePack of plain values. Never pickles, since the child has
read files that nobody trusts.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ingestion.checking.base import CheckReport, CheckRequest, Preview

SIZE: Final = 8  # bytes of the length
TAKEN: Final = b"\x06"  # the child has the work, and may have begun; stands before its answer
LARGEST: Final = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One piece of work. `rows` of a preview, none for a check."""

    request: CheckRequest
    rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came of it; `failure` is the kind of an error that was not foreseen."""

    report: CheckReport | None = None
    preview: Preview | None = None
    failure: str = ""


def _to_text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value))


def _from_text(kind: type, value: Any) -> Any:
    if kind is Path:
        return Path(value)
    raise NotImplementedError(kind)


ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_to_text)
ASKS: Final = msgspec.msgpack.Decoder(Ask, dec_hook=_from_text)
ANSWERS: Final = msgspec.msgpack.Decoder(Answer, dec_hook=_from_text)


def framed(value: Ask | Answer) -> bytes:
    body = ENCODER.encode(value)
    return len(body).to_bytes(SIZE, "big") + body


def write_all(pipe: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]
