"""What checking found, over the export service: failed rows, diagnostics, and previews of datasets."""

import json
from decimal import Decimal

import pytest

from ingestion import rooms
from tests.ingestion import catalog_kit as make
from tests.ingestion.warehouse_kit import Bare, Load, columns

pytestmark = pytest.mark.django_db
PARSING = b'{"_errors": [{"code": "1401", "message": "m"}], "_corrupt_record": "{x", "_filename": "a.json"}\n'
MISSING = b'{"_errors": [{"code": "INGEST-1555-400", "message": "m"}], "_filename": "a.json", "id": 1}\n'


@pytest.fixture
def program():
    return make.asker()


@pytest.fixture
def batch():
    """Two files, with bad rows in both."""
    made = make.batch()
    first, second = make.file(made, "a.json"), make.file(made, "folder/é.json")
    make.diagnostic(second, "parsing", PARSING * 2)
    make.diagnostic(first, "parsing", PARSING)
    make.diagnostic(first, "validation", MISSING)
    make.diagnostic(first, "sample", PARSING)
    make.diagnostic(second, "sample", MISSING)
    return made


def listed(program, batch, what, **query):
    answer = program.export(f"/batches/{batch.public_id}/{what}", **query)
    assert answer.status_code == 200, answer.content
    return {each["name"]: each for each in answer.json()["data"]}


def downloaded(program, href, **more):
    answer = program.http.get(href, headers={**program.headers, **more})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    return make.body_of(answer)


def test_the_meta_of_a_batch_names_what_there_is(program, batch):
    assert listed(program, batch, "meta").keys() == {"input_files", "row_errors", "row_errors_sample.json"}
    assert listed(program, make.file(make.batch()).batch, "meta").keys() == {"input_files"}


def test_input_files_name_what_was_uploaded(program, batch):
    (entry,) = listed(program, batch, "meta", path="input_files").values()

    lines = downloaded(program, entry["_links"]["self"]["href"]).decode().splitlines()

    assert [json.loads(line) for line in lines] == [{"path": "a.json"}, {"path": "folder/é.json"}]
    assert int(entry["length"]) == len("\n".join(lines).encode()) + 1


def test_row_errors_are_listed_by_kind_and_downloaded(program, batch):
    entries = listed(program, batch, "meta", path="row_errors")

    assert {name: entry["length"] for name, entry in entries.items()} == {
        "parsing_errors_0.json": str(len(PARSING)),
        "parsing_errors_1.json": str(2 * len(PARSING)),
        "validation_errors_0.json": str(len(MISSING)),
    }
    href = entries["parsing_errors_1.json"]["_links"]["self"]["href"]
    assert "path=row_errors%2Fparsing_errors_1.json" in href
    assert downloaded(program, href) == 2 * PARSING
    assert downloaded(program, href, range="bytes=-3") == PARSING[-3:]


@pytest.mark.parametrize(
    "path", ["row_errors/{}", "row_errors%2F{}", "/row_errors/{}/"]
)  # fmt: skip
def test_the_slash_of_a_path_may_be_encoded_twice(program, batch, path):
    path = path.format("validation_errors_0.json")

    assert make.body_of(program.export(f"/batches/{batch.public_id}/meta", path=path)) == MISSING


def test_samples_of_all_files_are_one_file(program, batch):
    answer = program.export(f"/batches/{batch.public_id}/meta", path="row_errors_sample.json")

    assert make.body_of(answer) == PARSING + MISSING


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "row_errors/nothing.json",
        "row_errors/parsing_errors_2.json",
        "input_files/x",
        "row_errors_sample.json/x",
        "../row_errors",
        "row_errors/../../x",
        "%",
        "%zz",
        "a\0b",
        "row_errors/sample_errors_0.json",
    ],
)
def test_an_unknown_path_is_404(program, batch, path):
    assert program.refused(f"/batches/{batch.public_id}/meta", 404, at=make.EXPORT, path=path)


