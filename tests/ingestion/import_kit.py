"""A program that sends batches over the Import API, and the datasets that it sends them to."""

from dataclasses import dataclass
from itertools import count

from django.test import Client

from ingestion.access.caller import Caller
from ingestion.models import Batch, BatchFile, Dataset, Origin
from ingestion.rooms import store
from tests.ingestion.access_kit import headers, organisation, program, token_of

IMPORT = "/data/foundation/import"
LINES = b'{"id": 1}\n{"id": 2}\n'
_numbers = count(1)


@dataclass
class Sender:
    """A client's calls, with its headers. Answers are responses of Django's test client."""

    http: Client
    headers: dict

    def call(self, method, path, data=b"", *, content_type="application/octet-stream", **more):
        extra = {name.replace("_", "-"): value for name, value in more.pop("headers", {}).items()}
        return self.http.generic(
            method, IMPORT + path, data, content_type=content_type, headers={**self.headers, **extra}, **more
        )

    def post(self, body, *, path="/batches", **more):
        return self.http.post(
            IMPORT + path,
            body,
            content_type="application/json",
            headers={**self.headers, **more},
        )

    def create(self, dataset, **body):
        answer = self.post({"datasetId": dataset.public_id, "inputFormat": {"format": "json"}, **body})
        assert answer.status_code == 201, answer.content
        return answer.json()

    def put(self, batch, name="a.json", data=LINES, **more):
        return self.call("PUT", file_path(batch, name), data, **more)

    def begin(self, batch, name="big.json"):
        return self.call("POST", file_path(batch, name) + "?action=INITIALIZE")

    def chunk(self, batch, first, last, *, total="", data=None, name="big.json", **more):
        data = bytes(last - first + 1) if data is None else data
        named = {"Content-Range": f"bytes {first}-{last}{total}", **more}
        return self.call("PATCH", file_path(batch, name), data, headers=named)

    def finish(self, batch, name="big.json"):
        return self.call("POST", file_path(batch, name) + "?action=COMPLETE")

    def head(self, batch, name="big.json"):
        return self.call("HEAD", file_path(batch, name))

    def act(self, batch, action):
        return self.call("POST", f"/batches/{batch['id']}?action={action}")


def file_path(batch, name="a.json", *, word="datasets"):
    return f"/batches/{batch['id']}/{word}/{dataset_of(batch)}/files/{name}"


def dataset_of(batch):
    return batch["relatedObjects"][0]["id"]


def sender(owner="default", *, name="Nightly", sandbox=None, **more):
    http = Client(**more)
    given = program(name, of=organisation(owner, *([sandbox] if sandbox else [])))
    changes = {"x_sandbox_name": sandbox} if sandbox else {}
    return Sender(http, headers(given, token_of(http, given), **changes))


def dataset(**fields):
    usual = {"namespace": "lake", "name": f"surveys_{next(_numbers)}", "title": "Surveys", "origin": Origin.CLIENTS}
    return Dataset.objects.create(**{**usual, **fields})


def kept(batch):
    """The row of a batch as clients know it."""
    return Batch.objects.get(public_id=batch["id"])


def caller(*, user="nightly@techacct", sandbox="prod"):
    return Caller(organisation="default", sandbox=sandbox, client_id="nightly", user=user)


def bytes_of(file: BatchFile):
    """What the store holds of a file, its pieces one after the other."""
    found = []
    for piece in file.pieces.all():
        with store().open(piece.key) as stream:
            found.append(stream.read())
    return b"".join(found)


def refused(answer, status, *words, code=None):
    """That an answer is a problem of this status which says these words."""
    body = answer.json()
    assert answer.status_code == status, body
    assert {"type", "status", "title", "detail"} <= body.keys()
    assert body["status"] == status
    assert body.get("code") == code
    for word in words:
        assert word in body["detail"]
    return body


def statements(captured):
    """The statements that were sent, without the borders of transactions."""
    borders = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    return [query["sql"] for query in captured if not query["sql"].startswith(borders)]
