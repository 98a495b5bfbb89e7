"""The bytes of one S3 object as a stream that survives broken connections, and never ends early without saying so."""

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final

from botocore.exceptions import BotoCoreError
from urllib3.exceptions import HTTPError

from ingestion.errors import IngestionError
from ingestion.staging.base import ObjectMissing, StagingUnavailable
from ingestion.staging.s3_write import DIGEST

RESUMES: Final = 5
LOOKS: Final = 3  # at an object that came with other bytes, before it is taken for changed
BLOCK: Final = 1 << 20
AGAIN: Final = "Nothing needs to be done: it is tried again."

BROKEN: Final = (BotoCoreError, HTTPError, OSError)


class ObjectStream(io.RawIOBase):
    """Reads an object; after a broken read it goes on where it was, as long as the object is the same. Read to its end
    it must have the checksum that it was written with.

    `get` asks for the object with extra request parameters, and raises our errors.
    """

    def __init__(self, get: Callable[[Mapping[str, str]], Any], *, key: str) -> None:
        self._get = get
        self._key = key
        answer = get({})
        self._body, self._etag, self._size = answer["Body"], answer["ETag"], int(answer["ContentLength"])
        self._sha256 = str(answer.get("Metadata", {}).get(DIGEST, ""))
        self._digest = hashlib.sha256()
        self._position = 0
        self._resumes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _read(self, size: int) -> bytes:
        while self._position < self._size:
            try:
                data: bytes = self._body.read(min(size, self._size - self._position))
                if data:
                    return self._counted(data)
                cause: Exception | None = None
            except BROKEN as error:
                cause = error
            self._resume(cause)
        return b""

    def _counted(self, data: bytes) -> bytes:
        self._position += len(data)
        self._digest.update(data)
        if self._position == self._size and self._sha256 and self._digest.hexdigest() != self._sha256:
            raise self._spoiled()
        return data

    def _spoiled(self) -> IngestionError:
        """Whether the object was changed, or only came here changed, is told by reading it again."""
        self._body.close()
        for _ in range(LOOKS):
            try:
                found = self._digest_now()
            except BROKEN as error:
                return StagingUnavailable(f"The staging store broke off {self._key}.", advice=AGAIN, detail=str(error))
            if found == self._sha256:
                return StagingUnavailable(f"The staged file {self._key} came here with other bytes.", advice=AGAIN)
        return ObjectMissing(
            f"The staged file {self._key} is not what was written: its checksum differs.",
            advice="Start the run again with everything extracted; tell whoever owns the bucket.",
        )

    def _digest_now(self) -> str:
        digest, body = hashlib.sha256(), self._get({})["Body"]
        with closing(body):
            while block := body.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()

    def _resume(self, cause: Exception | None) -> None:
        self._body.close()
        self._resumes += 1
        if self._resumes > RESUMES:
            raise StagingUnavailable(
                f"The staging store broke off {self._key} after {self._position:,} of {self._size:,} bytes, "
                f"{RESUMES} times.",
                advice="Nothing needs to be done: it is tried again.",
                detail=str(cause or "the answer ended early"),
            ) from cause
        answer = self._get({"Range": f"bytes={self._position}-", "IfMatch": self._etag})
        self._body = answer["Body"]
        if not str(answer.get("ContentRange", "")).startswith(f"bytes {self._position}-"):
            raise StagingUnavailable(
                f"The staging store broke off {self._key}, and does not answer from where it broke off.",
                advice="Nothing needs to be done: it is tried again from the beginning.",
            )
