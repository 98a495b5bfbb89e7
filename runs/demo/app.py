"""What the server does with a call: find the endpoint, check the token, draw a fault, answer, count."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from runs.demo.endpoints import Endpoints
from runs.demo.faults import Faults, instead
from runs.demo.paging import Call
from runs.demo.stats import Stats
from runs.demo.switches import SwitchError, Switches, changed
from runs.demo.tokens import Tokens
from runs.demo.wire import BadCallError, Cut, Reply, Request, Response, problem

TOKEN = "/oauth/token"  # noqa: S105 - a path


class App:
    """The demo source. Calls of /_control and /_stats meet no latency, no fault and no token."""

    def __init__(self, endpoints: Endpoints, *, fixed_token: str, switches: Switches) -> None:
        self.base_url = ""
        self.stats = Stats()
        self._endpoints = endpoints
        self._switches = switches
        self._tokens = Tokens(fixed_token)
        self._faults = Faults()
        self._inside: dict[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", "/_control"): lambda request: _answer(self._switches.as_json()),
            ("POST", "/_control"): self._control,
            ("GET", "/_stats"): lambda request: _answer(self.stats.as_json()),
            ("POST", "/_stats/reset"): self._reset_stats,
        }

    def connected(self) -> None:
        self.stats.connections += 1

    def answer(self, request: Request) -> Reply:
        if request.path.startswith("/_"):
            return Reply(self._answer_inside(request), 0, lambda sent_bytes: None)
        self.stats.began()
        name, response = self._answer_outside(request)
        self.stats.calls[name]["reset" if response.cut is Cut.RESET else str(response.status)] += 1
        return Reply(response, self._switches.latency_ms / 1000, self.stats.ended)

    def _answer_outside(self, request: Request) -> tuple[str, Response]:
        name, perform = self._find(request)
        try:
            if perform is None:
                raise BadCallError(404, "not_found", "There is no such endpoint.")
            if request.path != TOKEN:
                self._tokens.check(request, self._switches)
            return name, self._with_fault(request, perform)
        except BadCallError as error:
            return name, error.response()

    def _with_fault(self, request: Request, perform: Callable[[Request], Response]) -> Response:
        kind = self._faults.draw(request.target, self._switches)
        if kind is None:
            return perform(request)
        response = instead(kind, self._switches) or replace(perform(request), cut=Cut.TRUNCATED)
        self.stats.faults[kind] += 1
        return response

    def _find(self, request: Request) -> tuple[str, Callable[[Request], Response] | None]:
        if request.path == TOKEN:
            return TOKEN, self._issue
        name, endpoint = self._endpoints.find(request.path)
        if endpoint is None:
            return "(unknown)", None

        def perform(request: Request) -> Response:
            if request.method != "GET":
                raise BadCallError(405, "method_not_allowed", "Use GET.", {"Allow": "GET"})
            return endpoint(Call.of(request.path, request.query, self._url_of(request), self._switches))

        return name, perform

    def _issue(self, request: Request) -> Response:
        if request.method != "POST":
            raise BadCallError(405, "method_not_allowed", "Use POST.", {"Allow": "POST"})
        answer = _answer(self._tokens.issue(request, self._switches))
        self.stats.tokens_issued += 1
        return replace(answer, headers={"Cache-Control": "no-store"})

    def _url_of(self, request: Request) -> str:
        host = request.headers.get("host")
        return f"http://{host}" if host else self.base_url

    def _answer_inside(self, request: Request) -> Response:
        perform = self._inside.get((request.method, request.path))
        if perform is None:
            known = ", ".join(f"{method} {path}" for method, path in self._inside)
            return problem(404, "not_found", f"There is no such call. There are: {known}.")
        return perform(request)

    def _control(self, request: Request) -> Response:
        try:
            asked = json.loads(request.body)
            if not isinstance(asked, dict):
                raise SwitchError("Send a JSON object of switches.")
            self._switches = changed(self._switches, asked)
        except (ValueError, SwitchError) as error:
            return problem(400, "bad_switch", str(error))
        if "seed" in asked:
            self._faults.forget()
        return _answer(self._switches.as_json())

    def _reset_stats(self, request: Request) -> Response:
        self.stats.reset()
        return _answer(self.stats.as_json())


def _answer(value: dict[str, Any]) -> Response:
    return Response(200, (json.dumps(value).encode(),))
