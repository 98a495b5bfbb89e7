"""What the current thread works on, by name, so that each line it logs says so. Knows no logger."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_MARKS: Final[ContextVar[Mapping[str, str]]] = ContextVar("marks", default={})  # noqa: B039 - never written to


@contextmanager
def marked(**names: object) -> Iterator[None]:
    """While the context lasts, log lines bear these: `marked(run=7, task=31)`. Contexts nest."""
    token = _MARKS.set({**_MARKS.get(), **{name: str(value) for name, value in names.items()}})
    try:
        yield
    finally:
        _MARKS.reset(token)


def marks() -> Mapping[str, str]:
    return _MARKS.get()
