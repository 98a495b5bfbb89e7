"""The screens of access: organisations with their sandboxes, and the programs that may call the batch API."""

from ingestion.access.admin import clients, organisations

__all__ = ["clients", "organisations"]