def test_a_batch_without_bad_rows_has_no_errors_to_show(program):
    batch = make.file(make.batch()).batch

    assert listed(program, batch, "meta", path="row_errors") == {}
    assert listed(program, batch, "failed") == {}
    assert program.refused(f"/batches/{batch.public_id}/meta", 404, at=make.EXPORT, path="row_errors_sample.json")


def test_failed_rows_are_listed_under_lasting_names(program, batch):
    entries = listed(program, batch, "failed")

    *parts, done = entries
    assert done == "_SUCCESS"
    assert entries["_SUCCESS"]["length"] == "0"
    assert [name[:11] for name in parts] == ["part-00000-", "part-00001-", "part-00002-"]
    assert all(name.endswith("-c000.json") for name in parts)
    assert listed(program, batch, "failed") == entries
    assert downloaded(program, entries[parts[0]]["_links"]["self"]["href"]) == PARSING
    assert downloaded(program, entries["_SUCCESS"]["_links"]["self"]["href"]) == b""
    assert program.refused(f"/batches/{batch.public_id}/failed", 404, at=make.EXPORT, path="part-00000-x-c000.json")


def test_failed_rows_of_an_open_batch_are_not_said_to_be_all(program):
    file = make.file(make.batch(status="staging"))
    make.diagnostic(file, "conversion")

    assert "_SUCCESS" not in listed(program, file.batch, "failed")


def test_long_lists_of_findings_have_pages(program):
    batch = make.batch()
    for number in range(3):
        make.diagnostic(make.file(batch, f"{number}.json"), "parsing")

    answer = program.export(f"/batches/{batch.public_id}/meta", path="row_errors", limit=2).json()
    rest = program.http.get(answer["_links"]["next"]["href"], headers=program.headers).json()

    assert (answer["_page"], len(rest["data"])) == ({"limit": 2, "count": 2}, 1)
    assert rest["data"][0]["name"] == "parsing_errors_2.json"


class Rows:
    """A warehouse that shows rows, and remembers what it was asked for."""

    def __init__(self, rows):
        self.shown, self.asked = rows, []

    def rows(self, target, *, limit):
        self.asked.append((target.schema, target.name, limit))
        return self.shown


@pytest.fixture
def rows(monkeypatch):
    double = Rows([{"id": 1, "price": str(Decimal("1.10")), "name": None}])
    monkeypatch.setattr("ingestion.api.export.preview.warehouse", lambda: double)
    return double


@pytest.mark.parametrize("word", ["datasets", "dataSets"])
def test_a_preview_shows_the_first_hundred_live_rows(program, rows, word):
    dataset = make.dataset(name="surveys", live_load=7)

    answer = program.export(f"/{word}/{dataset.public_id}/preview").json()

    assert answer == {"data": rows.shown, "_page": {"limit": 100, "count": 1}}
    assert rows.asked == [("lake", "surveys", 100)]


def test_a_preview_of_what_is_not_live_yet_is_empty_and_asks_no_warehouse(program, rows):
    answer = program.export(f"/datasets/{make.dataset().public_id}/preview").json()

    assert (answer["data"], rows.asked) == ([], [])


def test_a_preview_through_the_real_warehouse(program, settings, tmp_path):
    settings.WAREHOUSE_URL = f"duckdb://{tmp_path}/warehouse.duckdb?memory_limit=512MB&threads=1"
    layout = columns(id="integer", price="numeric(38,2)", name="text")
    dataset = make.dataset(live_load=1, blueprint=[column.to_json() for column in layout])
    target = dataset.target(dataset.columns)
    Load(1, [[number, Bare(f"{number}.10"), "é"] for number in range(150)], layout, target=target).run(
        rooms.warehouse()
    )

    answer = program.export(f"/datasets/{dataset.public_id}/preview").json()
    rooms.warehouse().close()

    assert answer["_page"] == {"limit": 100, "count": 100}
    assert {"id": 7, "price": "7.1", "name": "é"} in answer["data"]
