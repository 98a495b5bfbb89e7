"""App configuration: the actors are declared wherever Django runs, so that any process can work and be checked."""

from django.apps import AppConfig


class IngestionConfig(AppConfig):
    name = "ingestion"

    def ready(self) -> None:
        from ingestion import actors  # noqa: F401 - declares the actors
