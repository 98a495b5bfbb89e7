"""App configuration: the actors are declared wherever Django runs, so that any process can work and be checked."""

from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        from runs import actors  # noqa: F401 - declares the actors
