"""The wiring app: it exists so that system checks are registered once."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "config"
