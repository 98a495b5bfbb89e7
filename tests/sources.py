"""Data sources over small manifests, for tests that need one that can be planned, or read from a demo server."""

from connectors.models import Connector, DataSource

TWO_ENDPOINTS = """
manifest: 1
name: small
base_url: "{{ settings.base_url }}"
settings:
  base_url: {title: Address}
endpoints:
  - name: surveys
    title: Surveys
    path: /surveys
    records: data
    key: [id]
  - name: responses
    title: Responses
    path: /responses
    records: data
    partition: {by: list, values: [north, south]}
    params: {region: "{{ partition.value }}"}
"""


def small_source(
    name: str = "Small", *, manifest: str = TWO_ENDPOINTS, url: str = "http://127.0.0.1:9", **fields
) -> DataSource:
    """A source with an endpoint of one task and one of two; its address leads nowhere unless given."""
    connector, _ = Connector.objects.update_or_create(name=f"{name} API", defaults={"manifest": manifest})
    namespace = name.lower().replace(" ", "_")
    fields = {"namespace": namespace, "settings": {"base_url": url}, **fields}
    source, _ = DataSource.objects.update_or_create(name=name, defaults={"connector": connector, **fields})
    return source
