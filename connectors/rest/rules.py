"""What an answer means: the manifest's response rules in their order, then what its status says by custom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.manifest import Action, AuthStyle, Predicate, Rule
from connectors.protocol import Fault, SourceError
from connectors.rest import errors, templating
from connectors.rest.client import TryAgain, status_reason
from connectors.rest.errors import Place
from connectors.rest.kinds import Foreign, contents_of
from connectors.rest.selection import Contents, Path, Selector
from connectors.rest.wire import Answer

EMPTY_STATUSES: Final = (204, 205)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A readable answer. `ignored` says why it counts as holding no records."""

    contents: Contents
    ignored: str = ""


class Judge:
    """Reads the answers of one endpoint: the function that a client calls until it takes one."""

    def __init__(self, *, rules: tuple[Rule, ...], selector: Selector, style: AuthStyle) -> None:
        self._rules = rules
        self._selector = selector
        self._style = style

    def read(self, answer: Answer, place: Place) -> Verdict:
        """Raises TryAgain or SourceError."""
        try:
            return self._read(answer, place)
        except SourceError as error:
            if str(place) in error.message:
                raise
            raise SourceError(f"{error.message} {place}.", fault=error.fault, advice=error.advice) from error

    def _read(self, answer: Answer, place: Place) -> Verdict:
        success = 200 <= answer.status < 300
        try:
            contents = self._contents(answer, success)
        except TryAgain as problem:  # a rule that names this very answer by its text knows better
            return self._unreadable(answer, place, problem)
        rule = next((rule for rule in self._rules if _fits(rule, answer, contents)), None)
        if rule is None and not success:
            return _unusual(answer.status, place, self._style)
        if rule is not None and rule.action is not Action.SUCCESS:
            return _ruled(rule, answer.status, place)
        if not success:
            contents = contents_of(answer, self._selector)
        if not contents.found:
            raise _nothing_there(contents)
        return Verdict(contents=contents)

    def _unreadable(self, answer: Answer, place: Place, problem: TryAgain) -> Verdict:
        """An answer of success that is no JSON: only its text can be looked at. Raises TryAgain where no rule does, and
        SourceError where another try would bring the same."""
        for rule in self._rules:
            named = rule.when is not None and rule.when.contains and not rule.when.path
            if named and rule.action is not Action.SUCCESS and _fits(rule, answer, Contents(facts={})):
                return _ruled(rule, answer.status, place)
        raise problem.error if isinstance(problem, Foreign) else problem

    def _contents(self, answer: Answer, success: bool) -> Contents:
        """The body as it is read for records; that of an error only as far as rules look at it."""
        if answer.status in EMPTY_STATUSES:
            return Contents(facts={})
        if success:
            return contents_of(answer, self._selector)
        if not any(rule.when for rule in self._rules):
            return Contents(facts={})
        try:
            return contents_of(answer, self._selector)
        except TryAgain:  # an error page that is no JSON: rules on fields do not fit it
            return Contents(facts={})


def fact_paths(rules: tuple[Rule, ...]) -> tuple[Path, ...]:
    return tuple(rule.when.path for rule in rules if rule.when is not None and rule.when.path)


def _fits(rule: Rule, answer: Answer, contents: Contents) -> bool:
    if rule.statuses and not any(_is_status(word, answer.status) for word in rule.statuses):
        return False
    return rule.when is None or _holds(rule.when, answer.body, contents.facts)


def _is_status(word: str, status: int) -> bool:
    return word == str(status) or (word.endswith("xx") and word[0] == str(status)[0])


def _holds(predicate: Predicate, body: bytes, facts: Mapping[Path, Any]) -> bool:
    if predicate.contains and predicate.contains.encode() not in body:
        return False
    if not predicate.path:
        return True
    value = facts.get(predicate.path)
    if predicate.exists is not None and (value is not None) is not predicate.exists:
        return False
    return not predicate.equals or any(value == wanted and type(value) is type(wanted) for wanted in predicate.equals)


def _unusual(status: int, place: Place, style: AuthStyle) -> Verdict:
    reason = status_reason(status)
    if reason:
        raise TryAgain(reason)
    raise errors.for_status(status, place, style)


def _ruled(rule: Rule, status: int, place: Place) -> Verdict:
    values = {"status": str(status), "endpoint": place.endpoint, "page": str(place.page or 1)}
    text = templating.fill(rule.message, values) or f"it answered {status}, which the manifest's rules name"
    if rule.action is Action.IGNORE:
        return Verdict(contents=Contents(facts={}), ignored=text)
    if rule.action is Action.RETRY:
        raise TryAgain(text.rstrip("."))
    fault = Fault.AUTH if status in (401, 403) else Fault.CONFIG if 400 <= status < 500 else Fault.DATA
    raise SourceError(
        f"The source answered {status} {place}: {text.rstrip('.')}.",
        fault=fault,
        advice="The manifest's response rules call this answer a failure.",
    )


def _nothing_there(contents: Contents) -> SourceError:
    holds = f"; it holds {', '.join(contents.keys)}" if contents.keys else ""
    return SourceError(
        f"The answer has no records where the manifest says{holds},",
        fault=Fault.DATA,
        advice="Check `records` of the endpoint in the manifest, or add a response rule for this kind of answer.",
    )
