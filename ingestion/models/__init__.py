"""The tables of ingestion: datasets and loads, batches and parts, uploads."""

from ingestion.models.batches import Batch, BatchEvent, Part, new_batch_id
from ingestion.models.datasets import Dataset, Load, Origin, new_dataset_id
from ingestion.models.uploads import AnsweredRequest, BatchFile, Diagnostic, Discarded, Piece

__all__ = [
    "AnsweredRequest",
    "Batch",
    "BatchEvent",
    "BatchFile",
    "Dataset",
    "Diagnostic",
    "Discarded",
    "Load",
    "Origin",
    "Part",
    "Piece",
    "new_batch_id",
    "new_dataset_id",
]
