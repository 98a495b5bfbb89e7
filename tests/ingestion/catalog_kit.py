"""Rows as the catalogue finds them, written past the verbs; and a program that asks for them with its headers."""

import hashlib
from dataclasses import dataclass
from itertools import count

from django.test import Client

from ingestion.models import Batch, BatchFile, Dataset, Diagnostic, Load, Origin, Piece
from ingestion.rooms import store
from tests.ingestion.access_kit import headers, organisation, program, token_of

CATALOG, EXPORT = "/data/foundation/catalog", "/data/foundation/export"
_numbers = count(1)


@dataclass
class Asker:
    """A program's calls of the catalogue and the export service."""

    http: Client
    headers: dict

    def get(self, path, at=CATALOG, /, *, ranged="", **query):
        more = {"range": ranged} if ranged else {}
        return self.http.get(at + path, query, headers={**self.headers, **more})

    def head(self, path, /, **query):
        return self.http.head(EXPORT + path, query, headers=self.headers)

    def export(self, path, /, **query):
        return self.get(path, EXPORT, **query)

    def send(self, verb, path, body=None, *, content_type="application/json", **more):
        call = getattr(self.http, verb)
        if body is None:
            return call(CATALOG + path, headers={**self.headers, **more})
        return call(CATALOG + path, body, content_type=content_type, headers={**self.headers, **more})

    def ids(self, path="/batches", /, **query):
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        return list(answer.json())

    def one(self, path, /, **query):
        """The one object of a map."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        (found,) = answer.json().values()
        return found

    def refused(self, path, code=400, /, *, at=CATALOG, **query):
        """The sentence of a refusal."""
        answer = self.get(path, at, **query)
        assert answer.status_code == code, (answer.status_code, answer.content)
        assert answer.json()["status"] == code
        return answer.json()["detail"]


def asker(owner="default", *, name="Reader", sandbox=None):
    http = Client(raise_request_exception=True)
    given = program(name, of=organisation(owner, *([sandbox] if sandbox else [])))
    changes = {"x_sandbox_name": sandbox} if sandbox else {}
    return Asker(http, headers(given, token_of(http, given), **changes))


def dataset(**fields):
    usual = {"namespace": "lake", "name": f"t{next(_numbers)}", "title": "Surveys", "origin": Origin.CLIENTS}
    return Dataset.objects.create(**{**usual, **fields})


def batch(of=None, *, status="success", **fields):
    """A client's batch; one that has ended read ten records and turned one down."""
    of = of or dataset()
    usual = {
        "dataset": of,
        "owner": f"batch/{next(_numbers)}",
        "self_promoting": True,
        "organisation": of.organisation,
        "sandbox": of.sandbox,
        "created_client": "nightly",
        "created_user": "nightly@techacct",
        "input_format": {"format": "json", "isMultiLineJson": False},
    }
    if status == "success":
        usual |= {"extracted_count": 10, "rejected_count": 1, "staged_count": 9, "loaded_count": 9}
        usual["load"] = None if "load" in fields else Load.objects.create()
    times = {name: fields.pop(name) for name in ("created_at", "updated_at") if name in fields}
    made = Batch.objects.create(status=status, **{**usual, **fields})
    if times:
        Batch.objects.filter(pk=made.pk).update(**times)
        made.refresh_from_db()
    return made


def file(of, path="a.json", *pieces, ordinal=None, **fields):
    """A file of a batch whose bytes are in the store, in these pieces."""
    pieces = pieces or (b'{"id": 1}\n',)
    whole = b"".join(pieces)
    ordinal = of.files.count() if ordinal is None else ordinal
    made = BatchFile.objects.create(batch=of, path=path, ordinal=ordinal, is_complete=True, size=len(whole), **fields)
    first = 0
    for piece in pieces:
        key = f"test/{of.pk}/{ordinal}/{next(_numbers)}"
        store().put_bytes(key, piece)
        digest = hashlib.sha256(piece).hexdigest()
        Piece.objects.create(file=made, first=first, last=first + len(piece) - 1, key=key, sha256=digest)
        first += len(piece)
    return made


def diagnostic(of, kind, data=b'{"_errors": []}\n', **fields):
    key = f"test/{of.batch_id}/{kind}-{next(_numbers)}.json"
    store().put_bytes(key, data)
    return Diagnostic.objects.create(batch=of.batch, file=of, kind=kind, key=key, rows=1, size=len(data), **fields)


def body_of(answer):
    return b"".join(answer.streaming_content)
