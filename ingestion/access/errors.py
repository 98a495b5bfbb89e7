"""What access refuses: requests at the gateway, by codes that clients of the batch API know; and wishes of people."""

from __future__ import annotations

from rest_framework.exceptions import APIException


class AccessError(Exception):
    """What a person asked for cannot be done. Both texts are for people."""

    def __init__(self, message: str, *, advice: str) -> None:
        super().__init__(f"{message} {advice}")
        self.message, self.advice = message, advice


class GatewayError(APIException):
    """A request was refused before any view saw it. The status is the first three digits of `error_code`."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message, code=error_code)
        self.error_code, self.message = error_code, message
        self.status_code = int(error_code[:3])
        self.auth_header = 'Bearer error="invalid_token"' if self.status_code == 401 else ""


def token_missing() -> GatewayError:
    return GatewayError("403010", "Oauth token is missing.")


def token_invalid() -> GatewayError:
    return GatewayError("401013", "Oauth token is not valid")


def key_missing() -> GatewayError:
    return GatewayError("403000", "Api Key is required")


def key_invalid() -> GatewayError:
    return GatewayError("403003", "Api Key is invalid")


def organisation_missing() -> GatewayError:
    return GatewayError("400003", "Missing header")


def organisation_refused() -> GatewayError:
    return GatewayError("403025", "Profile is not valid")


def sandbox_refused(sandbox: str) -> GatewayError:
    """The one code of our own: no documented one says this."""
    return GatewayError("403901", f"The sandbox “{sandbox[:64]}” does not exist or is not open to this client")
