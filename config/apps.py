"""The wiring app: it exists so that system checks are registered once."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        from django.contrib import admin

        from config import checks  # noqa: F401 - registers the checks
        from config.logins import LoginForm
        from config.observing import logs, sentry

        admin.site.login_form = LoginForm
        logs.keep_secrets()
        sentry.start()
