"""What of a batch's page is open: tab and page. Both are in the address, so that a link shows the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlencode

TABS: Final = {
    "files": "Files",
    "errors": "Errors",
    "rows": "Bad rows",
    "history": "History",
    "lineage": "Where it went",
}


@dataclass(frozen=True, kw_only=True)
class View:
    tab: str = "files"
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str], *, usual: str) -> Self:
        """`usual` is the tab that is open where none is asked for."""
        tab, page = query.get("tab", ""), query.get("page", "")
        whole = int(page) if page.isascii() and page.isdecimal() and len(page) < 10 else 1
        return cls(tab=tab if tab in TABS else usual, page=max(whole, 1))

    def link(self, *, tab: str = "", page: int = 1) -> str:
        return "?" + urlencode({"tab": tab or self.tab} | ({"page": page} if page > 1 else {}))
