"""The client of one S3 store: one for each process, made anew where its credentials have expired."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ingestion.staging.s3_errors import EXPIRED, code_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Answer = TypeVar("Answer")
SETTINGS: Final[Mapping[str, Any]] = {
    "retries": {"mode": "standard", "total_max_attempts": 6},
    "connect_timeout": 5,
    "read_timeout": 60,
    "tcp_keepalive": True,
    "max_pool_connections": 16,
    # we send and check sha256 ourselves; the client's own sums are framed in a way that not every store takes
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}


class Clients:
    """Makes the client when it is first used. boto3 renews a role's credentials by itself, but reads those of a file
    or the environment once: when they are refused as expired, a new client reads them again."""

    def __init__(self, *, endpoint_url: str | None, region: str | None, timeout: float | None = None) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._timeout = timeout
        self._lock = threading.Lock()
        self._clients: dict[int, S3Client] = {}

    def ask(self, request: "Callable[[S3Client], Answer]") -> Answer:
        """Send a request, once more where the credentials had expired. It must be able to be sent twice."""
        client = self.current()
        try:
            return request(client)
        except ClientError as error:
            if code_of(error) not in EXPIRED:
                raise
        return request(self._renewed(client))

    def current(self) -> "S3Client":
        with self._lock:
            if os.getpid() not in self._clients:  # a forked process shares no connection with its parent
                self._clients = {os.getpid(): self.make(self._endpoint_url)}
            return self._clients[os.getpid()]

    def make(self, endpoint_url: str | None) -> "S3Client":
        style = {"addressing_style": "path"} if endpoint_url else {}
        session = boto3.session.Session(region_name=self._region)
        limits = {"read_timeout": self._timeout} if self._timeout else {}
        config = Config(s3=cast(Any, style), signature_version="s3v4", **{**SETTINGS, **limits})
        return session.client("s3", endpoint_url=endpoint_url, config=config)

    def _renewed(self, old: "S3Client") -> "S3Client":
        with self._lock:
            if self._clients.get(os.getpid()) is old:  # else another thread has been here
                self._clients = {os.getpid(): self.make(self._endpoint_url)}
            return self._clients[os.getpid()]
