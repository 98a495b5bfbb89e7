"""An S3 bucket as the staging store. Objects are created by conditional writes, so that none is ever overwritten."""

import base64
import hashlib
import io
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ingestion.staging.base import ObjectExists, ObjectMissing, StoredObject
from ingestion.staging.keys import checked_key, checked_prefix
from ingestion.staging.s3_errors import code_of, explained
from ingestion.staging.s3_stream import ObjectStream

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LARGE: Final = 64 << 20  # from here on in pieces
PIECE: Final = 16 << 20
BLOCK: Final = 1 << 20
DIGEST: Final = "sha256"  # our metadata, which a later put is compared with
TAKEN: Final = ("PreconditionFailed", "412")
SETTINGS: Final[Mapping[str, Any]] = {
    "retries": {"mode": "standard", "total_max_attempts": 6},
    "connect_timeout": 5,
    "read_timeout": 60,
    "tcp_keepalive": True,
    "max_pool_connections": 16,
}


class S3Store:
    """See `base.StagingStore`. Makes its client when it is first used, one for each process."""

    def __init__(self, bucket: str, prefix: str, *, endpoint_url: str | None, region: str | None) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint_url = endpoint_url
        self._region = region
        self._lock = threading.Lock()
        self._clients: dict[int, S3Client] = {}

    def put(self, key: str, source: Path, *, sha256: str) -> None:
        size = source.stat().st_size
        with source.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                raise ObjectMissing(
                    f"The file to be staged as {key} is not what it was when it was made: its checksum differs.",
                    advice="Retry the task: the file is made again. If it happens again, check this machine's disk.",
                )
            stream.seek(0)
            with explained(self._at("writing", key)):
                self._create(checked_key(key), stream, size, sha256)

    def take(self, key: str, source: Path, *, sha256: str) -> None:
        self.put(key, source, sha256=sha256)

    def put_bytes(self, key: str, data: bytes) -> None:
        with explained(self._at("writing", key)):
            self._create(checked_key(key), io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    def open(self, key: str) -> IO[bytes]:
        name = self._prefix + checked_key(key)

        def get(more: Mapping[str, str]) -> Any:
            with explained(self._at("reading", key)):
                return self._client.get_object(Bucket=self.bucket, Key=name, **cast(Any, more))

        return io.BufferedReader(ObjectStream(get, key=key), BLOCK)

    def fetch(self, key: str, target: Path) -> Path:
        with self.open(key) as source, target.open("wb") as copy:
            while block := source.read(BLOCK):
                copy.write(block)
        return target

    def list(self, prefix: str) -> Iterator[StoredObject]:
        pages = self._client.get_paginator("list_objects_v2")
        whole = self._prefix + checked_prefix(prefix)
        with explained(self._at("listing", prefix)):
            for page in pages.paginate(Bucket=self.bucket, Prefix=whole):
                for item in page.get("Contents", ()):
                    yield StoredObject(key=item["Key"].removeprefix(self._prefix), size=item["Size"])

    def delete(self, key: str) -> None:
        with explained(self._at("deleting", key)):
            self._client.delete_object(Bucket=self.bucket, Key=self._prefix + checked_key(key))

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{checked_key(key)}"

    @property
    def _client(self) -> "S3Client":
        with self._lock:
            if os.getpid() not in self._clients:  # a forked process shares no connection with its parent
                self._clients = {os.getpid(): self._make_client()}
            return self._clients[os.getpid()]

    def _make_client(self) -> "S3Client":
        style = {"addressing_style": "path"} if self._endpoint_url else {}
        session = boto3.session.Session(region_name=self._region)
        return session.client("s3", endpoint_url=self._endpoint_url, config=Config(s3=cast(Any, style), **SETTINGS))

    def _create(self, key: str, stream: IO[bytes], size: int, sha256: str) -> None:
        """Create an object or find the same one there: the answer to an earlier put may have been lost."""
        try:
            write = self._create_in_pieces if size >= LARGE else self._create_at_once
            write(self._prefix + key, stream, sha256)
        except ClientError as error:
            if code_of(error) not in (*TAKEN, "NoSuchUpload"):
                raise
            found = self._client.head_object(Bucket=self.bucket, Key=self._prefix + key)
            if found["ContentLength"] != size or found["Metadata"].get(DIGEST) != sha256:
                raise ObjectExists(
                    f"A different file is staged as {key} already; staged files are never overwritten.",
                    advice="Retry the task: a new attempt writes under a name of its own.",
                ) from error

    def _create_at_once(self, name: str, stream: IO[bytes], sha256: str) -> None:
        self._client.put_object(
            Bucket=self.bucket,
            Key=name,
            Body=stream,
            IfNoneMatch="*",
            ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
            Metadata={DIGEST: sha256},
        )

    def _create_in_pieces(self, name: str, stream: IO[bytes], sha256: str) -> None:
        where: Any = {"Bucket": self.bucket, "Key": name}
        upload = self._client.create_multipart_upload(**where, ChecksumAlgorithm="SHA256", Metadata={DIGEST: sha256})[
            "UploadId"
        ]
        try:
            pieces = list(self._upload_pieces(where, upload, stream))
            self._client.complete_multipart_upload(
                **where, UploadId=upload, MultipartUpload=cast(Any, {"Parts": pieces}), IfNoneMatch="*"
            )
        except BaseException:  # pieces of an upload that nobody completes are paid for until it is aborted
            self._client.abort_multipart_upload(**where, UploadId=upload)
            raise

    def _upload_pieces(self, where: Any, upload: str, stream: IO[bytes]) -> Iterator[dict[str, Any]]:
        number = 0
        while piece := stream.read(PIECE):
            number += 1
            answer = self._client.upload_part(
                **where, UploadId=upload, PartNumber=number, Body=piece, ChecksumAlgorithm="SHA256"
            )
            yield {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]}

    def _at(self, doing: str, key: str) -> str:
        return f"{doing} {key} in bucket {self.bucket}"
