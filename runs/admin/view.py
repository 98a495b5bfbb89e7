"""What of a run's page is open: tab, search, kind, page and panels. All of it is in the address."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self
from urllib.parse import urlencode

from runs.states import TaskKind

TABS = {
    "tasks": "Tasks",
    "tables": "Tables",
    "timeline": "Timeline",
    "messages": "Messages",
    "log": "Log",
    "changes": "Schema changes",
    "calls": "API calls",
    "files": "Files",
    "configuration": "Configuration",
    "history": "History",
}
LEVELS = frozenset({1, 2, 3})
FINGERPRINT = re.compile("[0-9a-f]{32}")
KINDS = frozenset(str(kind) for kind in TaskKind)


@dataclass(frozen=True, kw_only=True)
class View:
    """Read from an address, and written back into links that change one thing of it."""

    tab: str = "tasks"
    q: str = ""
    kind: str = ""  # kinds of tasks, joined with commas
    page: int = 1
    tables: int = 0  # the task whose tables are shown
    messages: int = 0  # the task whose messages are shown
    group: str = ""  # the fingerprint whose messages are shown one by one
    level: int = 0  # of the log: this one and worse
    task: int = 0  # of the log: of this task alone
    find: str = ""  # of the log: lines with this text
    wrap: str = ""  # "no": long lines of the log run on
    follow: str = ""  # "yes": the log stays at its end

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Self:
        group = query.get("group", "")
        kinds = [kind for kind in query.get("kind", "").split(",") if kind in KINDS]
        return cls(
            tab=query.get("tab", "") if query.get("tab") in TABS else "tasks",
            q=_text(query, "q"),
            kind=",".join(kinds),
            page=max(_whole(query.get("page", "")), 1),
            tables=_whole(query.get("tables", "")),
            messages=_whole(query.get("messages", "")),
            group=group if FINGERPRINT.fullmatch(group) else "",
            level=level if (level := _whole(query.get("level", ""))) in LEVELS else 0,
            task=_whole(query.get("task", "")),
            find=_text(query, "find"),
            wrap="no" if query.get("wrap") == "no" else "",
            follow="yes" if query.get("follow") == "yes" else "",
        )

    @property
    def kinds(self) -> list[str]:
        return self.kind.split(",") if self.kind else []

    def fields(self) -> dict[str, Any]:
        """What differs from the page as it first opens."""
        usual = asdict(View())
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def link(self, **changes: Any) -> str:
        """The address of the same page with these things changed."""
        return "?" + urlencode(replace(self, **changes).fields())


def _text(query: Mapping[str, str], name: str) -> str:
    return query.get(name, "").replace("\0", "").strip()[:200]  # Postgres refuses NUL in text


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0
