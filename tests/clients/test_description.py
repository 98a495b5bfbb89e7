"""The batch API against its own description: requests made from the OpenAPI document, right ones and wrong ones, get no
5xx, and answers have the form that is described. Always the same requests; `make test-fuzz` makes many others."""

import os
from collections import Counter

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from config.wsgi import application
from ingestion.models import Batch
from tests.ingestion import catalog_kit
from tests.ingestion.access_kit import headers, organisation, program, token_of

pytestmark = [pytest.mark.django_db(transaction=True)]
EXAMPLES = int(os.environ.get("FUZZ", "0"))
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


def described():
    whole = SchemaGenerator().get_schema(request=None, public=True)
    ours = {path: item for path, item in whole["paths"].items() if path.startswith("/data/foundation/")}
    loaded = schemathesis.openapi.from_dict({**whole, "paths": ours})
    loaded.app = application
    return loaded


OPERATIONS = {each.ok().definition.raw["operationId"]: each.ok() for each in described().get_all_operations()}


@pytest.fixture
def known(settings, tmp_path, client, monkeypatch):
    """Headers of a program, and ids that lead somewhere."""
    settings.STAGING_URL = f"file://{tmp_path}/staging"
    settings.SCRATCH_DIR = tmp_path / "scratch"
    settings.WAREHOUSE_URL = f"duckdb:///{tmp_path}/warehouse.duckdb"
    given = program(of=organisation())
    dataset = catalog_kit.dataset()
    batches = [catalog_kit.batch(dataset, status=status) for status in ("loading", "failed", "aborted")]
    for batch in batches:
        catalog_kit.diagnostic(catalog_kit.file(batch), "parsing")
        Batch.objects.filter(pk=batch.pk).update(files_left=1)
    sent = headers(given, token_of(client, given), x_sandbox_name="prod")
    ids = {
        "batch_id": [batch.public_id for batch in batches],
        "dataset_id": [dataset.public_id],
        "view_id": [dataset.public_id],
        "file_id": [f"{batch.public_id}-0" for batch in batches],
        "file_path": ["a.json", "folder/b.json"],
        "field": ["status", "tags"],
    }
    return sent, ids


def test_every_address_of_the_api_is_described():
    services = {path.split("/")[3] for path in described()}

    assert services == {"import", "catalog", "export"}
    assert len(OPERATIONS) >= 30


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
@pytest.mark.parametrize("service", ["import", "catalog", "export"])
def test_no_request_is_answered_with_a_fault_of_ours_or_in_another_form(known, service, mode):
    seen = Counter()

    for name, operation in OPERATIONS.items():
        if name.startswith(service):
            ask(operation, mode, *known, seen)

    assert seen["refused"]
    assert seen["taken"] or service == "import"  # whose bodies are rarely right by chance


def ask(operation, mode, sent, ids, seen):
    @settings(
        max_examples=EXAMPLES or 10,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), st.data())
    def one(case, data):
        for parameter in case.path_parameters or {}:
            if data.draw(st.integers(0, 3)):  # mostly something that is there
                case.path_parameters[parameter] = data.draw(st.sampled_from(ids[parameter]))
        if isinstance(case.body, dict) and "datasetId" in case.body and data.draw(st.booleans()):
            case.body["datasetId"] = ids["dataset_id"][0]
        answer = case.call_and_validate(headers=sent, checks=CHECKS)
        seen["taken" if answer.status_code < 400 else "refused"] += 1

    one()
