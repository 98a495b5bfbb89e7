"""One running service for all clients; each test has an organisation of its own in it."""

from collections.abc import Iterator

import pytest

from tests.clients.service import Program, Service, running


@pytest.fixture(scope="package")
def service(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("service"), django_db_blocker) as started:
        yield started


@pytest.fixture
def program(service) -> Program:
    return service.program()
