"""aepp 0.6.0, the library that Python users of the original service have, as it is installed: nothing of it is changed
but the base address, which its own environment “support” lets be named."""

import json
from dataclasses import dataclass

import aepp
import aepp.config
import pytest
from aepp.catalog import Catalog
from aepp.dataaccess import DataAccess
from aepp.ingestion import DataIngestion

from tests.clients.service import SCHEMA, Program

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore::deprecation.DeprecatedWarning"),
]
RECORDS = [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}, {"id": 3, "name": "Cy"}]


@dataclass
class Aepp:
    """The three classes that have to do with batches."""

    catalog: Catalog
    ingestion: DataIngestion
    access: DataAccess
    program: Program

    def dataset(self, name="Visits", **more):
        made = self.catalog.createDataSet(data={"name": name, "schema": SCHEMA, **more})
        return made[0].removeprefix("@/dataSets/")

    def sent(self, dataset, data=RECORDS, **more):
        """A batch of one file, brought to its end."""
        batch = self.ingestion.createBatch(datasetId=dataset, **more)["id"]
        assert self.ingestion.uploadSmallFile(batchId=batch, datasetId=dataset, filePath="a.json", data=data)
        self.ingestion.uploadSmallFileFinish(batchId=batch)
        self.program.ended(batch)
        return batch

    def status(self, batch):
        return self.catalog.getBatch(batch)[batch]["status"]

    def rows(self, dataset):
        return self.access.getPreview(dataset)


@pytest.fixture
def client(service, program) -> Aepp:
    aepp.configure(
        org_id=program.organisation,
        client_id=program.client_id,
        secret=program.secret,
        scopes="openid",
        environment="support",
        endpoint=service.address,
        retry=0,
    )
    aepp.config.config_object["oauthTokenEndpointV2"] = f"{service.address}/ims/token/v3"
    return Aepp(catalog=Catalog(), ingestion=DataIngestion(), access=DataAccess(), program=program)


def test_it_gets_its_token_itself(client):
    assert client.ingestion.connector.connectionType == "oauthV2"
    assert client.catalog.getBatches() == {}


@pytest.mark.parametrize("data", [RECORDS, RECORDS[0]], ids=["a list", "one record"])
def test_a_small_file_goes_live(client, data):
    dataset = client.dataset()

    batch = client.sent(dataset, data)

    told = client.catalog.getBatch(batch)[batch]
    records = data if isinstance(data, list) else [data]
    assert (told["status"], told["metrics"]["inputRecordCount"]) == ("success", len(records))
    assert told["relatedObjects"][0] == {"type": "dataSet", "id": dataset}
    assert [row["name"] for row in client.rows(dataset)] == [record["name"] for record in records]


def test_a_list_goes_live_as_multi_line_json(client):
    dataset = client.dataset()

    batch = client.sent(dataset, multiline=True)

    assert client.status(batch) == "success"
    assert len(client.rows(dataset)) == 3


def test_a_json_file_of_the_disk_is_sent(client, tmp_path):
    (tmp_path / "records.json").write_text(json.dumps(RECORDS))
    dataset = client.dataset()

    batch = client.sent(dataset, str(tmp_path / "records.json"))

    assert client.status(batch) == "success"
    assert len(client.rows(dataset)) == 3


def test_a_large_file_goes_live_in_chunks(client):
    dataset = client.dataset()
    batch = client.ingestion.createBatch(datasetId=dataset)["id"]
    place = {"batchId": batch, "datasetId": dataset, "filePath": "folder/big.json"}
    data = b"".join(b'{"id": %d, "name": "n"}\n' % number for number in range(2000))
    half = len(data) // 2

    begun = client.ingestion.uploadLargeFileStartEnd(**place)
    for first, last in ((half, len(data)), (0, half)):
        told = f"bytes {first}-{last - 1}/{len(data)}"
        sent = client.ingestion.uploadLargeFilePart(**place, data=data[first:last], contentRange=told)
        assert sent["name"] == "folder/big.json"
    assert client.ingestion.headFileStatus(**place) == {}  # which is what it makes of a 200
    ended = client.ingestion.uploadLargeFileStartEnd(**place, action="COMPLETE")
    client.ingestion.uploadSmallFileFinish(batchId=batch)

    assert (begun["sizeInBytes"], ended["sizeInBytes"]) == (0, len(data))
    assert client.program.ended(batch)["metrics"]["outputRecordCount"] == 2000


