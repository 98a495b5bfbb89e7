"""The bucket that Redshift reads from: are the staged parts still what was written, and manifests of our own."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ingestion.errors import ConfigFault, DataFault, IngestionError
from ingestion.warehouse.base import Part, StageRequest, WarehouseUnavailable
from ingestion.warehouse.redshift_address import RedshiftAddress

LOOKS: Final = 8  # at once: a look takes some 20 ms, and a table may have thousands of parts
MISSING: Final = ("404", "NoSuchKey", "NotFound")
REFUSED: Final = ("403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch")
SETTINGS: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=LOOKS,
)


class Bucket:
    """S3, as this program sees it. Makes its client when it is first used. Safe in several threads."""

    def __init__(self, address: RedshiftAddress) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._made: Any = None

    def verify(self, parts: Iterable[Part]) -> None:
        """Raises DataFault for a part that is gone, or is not the file that was staged."""
        with ThreadPoolExecutor(LOOKS, thread_name_prefix="look") as pool:
            list(pool.map(self._verify, parts))

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = split(uri)
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=data)
        except (BotoCoreError, ClientError) as error:
            raise _explained(error, f"writing {uri}") from error

    def _verify(self, part: Part) -> None:
        bucket, key = split(part.uri)
        try:
            found = self._client.head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise _explained(error, f"looking at {part.uri}") from error
        digest = found["Metadata"].get("sha256", part.sha256)
        if found["ContentLength"] != part.size or digest != part.sha256:
            raise DataFault(
                f"{part.uri} is not the file that was staged: {found['ContentLength']:,} bytes instead of "
                f"{part.size:,}, or another checksum. Nothing of this table was loaded.",
                advice="Start the run again with everything extracted anew; tell the owner of the bucket.",
            )

    @property
    def _client(self) -> Any:
        with self._lock:
            if self._made is None:
                style = {"addressing_style": "path"} if self._address.endpoint_url else {}
                config = SETTINGS.merge(Config(s3=style))  # type: ignore[arg-type]
                session = boto3.session.Session(region_name=self._address.region)
                self._made = session.client("s3", endpoint_url=self._address.endpoint_url, config=config)
            return self._made


def split(uri: str) -> tuple[str, str]:
    """Bucket and key. Raises ConfigFault for what Redshift cannot reach."""
    parts = urlsplit(uri)
    if parts.scheme != "s3":
        raise ConfigFault(
            f"Redshift loads files from S3 only, but this one is staged elsewhere: {uri}.",
            advice="Set STAGING_URL to a bucket (s3://bucket/prefix?region=…) that the warehouse's role may read.",
        )
    return parts.netloc, parts.path.lstrip("/")


def beside(uri: str, request: StageRequest, number: int) -> str:
    """Where a manifest of our own goes: the folder of the run's, or of its parts."""
    split(uri)
    folder = uri.rpartition("/")[0]
    return f"{folder}/redshift-d{request.target.dataset:d}-l{request.load_id:d}-a{request.attempt:d}-{number:d}.json"


def _explained(error: Exception, doing: str) -> IngestionError:
    code = str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
    if code in MISSING:
        return DataFault(
            f"A staged file is not there any more, {doing}. Nothing of this table was loaded.",
            advice="It was removed by hand or by its retention. Start the run again with everything extracted anew.",
        )
    if code in REFUSED:
        return ConfigFault(
            f"The bucket refused {doing}: {code}.",
            advice="Give this program the rights to list, read and write in the bucket of STAGING_URL.",
        )
    return WarehouseUnavailable(
        f"The staging bucket did not answer, {doing}: {code or type(error).__name__}.",
        advice="Nothing needs to be done: it is tried again.",
        detail=str(error),
    )
