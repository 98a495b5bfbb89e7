"""The verbs on clients' datasets: make, change, remove. Knows nothing of HTTP nor of the names that clients use."""

from ingestion.cataloguing.describing import Description
from ingestion.cataloguing.verbs import Owner, change, create, remove

__all__ = ["Description", "Owner", "change", "create", "remove"]
