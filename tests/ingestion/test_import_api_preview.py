"""The first rows of what was uploaded so far; and how the Import API describes itself."""

from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from ingestion import rooms
from ingestion.checking.base import FileProblem, Preview
from ingestion.uploads import previewing
from tests.ingestion.import_kit import dataset, dataset_of, refused, sender

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def staging(settings, tmp_path):
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def checkers():
    yield
    rooms.checkers().close()
    rooms.checkers.cache_clear()


@pytest.fixture
def send():
    return sender()


@pytest.fixture
def batch(send):
    return send.create(dataset())


def preview(send, batch, query=""):
    return send.call("GET", f"/batches/{batch['id']}/datasets/{dataset_of(batch)}/preview{query}")


def asked_of_the_checkers(monkeypatch, answer=None):
    """What the child process is asked, which is answered for it; with the bytes of its file."""
    found = []

    class Recorder:
        def preview(self, request, rows):
            found.append((request, rows, b"".join(Path(piece).read_bytes() for piece in request.pieces)))
            return answer or Preview(columns=("id",), rows=(("1",),))

    monkeypatch.setattr(previewing, "checkers", Recorder)
    return found


def test_a_preview_without_any_parameter_shows_the_first_rows(send, batch, staging):
    send.put(batch, data=b"".join(b'{"id": %d, "name": {"first": "Ada"}}\n' % number for number in range(9)))

    answer = preview(send, batch)

    shown = answer.json()
    assert answer.status_code == 200
    assert shown["formatParams"]["format"] == "json"
    (identity,) = (column["cid"] for column in shown["preview"]["columns"] if column["name"] == "id")
    assert [row[identity] for row in shown["preview"]["rows"]] == ["0", "1", "2", "3", "4"]
    assert list((staging / "scratch").glob("preview-*")) == []


def test_a_file_that_cannot_be_read_so_says_why(send, batch):
    send.put(batch, data=b"PK\x03\x04 this is a zip archive")

    refused(preview(send, batch), 400, "a.json", code=preview(send, batch).json()["code"])


def test_a_file_that_is_kept_no_more_is_not_said_to_be_empty(send, batch):
    send.put(batch)
    send.act(batch, "ABORT")

    refused(preview(send, batch), 404, "kept no more", "a.json")


def test_before_any_file_there_is_nothing_to_show(send, batch):
    send.put(batch, "empty.json", b"")
    send.begin(batch)

    assert preview(send, batch).json()["preview"] == {"columns": [], "rows": []}


def test_a_preview_is_asked_for_in_the_words_of_clients(send, batch, monkeypatch):
    asked = asked_of_the_checkers(monkeypatch)
    send.put(batch, "a.csv", b"id\n1\n")

    answer = preview(send, batch, "?format=CSV&delimiter=%3B&quote=%27&charset=iso-8859-1&header=True&nrow=7")

    ((request, rows, _),) = asked
    assert answer.json() == {
        "formatParams": {
            "delimiter": ";", "quote": "'", "escape": '"', "charset": "ISO-8859-1", "header": "true", "format": "csv",
            "isMultiLineJson": False,
        },
        "preview": {"columns": [{"cid": "c0", "name": "id"}], "rows": [{"c0": "1"}]},
    }  # fmt: skip
    assert (request.format, request.csv.delimiter, request.csv.charset, rows) == ("csv", ";", "ISO-8859-1", 7)
    assert request.csv.header is True


def test_a_preview_is_as_the_batch_was_created_where_nothing_is_said(send, monkeypatch):
    asked = asked_of_the_checkers(monkeypatch)
    batch = send.create(dataset(), inputFormat={"format": "csv", "delimiter": "|", "header": "false"})
    send.put(batch, "a.csv", b"1|2\n")

    preview(send, batch)

    ((request, rows, _),) = asked
    assert (request.csv.delimiter, request.csv.header, rows) == ("|", False, 5)


def test_of_a_large_file_in_lines_only_its_beginning_is_read(send, batch, monkeypatch):
    asked = asked_of_the_checkers(monkeypatch)
    line = b'{"id": 1, "text": "' + b"x" * 1000 + b'"}\n'
    send.begin(batch)
    size = 0
    for _ in range(3):
        data = line * 3000
        send.chunk(batch, size, size + len(data) - 1, data=data)
        size += len(data)
    send.finish(batch)

    preview(send, batch)

    ((_, _, data),) = asked
    assert len(data) <= previewing.ENOUGH + previewing.BLOCK
    assert data == line * (len(data) // len(line))


def test_a_child_that_was_killed_is_our_trouble_not_the_clients(send, batch, monkeypatch):
    problem = FileProblem(code="INGEST-1499-400", text="The reader was killed.", retry=True)
    asked_of_the_checkers(monkeypatch, Preview(columns=(), rows=(), problem=problem))
    send.put(batch)

    answer = preview(send, batch)

    refused(answer, 503, "The reader was killed.")
    assert answer["Retry-After"]


@pytest.mark.parametrize(
    "query",
    ["?format=avro", "?nrow=-1", "?nrow=five", "?nrow=" + "9" * 30, "?header=perhaps", "?delimiter=%00", "?charset=x",
     "?quote=ab", "?isMultiLineJson=1"],
)  # fmt: skip
def test_a_parameter_that_cannot_be_used_is_refused(send, batch, query):
    send.put(batch)

    refused(preview(send, batch, query), 400)


def test_a_preview_can_only_be_read(send, batch):
    refused(send.call("POST", f"/batches/{batch['id']}/datasets/{dataset_of(batch)}/preview"), 405)
    assert send.call("GET", f"/batches/{batch['id']}/dataSets/{dataset_of(batch)}/preview/").status_code == 200


def test_every_call_is_described_once_with_its_answers_and_its_headers():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    ours = {path: item for path, item in paths.items() if path.startswith("/data/foundation/import")}

    calls = {(verb, path.rpartition("{batch_id}")[2]) for path, item in ours.items() for verb in item}
    assert calls == {
        ("post", "/data/foundation/import/batches"),
        ("post", ""),
        ("put", "/datasets/{dataset_id}/files/{file_path}"),
        ("post", "/datasets/{dataset_id}/files/{file_path}"),
        ("patch", "/datasets/{dataset_id}/files/{file_path}"),
        ("get", "/datasets/{dataset_id}/preview"),
        *(("head", path.rpartition("{batch_id}")[2]) for path, item in ours.items() if "head" in item),
    }
    for item in ours.values():
        for verb, operation in item.items():
            assert operation["description"], verb
            assert "default" in operation["responses"]
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert {"x-api-key", "x-gw-ims-org-id", "x-sandbox-name"} <= names