def test_a_preview_is_shown_while_the_batch_is_loading(client):
    dataset = client.dataset()
    batch = client.ingestion.createBatch(datasetId=dataset)["id"]
    client.ingestion.uploadSmallFile(batchId=batch, datasetId=dataset, filePath="a.json", data=RECORDS)

    shown = client.ingestion.getPreviewBatchDataset(batchId=batch, datasetId=dataset, nrow=2)

    assert shown["formatParams"]["format"] == "json"
    names = {column["cid"]: column["name"] for column in shown["preview"]["columns"]}
    rows = [{names[cid]: value for cid, value in row.items()} for row in shown["preview"]["rows"]]
    assert [(row["id"], row["name"]) for row in rows] == [("1", "Ada"), ("2", "Bo")]


def test_a_replay_takes_the_place_of_its_predecessor(client):
    dataset = client.dataset()
    old = client.sent(dataset)

    new = client.ingestion.replayBatch(datasetId=dataset, batchIds=[old])
    client.ingestion.uploadSmallFile(
        batchId=new["id"], datasetId=dataset, filePath="a.json", data=[{"id": 9, "name": "Z"}]
    )
    client.ingestion.uploadSmallFileFinish(batchId=new["id"])
    client.program.ended(new["id"])

    assert (client.status(old), client.status(new["id"])) == ("inactive", "success")
    assert client.catalog.findActiveBatch(old) == new["id"]
    assert [row["id"] for row in client.rows(dataset)] == [9]


def test_a_loading_batch_is_aborted_and_a_live_one_deleted(client):
    dataset = client.dataset()
    loading = client.ingestion.createBatch(datasetId=dataset)["id"]
    live = client.sent(dataset)

    aborted = client.ingestion.uploadSmallFileFinish(batchId=loading, action="ABORT")
    client.ingestion.deleteBatch(live)
    late = client.ingestion.deleteBatch(loading)

    assert (aborted["status"], client.status(loading)) == ("aborted", "aborted")
    assert (client.status(live), client.rows(dataset)) == ("inactive", [])
    assert (late["status"], late["code"]) == (428, "ERR-BI-104")


def test_batches_are_listed(client):
    dataset = client.dataset()
    batches = [client.sent(dataset, [{"id": number}]) for number in range(3)]

    assert list(client.catalog.getBatches(dataSet=dataset)) == batches[::-1]
    assert list(client.catalog.getBatches(limit=2, n_results=10)) == batches[::-1]
    assert list(client.catalog.getBatches(orderBy="asc:created", status="success", limit=1)) == batches[:1]
    assert list(client.catalog.getBatches(output="dataframe").index) == batches[::-1]
    assert client.catalog.getLastBatches(dataSetId=dataset)[dataset]["lastBatchId"] == batches[-1]


def test_failed_batches_are_told_with_their_errors(client):
    dataset = client.dataset()
    batch = client.sent(dataset, [{"name": "no id"}], enableDiagnostic=True)

    table = client.catalog.getFailedBatchesDF()

    assert list(table.index) == [batch]
    row = table.loc[batch]
    assert row["errorCode"] == ["INGEST-1212-400", "INGEST-1555-400"]
    assert "id" in row["errorMessage"][1]
    assert (row["dataSetId"], row["sandbox"], row["flowId"]) == (dataset, "prod", None)
    assert client.catalog.getMapperErrors().empty


