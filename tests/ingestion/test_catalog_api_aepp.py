"""Adobe's own Python client, aepp, over the catalogue and the export service."""

import aepp
import pytest
from aepp import catalog, dataaccess

from tests.ingestion import catalog_kit as make
from tests.ingestion.access_kit import organisation, program

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connection(live_server):
    """What aepp calls a configuration. Only the address of the token endpoint is not one of its settings."""
    given = program("Notebook", of=organisation())
    made = aepp.configure(
        org_id="default",
        client_id=given.client_id,
        secret=given.secret,
        scopes="openid,AdobeID,read_organizations",
        environment="support",
        endpoint=live_server.url,
        connectInstance=True,
        retry=0,
    )
    made.getConfigObject()["oauthTokenEndpointV2"] = f"{live_server.url}/ims/token/v3"
    return made


@pytest.fixture
def catalogue(connection):
    return catalog.Catalog(config=connection)


def test_datasets_are_made_tagged_listed_and_deleted(catalogue):
    (reference,) = catalogue.createDataSet(name="Surveys", schemaId="https://ns.adobe.com/x/schemas/1")
    public_id = reference.rpartition("/")[2]

    assert catalogue.enableDatasetProfile(public_id, upsert=True) == [reference]
    assert catalogue.enableDatasetIdentity(public_id) == [reference]
    assert catalogue.disableDatasetValidationContext(public_id) == [reference]
    assert catalogue.setDatasetTTL(public_id, "P3M") == [reference]
    shown = catalogue.getDataSet(public_id)[public_id]
    assert shown["tags"]["unifiedProfile"] == ["enabled:true", "isUpsert:true"]
    assert shown["tags"]["acp_validationContext"] == ["disabled"]
    (listed,) = catalogue.getDataSets(output="list")
    assert (listed["id"], catalogue.data.ids) == (public_id, {"Surveys": public_id})
    assert catalogue.getDatasetsInfos().iloc[0]["profileEnabled"]
    assert public_id in catalogue.getDataSetViews(public_id)
    assert "properties" in catalogue.getDataSetObservableSchema(public_id)["observableSchema"]
    catalogue.deleteDataSet(public_id)
    assert catalogue.getDataSets() == {}


def test_batches_are_listed_and_followed_to_the_one_that_is_live(catalogue):
    dataset = make.dataset()
    new = make.batch(dataset)
    old = make.batch(dataset, status="inactive", successor=new)
    failed = make.batch(dataset, status="failed", errors=[{"code": "106", "description": "empty", "rows": []}])

    table = catalogue.getFailedBatchesDF()

    assert list(table.index) == [failed.public_id]
    assert table.loc[failed.public_id]["errorCode"] == ["106"]
    assert catalogue.findActiveBatch(old.public_id) == new.public_id
    assert catalogue.getBatches(n_results=2, limit=1).keys() == {failed.public_id, old.public_id}
    assert catalogue.getLastBatches(dataset.public_id)[dataset.public_id]["lastBatchId"] == failed.public_id


def test_files_and_bad_rows_are_downloaded(connection):
    access = dataaccess.DataAccess(config=connection)
    file = make.file(make.batch(), "a.json", b"12345", b"67890")
    batch = file.batch.public_id
    make.diagnostic(file, "parsing", b'{"_errors": []}\n')

    (listed,) = access.getBatchFiles(batch)
    (described,) = access.getFiles(listed["dataSetFileId"])["data"]

    assert access.getFiles(listed["dataSetFileId"], path=described["name"]) == b"1234567890"
    assert [each["name"] for each in access.getBatchFailed(batch)][-1] == "_SUCCESS"
    assert access.getBatchMeta(batch, path="row_errors")["data"][0]["name"] == "parsing_errors_0.json"
    assert access.getPreview(file.batch.dataset.public_id) == []
