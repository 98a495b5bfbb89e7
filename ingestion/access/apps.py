"""App configuration."""

from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "ingestion.access"
    label = "access"
    verbose_name = "Access"
