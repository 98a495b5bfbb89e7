"""Asks axe-core whether a page breaks a rule of WCAG 2.2, levels A and AA."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = Path(__file__).with_name("axe.min.js")
LEVELS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ASK: Final = """async (levels) => (await axe.run(document, {
  runOnly: {type: "tag", values: levels}, resultTypes: ["violations"], elementRef: false,
})).violations"""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A violation that comes from django-unfold's own templates, and why it stays."""

    rule: str
    within: str  # what the markup of every element concerned holds
    reason: str


KNOWN: Final[tuple[Known, ...]] = ()


def violations(page: Page) -> list[str]:
    """One line for each element that breaks a rule, but for what is known of django-unfold."""
    page.evaluate(AXE.read_text())  # an inline script would be refused by the pages' own policy
    found: list[dict[str, Any]] = page.evaluate(ASK, LEVELS)
    return [
        f"{rule['id']}: {node['html'][:300]} — {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
        if not any(known.rule == rule["id"] and known.within in node["html"] for known in KNOWN)
    ]
