"""Who may do what on the pages of ingestion, and how a missing right is said."""

from typing import Any, Final

CHANGE: Final = "ingestion.change_batch"  # abort, fail, resume, try again now
TAKE_AWAY: Final = "ingestion.delete_batch"  # revert, retain, archive, delete: data leaves readers' sight
SETTINGS: Final = "ingestion.change_dataset"
RAW: Final = "runs.view_raw_data"  # one right for all pages on which somebody's values are shown
WORDS: Final = {
    CHANGE: "abort, fail or resume batches",
    TAKE_AWAY: "take the data of batches away",
    SETTINGS: "change the settings of datasets",
}


def missing(user: Any, right: str) -> str:
    """Why this person may not, or nothing."""
    if user.has_perm(right):
        return ""
    return f"You do not have the right to {WORDS[right]}; an administrator can give it to you."
