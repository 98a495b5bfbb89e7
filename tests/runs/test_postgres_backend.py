"""A kept connection whose server went away is noticed without a query."""

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="of Postgres alone"),
]


def test_a_live_connection_is_usable_and_costs_no_query():
    connection.ensure_connection()

    with CaptureQueriesContext(connection) as captured:
        assert connection.is_usable()
    assert len(captured) == 0


def test_a_connection_that_the_server_has_ended_is_not_usable():
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with psycopg.connect(connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"]) as other:
        other.execute("select pg_terminate_backend(%s, 5000)", [pid])

    assert not connection.is_usable()
    connection.close()
    assert connection.ensure_connection() is None
    assert connection.is_usable()
