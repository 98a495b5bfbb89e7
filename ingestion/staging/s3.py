"""An S3 bucket as the staging store. Objects are created by conditional writes, so that none is ever overwritten."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar, cast

from botocore.exceptions import ClientError

from ingestion.staging.base import ObjectMissing, StagingError, StagingUnavailable, StoredObject
from ingestion.staging.keys import checked_key, checked_prefix
from ingestion.staging.s3_client import Clients
from ingestion.staging.s3_errors import UNKNOWN_HERE, code_of, explained
from ingestion.staging.s3_stream import ObjectStream
from ingestion.staging.s3_write import Creator

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

BLOCK: Final = 1 << 20
AT_ONCE: Final = 1000  # of one request to delete, by S3's limit
LONGEST_LINK: Final = 7 * 24 * 3600  # of a signature, by S3's limit
Answer = TypeVar("Answer")


class S3Store:
    """See `base.StagingStore`."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        *,
        endpoint_url: str | None,
        region: str | None,
        public_endpoint_url: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._has_public_address = bool(public_endpoint_url or not endpoint_url)
        self._public_endpoint_url = public_endpoint_url
        self._clients = Clients(endpoint_url=endpoint_url, region=region, timeout=timeout)
        self._creator = Creator(self._clients, bucket)

    def put(self, key: str, source: Path, *, sha256: str) -> None:
        size = source.stat().st_size
        with source.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                raise ObjectMissing(
                    f"The file to be staged as {key} is not what it was when it was made: its checksum differs.",
                    advice="Retry the task: the file is made again. If it happens again, check this machine's disk.",
                )
            self._create(key, stream, size, sha256)

    def take(self, key: str, source: Path, *, sha256: str) -> None:
        self.put(key, source, sha256=sha256)

    def put_bytes(self, key: str, data: bytes) -> None:
        self._create(key, io.BytesIO(data), len(data), hashlib.sha256(data).hexdigest())

    def open(self, key: str) -> IO[bytes]:
        name = self._prefix + checked_key(key)

        def get(more: Mapping[str, str]) -> Any:
            asked: Any = {"Bucket": self.bucket, "Key": name, **more}
            return self._ask("reading", key, lambda client: client.get_object(**asked))

        return io.BufferedReader(ObjectStream(get, key=key), BLOCK)

    def fetch(self, key: str, target: Path) -> Path:
        try:
            self._copy(key, target)
        except StagingUnavailable:  # after all its tries, or spoiled on the way here: once more from the beginning
            self._copy(key, target)
        return target

    def list(self, prefix: str) -> Iterator[StoredObject]:
        whole = self._prefix + checked_prefix(prefix)
        asked: Any = {"Bucket": self.bucket, "Prefix": whole}
        while True:
            page = self._ask("listing", prefix, lambda client: client.list_objects_v2(**asked))
            for item in page.get("Contents", ()):
                key = item["Key"].removeprefix(self._prefix)
                yield StoredObject(key=key, size=item["Size"], written_at=item["LastModified"])
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        name = self._prefix + checked_key(key)
        self._ask("deleting", key, lambda client: client.delete_object(Bucket=self.bucket, Key=name))

    def delete_many(self, keys: Sequence[str]) -> None:
        names = iter([self._prefix + checked_key(key) for key in keys])
        while some := list(islice(names, AT_ONCE)):
            self._delete_some(some)

    def drop_unfinished(self, *, before: datetime, dry_run: bool = False) -> int:
        with explained(f"listing unfinished uploads in bucket {self.bucket}"):
            pages = self._clients.current().get_paginator("list_multipart_uploads")
            found = [
                upload
                for page in pages.paginate(Bucket=self.bucket, Prefix=self._prefix)
                for upload in page.get("Uploads", ())
                if upload["Initiated"] < before
            ]
        for upload in found if not dry_run else ():
            self._drop(upload["Key"], upload["UploadId"])
        return len(found)

    def presigned(self, key: str, *, seconds: int, filename: str) -> str | None:
        """None where the store has only an address inside the installation."""
        name = self._prefix + checked_key(key)
        if not self._has_public_address:
            return None
        with explained(self._at("signing", key)):
            client = self._clients.make(self._public_endpoint_url)
            disposition = f'attachment; filename="{_plain(filename)}"'
            asked = {"Bucket": self.bucket, "Key": name, "ResponseContentDisposition": disposition}
            return client.generate_presigned_url("get_object", Params=asked, ExpiresIn=min(seconds, LONGEST_LINK))

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{self._prefix}{checked_key(key)}"

    def _ask(self, doing: str, key: str, request: "Callable[[S3Client], Answer]") -> Answer:
        with explained(self._at(doing, key)):
            return self._clients.ask(request)

    def _create(self, key: str, stream: IO[bytes], size: int, sha256: str) -> None:
        with explained(self._at("writing", key)):
            self._creator.create(self._prefix + checked_key(key), stream, size, sha256)

    def _copy(self, key: str, target: Path) -> None:
        with self.open(key) as source, target.open("wb") as copy:
            while block := source.read(BLOCK):
                copy.write(block)

    def _delete_some(self, names: Sequence[str]) -> None:
        what = f"deleting {len(names):,} objects in bucket {self.bucket}"
        asked: Any = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        with explained(what):
            try:
                answer = self._clients.ask(lambda client: client.delete_objects(Bucket=self.bucket, Delete=asked))
            except ClientError as error:
                if code_of(error) not in UNKNOWN_HERE:
                    raise
                for name in names:
                    self._clients.ask(lambda client, name=name: client.delete_object(Bucket=self.bucket, Key=name))  # type: ignore[misc]
                return
        if errors := answer.get("Errors"):
            raise _left_over(what, errors)

    def _drop(self, name: str, upload: str) -> None:
        asked: Any = {"Bucket": self.bucket, "Key": name, "UploadId": upload}
        with explained(f"aborting an unfinished upload in bucket {self.bucket}"):
            try:
                self._clients.ask(lambda client: client.abort_multipart_upload(**asked))
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":  # ended meanwhile
                    raise

    def _at(self, doing: str, key: str) -> str:
        return f"{doing} {key} in bucket {self.bucket}"


def _plain(filename: str) -> str:
    """A name that can stand between quotes in a header."""
    return "".join(c if c.isascii() and c.isprintable() and c not in '"\\/%' else "_" for c in filename)[-150:]


def _left_over(what: str, errors: Sequence[Any]) -> Exception:
    code = str(errors[0].get("Code", ""))
    kind = StagingUnavailable if code in ("SlowDown", "InternalError", "ServiceUnavailable") else StagingError
    return cast(Any, kind)(  # type: ignore[no-any-return]
        f"The staging store left {len(errors):,} objects where they were, while {what}: {code}.",
        advice="Check this program's right to delete in the bucket of STAGING_URL; housekeeping tries again.",
    )
