"""The pages of datasets and batches. Machines write these rows; people look at them, and ask for a few things."""

from ingestion.admin.batches import BatchAdmin
from ingestion.admin.datasets import DatasetAdmin

__all__ = ["BatchAdmin", "DatasetAdmin"]
