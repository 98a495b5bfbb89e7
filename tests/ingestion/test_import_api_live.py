"""Uploads through both servers that Headgate runs behind: bodies in chunks, large bodies, clients that die midway."""

import os
import socket
import sys
import time
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from django.db import connection

from ingestion.models import BatchFile
from tests.ingestion.import_kit import IMPORT, bytes_of, dataset, file_path, kept, sender
from tests.services.process import Server, free_port

pytestmark = pytest.mark.django_db(transaction=True)
MB = 1 << 20
COMMANDS = {
    "gunicorn": ["-m", "gunicorn", "config.wsgi", "--workers=1", "--threads=4", "--bind=127.0.0.1:{port}"],
    "waitress": ["-m", "waitress", "--threads=4", "--listen=127.0.0.1:{port}", "config.wsgi:application"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(request, django_db_setup, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("live"), free_port()
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{database['NAME']}"
    else:
        who = f"{database['USER']}:{database['PASSWORD']}".rstrip(":")
        url = f"postgresql://{who}@{database['HOST'].replace('/', '%2F')}:{database['PORT']}/{database['NAME']}"
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "STAGING_URL": f"file://{folder}/staging",
        "HEADGATE_UPLOAD_FILE_BYTES": str(16 * MB),
        "HEADGATE_SCRATCH": str(folder / "scratch"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    address = f"http://127.0.0.1:{port}"
    started = Server(
        name=request.param,
        command=[sys.executable, *(part.format(port=port) for part in COMMANDS[request.param])],
        log=folder / "log",
        ready=lambda: httpx.get(f"{address}{IMPORT}/batches"),
        options={"env": environment},
    )
    started.start()
    started.address, started.folder = address, folder
    yield started
    started.stop()


@pytest.fixture
def send():
    return sender()


@pytest.fixture
def batch(send, server, settings):
    settings.STAGING_URL = f"file://{server.folder}/staging"
    return send.create(dataset())


@pytest.fixture
def program(send, server):
    with httpx.Client(base_url=server.address, headers=send.headers, timeout=60) as client:
        yield client


def pieces(size, *, of=65_536):
    """A body that httpx sends in chunks, since its length is not known to it."""
    while size > 0:
        yield bytes(min(of, size))
        size -= of


def memory(server):
    """Bytes held by the server and its workers."""
    process = psutil.Process(server.pid)
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])


def test_a_body_in_chunks_is_taken(program, batch):
    def lines():
        for number in range(30_000):
            yield b'{"id": %d}\n' % number

    answer = program.put(IMPORT + file_path(batch), content=lines())

    assert (answer.status_code, answer.json()["name"]) == (200, "a.json")
    data = bytes_of(BatchFile.objects.get())
    assert (data.count(b"\n"), len(data)) == (30_000, answer.json()["sizeInBytes"])


def test_a_json_body_in_chunks_is_taken(program, batch):
    body = f'{{"datasetId": "{batch["relatedObjects"][0]["id"]}"}}'.encode()

    answer = program.post(f"{IMPORT}/batches", content=iter([body[:10], body[10:]]))

    assert answer.status_code == 201


def test_an_empty_body_in_chunks_is_an_empty_file(program, batch):
    answer = program.put(IMPORT + file_path(batch), content=iter([]))

    assert (answer.status_code, answer.json()["sizeInBytes"]) == (200, 0)


def test_a_body_in_chunks_that_grows_too_large_is_refused(program, batch):
    answer = program.put(IMPORT + file_path(batch), content=pieces(17 * MB, of=MB))

    assert (answer.status_code, answer.json()["title"]) == (413, "RequestEntityTooLargeError")
    assert not BatchFile.objects.exists()


def test_large_chunks_do_not_fill_the_memory(program, batch, server):
    program.put(IMPORT + file_path(batch, "warm.json"), content=bytes(MB))
    program.post(IMPORT + file_path(batch, "big.json"), params={"action": "INITIALIZE"})
    before = memory(server)

    for first in (100 * MB, 0):
        named = {"Content-Range": f"bytes {first}-{first + 100 * MB - 1}/{200 * MB}"}
        sent = program.patch(IMPORT + file_path(batch, "big.json"), content=pieces(100 * MB, of=MB), headers=named)
        assert sent.status_code == 200, sent.text
    done = program.post(IMPORT + file_path(batch, "big.json"), params={"action": "COMPLETE"})

    assert (done.status_code, done.json()["sizeInBytes"]) == (200, 200 * MB)
    assert memory(server) - before < 40 * MB


def test_a_client_that_dies_midway_leaves_nothing(send, batch, server):
    address = urlsplit(server.address)
    lines = [f"PUT {IMPORT}{file_path(batch)} HTTP/1.1", f"Host: {address.netloc}", "Content-Length: 300000"]
    lines += [f"{name}: {value}" for name, value in send.headers.items()]
    with socket.create_connection((address.hostname, address.port)) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode() + bytes(150_000))
    with socket.create_connection((address.hostname, address.port)) as line:
        chunked = [*lines[:2], "Transfer-Encoding: chunked", *lines[3:], "", ""]
        line.sendall("\r\n".join(chunked).encode() + b"a\r\n0123456789\r\n")
    time.sleep(0.5)

    assert not BatchFile.objects.exists()
    assert kept(batch).files_left == 0
    assert [path for path in server.folder.rglob("*") if path.is_file() and "uploads" in path.parts] == []


def test_a_name_with_an_encoded_slash_keeps_its_folder(program, batch):
    answer = program.put(IMPORT + file_path(batch, "part%3D1%2Fa.json"), content=b"{}")

    assert answer.json()["name"] == "part=1/a.json"
