"""What is wrong with a manifest: every problem with its path in the document, never only the first."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing to mend. `path` is its place in the document: `endpoints[2].pagination.style`."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class ManifestError(ValueError):
    """The document cannot be used. `problems` holds all that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(word: str, known: Iterable[str]) -> str:
    """ " (did you mean "x"?)", or nothing where no known word is near."""
    near = get_close_matches(word, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""