def test_datasets_are_listed_with_what_is_known_of_them(client, capsys):
    first, second = client.dataset("First"), client.dataset("Second")
    client.sent(second)

    listed = client.catalog.getDataSets()

    assert {listed[first]["name"], listed[second]["name"]} == {"First", "Second"}
    assert client.catalog.data.ids["Second"] == second
    infos = client.catalog.getDatasetsInfos().set_index("id")
    assert (infos.loc[second, "datalake_rows"], infos.loc[second, "qs_table"]) == (3, "second")
    assert "Couldn't" not in capsys.readouterr().out


def test_a_dataset_is_made_changed_and_deleted(client):
    made = client.catalog.createDataSet(
        name="Profiles", schemaId="https://ns.adobe.com/tenant/schemas/abc", upsert=True
    )
    dataset = made[0].removeprefix("@/dataSets/")

    client.catalog.enableDatasetIdentity(dataset)
    client.catalog.enableDatasetUpsert(dataset)
    client.catalog.setDatasetTTL(dataset, "P3M")
    client.catalog.patchDataset(dataset, {"description": "changed"})
    told = client.catalog.getDataSet(dataset)[dataset]

    assert told["schemaRef"]["id"].endswith("/abc")
    assert told["tags"]["unifiedIdentity"] == ["enabled:true"]
    assert told["tags"]["unifiedProfile"] == ["enabled:true", "isUpsert:true"]
    assert told["extensions"]["adobe_lakeHouse"]["rowExpiration"] == {"ttlValue": "P90D"}
    assert told["description"] == "changed"
    assert client.catalog.deleteDataSet(dataset) == 200
    assert client.catalog.getDataSet(dataset)["title"] == "NotFoundError"


def test_views_and_the_schema_that_was_seen_are_told(client):
    dataset = client.dataset()
    client.sent(dataset)

    views = client.catalog.getDataSetViews(dataset)
    seen = client.catalog.getDataSetObservableSchema(dataset)

    assert client.catalog.getDataSetView(dataset, next(iter(views)))
    assert len(client.catalog.getDataSetViewFiles(dataset, next(iter(views)))) == 1
    assert {"id", "name"} <= set(seen["observableSchema"]["properties"])
    assert client.catalog.getResources()


def test_the_files_of_a_batch_are_downloaded(client):
    dataset = client.dataset()
    batch = client.sent(dataset)

    (file,) = client.access.getBatchFiles(batch)
    shown = client.access.getFiles(file["dataSetFileId"])
    data = client.access.getFiles(file["dataSetFileId"], path=shown["data"][0]["name"])

    assert json.loads(data) == RECORDS
    assert int(shown["data"][0]["length"]) == len(data)
    assert client.access.getHeadFile(file["dataSetFileId"], path="a.json") == {}  # what it makes of a 200


def test_rows_that_were_turned_down_are_downloaded(client):
    dataset = client.dataset()
    batch = client.sent(dataset, [{"id": 1}, {"name": "no id"}], enableDiagnostic=True, partialIngestionPercentage=50)

    names = [each["name"] for each in client.access.getBatchFailed(batch)]
    rows = client.access.getBatchFailed(batch, path=next(name for name in names if name.startswith("part-")))
    meta = client.access.getBatchMeta(batch, path="row_errors")
    found = client.access.getBatchMeta(batch, path=f"row_errors/{meta['data'][0]['name']}")

    assert client.status(batch) == "success"
    assert rows == found
    assert (found["_errors"][0]["code"], found["_filename"]) == ("INGEST-1555-400", "a.json")
    assert [row["id"] for row in client.rows(dataset)] == [1]


def test_a_refusal_is_an_answer_that_can_be_read(client):
    refused = client.ingestion.createBatch(datasetId="000000000000000000000000")
    missing = client.catalog.getBatch("01EQ1C48TR4GD4FE7NH2522TCQ")

    assert (refused["status"], refused["title"]) == (404, "NotFoundError")
    assert "01EQ1C48TR4GD4FE7NH2522TCQ" in missing["detail"]
