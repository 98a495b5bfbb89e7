"""Creating an object in a bucket once: conditionally, with its checksum, large ones in pieces."""

import base64
import hashlib
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any, Final, cast

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.staging.base import ObjectExists
from ingestion.staging.s3_client import Clients
from ingestion.staging.s3_errors import UNKNOWN_HERE, code_of

log = logging.getLogger(__name__)
LARGE: Final = 64 << 20  # from here on in pieces
PIECE: Final = 16 << 20
DIGEST: Final = "sha256"  # our metadata, which a later put is compared with
TAKEN: Final = ("PreconditionFailed", "412")
ENDED: Final = "NoSuchUpload"  # its pieces became the object, and the answer was lost


class Creator:
    """Creates objects in one bucket. A store that does not know conditional writes is asked before each write instead:
    keys are of our own making, so two writers of one key bring the same bytes."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients = clients
        self._bucket = bucket
        self._condition: dict[str, str] = {"IfNoneMatch": "*"}

    def create(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        """Create an object or find the same one there: the answer to an earlier put may have been lost."""
        try:
            self._create(name, stream, size, sha256)
        except ClientError as error:
            code = code_of(error)
            if code in (*TAKEN, ENDED):
                return self._compare(name, size, sha256, error)
            if code not in UNKNOWN_HERE or not self._condition:
                raise
            self._condition = {}
            self._create(name, stream, size, sha256)
        return None

    def _create(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        if not self._condition and self._is_there(name):
            return self._compare(name, size, sha256, None)
        if size >= LARGE:
            return self._in_pieces(name, stream, size, sha256)
        return self._at_once(name, stream, sha256)

    def _compare(self, name: str, size: int, sha256: str, cause: Exception | None) -> None:
        found = self._clients.ask(lambda client: client.head_object(Bucket=self._bucket, Key=name))
        if found["ContentLength"] != size or found["Metadata"].get(DIGEST) != sha256:
            raise ObjectExists(
                f"A different file is staged as {name} already; staged files are never overwritten.",
                advice="Retry the task: a new attempt writes under a name of its own.",
            ) from cause

    def _is_there(self, name: str) -> bool:
        try:
            self._clients.ask(lambda client: client.head_object(Bucket=self._bucket, Key=name))
        except ClientError as error:
            if code_of(error) in ("404", "NoSuchKey", "NotFound"):
                return False
            raise
        return True

    def _at_once(self, name: str, stream: IO[bytes], sha256: str) -> None:
        def put(client: Any) -> None:
            stream.seek(0)
            client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=stream,
                ChecksumSHA256=_base64(bytes.fromhex(sha256)),
                Metadata={DIGEST: sha256},
                **self._condition,
            )

        self._clients.ask(put)

    def _in_pieces(self, name: str, stream: IO[bytes], size: int, sha256: str) -> None:
        where: Any = {"Bucket": self._bucket, "Key": name}
        begun: Any = {**where, "ChecksumAlgorithm": "SHA256", "Metadata": {DIGEST: sha256}}
        upload = self._clients.ask(lambda client: client.create_multipart_upload(**begun))["UploadId"]
        where["UploadId"] = upload
        try:
            stream.seek(0)
            pieces = {"Parts": list(self._upload(where, stream, size))}
            self._clients.ask(
                lambda client: client.complete_multipart_upload(
                    **where, MultipartUpload=cast(Any, pieces), **cast(Any, self._condition)
                )
            )
        except BaseException:  # pieces of an upload that nobody completes are paid for until it is aborted
            self._abort(where)
            raise

    def _upload(self, where: Any, stream: IO[bytes], size: int) -> Iterator[dict[str, Any]]:
        number, piece_size = 0, max(PIECE, -(-size // 10_000))  # S3 takes 10,000 pieces
        while piece := stream.read(piece_size):
            number += 1
            sent: Any = {"PartNumber": number, "ChecksumSHA256": _base64(hashlib.sha256(piece).digest())}
            body: Any = {**where, **sent, "Body": piece}
            answer = self._clients.ask(lambda client, body=body: client.upload_part(**body))  # type: ignore[misc]
            yield {**sent, "ETag": answer["ETag"]}

    def _abort(self, where: Any) -> None:
        """What cannot be aborted now the janitor aborts later."""
        with suppress(ClientError, BotoCoreError):
            self._clients.ask(lambda client: client.abort_multipart_upload(**where))
            return
        log.warning("an unfinished upload of %s could not be aborted; housekeeping will do it", where["Key"])


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
