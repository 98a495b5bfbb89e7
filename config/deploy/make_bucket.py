"""Makes the bucket of STAGING_URL where there is none: for an S3 server of one's own. Needs no database."""

import os
import sys
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import boto3
from botocore.exceptions import ClientError


def main() -> int:
    parts = urlsplit(os.environ["STAGING_URL"])
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "s3":
        return 0
    region = options.get("region") or "us-east-1"
    client = boto3.client("s3", endpoint_url=options.get("endpoint_url"), region_name=region)
    place: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.create_bucket(Bucket=parts.netloc, **place)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    sys.stdout.write(f"The bucket {parts.netloc} is there.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
