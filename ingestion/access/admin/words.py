"""What several pages of access say alike."""

from ingestion.access.models import ApiClient


def where(client: ApiClient) -> str:
    """The sandboxes of a client in words."""
    return ", ".join(sorted(sandbox.name for sandbox in client.sandboxes.all())) or "All sandboxes"
