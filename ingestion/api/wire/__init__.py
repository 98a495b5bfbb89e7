"""How batches and datasets look to clients of the batch API: its names, its times in milliseconds, its envelopes.

These names stand in this package and nowhere else, so that our own words stay clean inside.
"""

from ingestion.api.wire.batches import batch_json, file_id, file_json, shown
from ingestion.api.wire.datasets import NEWEST, dataset_json, dataset_name, last_batch_json, view_json
from ingestion.api.wire.words import (
    COMPUTED_TAGS,
    DIAGNOSTICS_TAG,
    FORMAT_TAG,
    PARTIAL_TAG,
    SERIES,
    SHOWN_LIVE,
    SUCCESSOR_TAG,
    TABLE_TAG,
    milliseconds,
    moment,
    reference,
    statuses,
    version,
)

__all__ = [
    "COMPUTED_TAGS",
    "DIAGNOSTICS_TAG",
    "FORMAT_TAG",
    "NEWEST",
    "PARTIAL_TAG",
    "SERIES",
    "SHOWN_LIVE",
    "SUCCESSOR_TAG",
    "TABLE_TAG",
    "batch_json",
    "dataset_json",
    "dataset_name",
    "file_id",
    "file_json",
    "last_batch_json",
    "milliseconds",
    "moment",
    "reference",
    "shown",
    "statuses",
    "version",
    "view_json",
]
