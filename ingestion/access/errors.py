"""The refusals of the gateway, by the codes that clients of the batch API know."""

from __future__ import annotations

from rest_framework.exceptions import APIException


class GatewayError(APIException):
    """A request was refused before any view saw it. The status is the first three digits of `error_code`."""

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(message, code=error_code)
        self.error_code, self.message = error_code, message
        self.status_code = int(error_code[:3])
