"""The organisation and the sandbox that requests of people, and everything older than access, belong to."""

from django.conf import settings
from django.db import migrations


def make(apps, schema_editor):
    organisation, _ = apps.get_model("access", "Organisation").objects.get_or_create(
        name=settings.ORGANISATION, defaults={"title": settings.ORGANISATION.capitalize()}
    )
    apps.get_model("access", "Sandbox").objects.get_or_create(
        organisation=organisation, name=settings.SANDBOX, defaults={"title": settings.SANDBOX.capitalize()}
    )


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
