"""App configuration: the actors are declared wherever Django runs, so that any process can work and be checked; the
groups of the roles are made after migrations, when all permissions are there."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RunsConfig(AppConfig):
    name = "runs"
    verbose_name = "Runs"

    def ready(self) -> None:
        from runs import actors  # noqa: F401 - declares the actors
        from runs.roles import make_groups

        post_migrate.connect(make_groups, sender=self, dispatch_uid="runs.roles")
