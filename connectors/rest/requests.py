"""Builds the requests of one endpoint: path, parameters and body from the manifest, filled for a slice and a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from connectors.manifest import EndpointSpec
from connectors.rest import moments, templating
from connectors.rest.pagination import Address
from connectors.rest.wire import Request


@dataclass(frozen=True, kw_only=True)
class Builder:
    """`values` are those of the settings; a slice adds its own."""

    base_url: str
    spec: EndpointSpec
    headers: Mapping[str, str]
    values: templating.Values
    since: str | None = None

    def request(self, slice_values: templating.Values, address: Address) -> Request:
        """Raises SourceError where a placeholder has no value."""
        values = {**self.values, **slice_values}
        if self.spec.cursor is not None:
            asked = moments.since(self.spec.cursor, self.since)
            values |= {"since": asked} if asked is not None else {}
        try:
            return self._request(values, address)
        except templating.MissingValue as missing:
            raise templating.not_filled_in(missing.name) from missing

    def _request(self, values: templating.Values, address: Address) -> Request:
        headers = templating.fill_params({**self.headers, **self.spec.headers}, values)
        url = self._link(address.link) if address.link else self._url(values, address)
        if self.spec.method == "GET":
            return Request(url=url, headers=headers)
        headers = {"Content-Type": "application/json", **headers}
        return Request(url=url, method="POST", headers=headers, body=self._body(values, address))

    def _link(self, link: str) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}{link}"

    def _url(self, values: templating.Values, address: Address) -> str:
        params = templating.fill_params(self.spec.params, values)
        if self.spec.pagination.into == "params":
            params |= {name: str(value) for name, value in address.values.items()}
        cursor = self.spec.cursor
        if cursor is not None and cursor.param and cursor.into == "params" and "since" in values:
            params[cursor.param] = values["since"]
        query = urlencode(params)
        return self.base_url + templating.fill_path(self.spec.path, values) + (f"?{query}" if query else "")

    def _body(self, values: templating.Values, address: Address) -> bytes:
        body = templating.fill_body({} if self.spec.body is None else self.spec.body, values)
        if self.spec.pagination.into == "body":
            for name, value in address.values.items():
                _put(body, name, value)
        cursor = self.spec.cursor
        if cursor is not None and cursor.param and cursor.into == "body" and "since" in values:
            _put(body, cursor.param, values["since"])
        return msgspec.json.encode(body)


def _put(body: Any, name: str, value: Any) -> None:
    """Set a dotted name in a JSON object."""
    *parents, last = name.split(".")
    for parent in parents:
        body = body.setdefault(parent, {})
    body[last] = value
