"""A real S3 interface over HTTP: moto's server in a thread of this process, on a loopback port."""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.services.process import ServiceMissing

REGION = "eu-west-1"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@dataclass
class RunningS3:
    """A running server. It checks no credentials, but its clients need some: see CREDENTIALS."""

    endpoint: str
    server: Any

    def stop(self) -> None:
        self.server.stop()

    def create_bucket(self, name: str) -> str:
        """A new bucket; answers the staging address of a prefix in it."""
        location: Any = {"LocationConstraint": REGION}
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration=location)
        return f"s3://{name}/staging?endpoint_url={self.endpoint}&region={REGION}"

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(s3={"addressing_style": "path"}),
        )


def start_s3() -> RunningS3:
    """Start a server in a thread of this process; other processes reach it by its endpoint while this one lives."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise ServiceMissing(
            "S3 for the tests was not found. Install it with: pip install 'moto[s3,server]' (part of the extra [test])."
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return RunningS3(f"http://{host}:{port}", server)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[RunningS3]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        running = start_s3()
        yield running
        running.stop()


@pytest.fixture(scope="session")
def s3_endpoint(s3_server: RunningS3) -> str:
    return s3_server.endpoint


@pytest.fixture
def s3_bucket(s3_server: RunningS3) -> str:
    """The name of a fresh bucket."""
    name = f"t-{uuid.uuid4().hex[:12]}"
    s3_server.create_bucket(name)
    return name


@pytest.fixture
def s3_url(s3_server: RunningS3, s3_bucket: str) -> str:
    """The staging address of a fresh bucket."""
    return f"s3://{s3_bucket}/staging?endpoint_url={s3_server.endpoint}&region={REGION}"
