"""What S3 and the way to it answer, in our words: may the same be tried again, and what to do. Never a credential."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from ingestion.errors import DiskFull, IngestionError
from ingestion.staging.base import ObjectMissing, StagingError, StagingUnavailable

MISSING: Final = ("NoSuchKey", "404", "NotFound")
CHANGED: Final = ("412", "PreconditionFailed", "416", "InvalidRange")
FULL: Final = ("QuotaExceeded", "XMinioStorageFull", "InsufficientStorage")
EXPIRED: Final = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "TokenRefreshRequired",
    "InvalidAccessKeyId",
)
UNKNOWN_HERE: Final = ("NotImplemented", "501", "UnsupportedArgument")  # the store does not know such a request
CREDENTIALS: Final = "Check the credentials of this program (AWS_ACCESS_KEY_ID and so on, or its role)."
REFUSED: Final = {
    "NoSuchBucket": "Make the bucket, or name another one in STAGING_URL.",
    "AccessDenied": "Give this program the rights to list, read, write and delete in the bucket of STAGING_URL.",
    "AllAccessDisabled": "Ask whoever owns the storage account.",
    "InvalidAccessKeyId": CREDENTIALS,
    "SignatureDoesNotMatch": CREDENTIALS,
    "ExpiredToken": "The credentials of this program have expired: give it new ones, or a role that renews them.",
    "SignatureExpired": "Set the clock of this machine: it differs from the store's.",
    "RequestTimeTooSkewed": "Set the clock of this machine: it differs from the store's by more than 15 minutes.",
    "403": "Give this program the rights to list, read, write and delete in the bucket of STAGING_URL.",
    "PermanentRedirect": "Name the bucket's own region in STAGING_URL (?region=…).",
    "301": "Name the bucket's own region in STAGING_URL (?region=…).",
    "AuthorizationHeaderMalformed": "Name the bucket's own region in STAGING_URL (?region=…).",
    "InvalidBucketName": "Correct the bucket's name in STAGING_URL.",
}
AGAIN: Final = "Nothing needs to be done: it is tried again."


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raise errors of the S3 client as ours. `what` says what was tried and where: "writing x to bucket b"."""
    try:
        yield
    except ClientError as error:
        raise _answered(error, what) from error
    except (NoCredentialsError, PartialCredentialsError, NoRegionError) as error:
        raise StagingError(f"The staging store needs credentials for {what}: {error}.", advice=CREDENTIALS) from error
    except HTTPClientError as error:  # no connection, no answer in time, a connection that broke
        raise _unreachable(error, what) from error
    except BotoCoreError as error:
        raise _unreachable(error, what) from error


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _answered(error: ClientError, what: str) -> IngestionError:
    code = code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in MISSING:
        return ObjectMissing(
            f"A staged file is not there, while {what}.",
            advice="It may have been removed by hand or by its retention. Start the run again with all extracted.",
        )
    if code in CHANGED:
        return ObjectMissing(
            f"A staged file was changed after it was written, while {what}.",
            advice="Start the run again with everything extracted; tell whoever owns the bucket.",
        )
    if code in FULL or status == 507:
        return DiskFull(f"The staging store is full, while {what}.", advice="Make room in the bucket.", detail=code)
    if code in REFUSED:
        return StagingError(f"The staging store refused {what}: {code}.", advice=REFUSED[code])
    if status >= 500 or status == 429 or code in ("RequestTimeout", "ConditionalRequestConflict", "NoSuchUpload"):
        return StagingUnavailable(f"The staging store was busy or broken, while {what}: {code}.", advice=AGAIN)
    return StagingError(
        f"The staging store refused {what}: {code}.",
        advice="Check the bucket's settings and this program's rights in it.",
        detail=str(error),
    )


def _unreachable(error: Exception, what: str) -> StagingUnavailable:
    return StagingUnavailable(
        f"The staging store did not answer, while {what}.",
        advice="Check that the endpoint in STAGING_URL is right and reachable. It is tried again.",
        detail=str(error),
    )
