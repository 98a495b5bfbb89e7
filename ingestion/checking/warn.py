"""What the judge changed a little, as warnings of the part that it went into."""

from typing import Final

from ingestion.checking.judge import Judge
from ingestion.formats.base import Warning  # noqa: A004

TEXT_OF_CUTS: Final = "times with more than six digits of a second were cut to microseconds"


def cuts_of(judge: Judge) -> tuple[Warning, ...]:
    """The cuts since it was last asked."""
    found = tuple(
        Warning(code="fraction_cut", count=count, column=source, text=TEXT_OF_CUTS)
        for source, count in judge.cuts.items()
    )
    judge.cuts.clear()
    return found
