"""The admin as a whole: its first page, who sees what of it, and how it says durations and moments."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from runs.models import Level
from runs.templatetags import headgate
from tests import factories


@pytest.mark.django_db
def test_the_first_page_leads_to_every_page(admin_client):
    page = admin_client.get(reverse("admin:index")).content.decode()

    for name in (
        "connectors_datasource", "runs_run", "runs_dataload", "connectors_connector",
        "ingestion_dataset", "ingestion_batch", "auth_user", "auth_group",
    ):  # fmt: skip
        address = reverse(f"admin:{name}_changelist")
        assert page.count(f'href="{address}"') == 2, name
        assert admin_client.get(address).status_code == 200


@pytest.mark.django_db
def test_people_are_offered_only_what_they_may_see(client):
    client.force_login(factories.person("runs.view_run", name="support"))

    page = client.get(reverse("admin:index")).content.decode()

    assert f'href="{reverse("admin:runs_run_changelist")}"' in page
    assert f'href="{reverse("admin:auth_user_changelist")}"' not in page


@pytest.mark.django_db
def test_users_and_groups_are_kept_in_pages_like_the_others(admin_client):
    group, user = Group.objects.create(name="Support"), factories.person(name="bert")

    for name, row in (("group", group), ("user", user)):
        page = admin_client.get(reverse(f"admin:auth_{name}_change", args=[row.pk]))
        assert page.status_code == 200
        assert "headgate.css" in page.content.decode()


def test_the_brokers_own_rows_are_not_shown():
    assert not [model for model in admin.site._registry if model._meta.app_label == "django_dramatiq"]
    assert User in admin.site._registry


@pytest.mark.django_db
def test_a_login_leads_to_the_first_page(client):
    User.objects.create_superuser("anna", password="correct horse battery")
    answer = client.post(reverse("admin:login"), {"username": "anna", "password": "correct horse battery"})

    assert answer.headers["Location"] == reverse("admin:index")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.9, "59 s"), (185, "3 min 05 s"), (7_620, "2 h 07 min"), (615_600, "7 d 3 h"), (-5, "0 s")],
)
def test_durations_are_said_in_their_two_largest_units(seconds, text):
    assert headgate.words(timedelta(seconds=seconds)).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "just now"), (42, "42 s ago"), (200, "3 min ago"), (7_300, "2 h ago"), (200_000, "2 d ago")],
)
def test_moments_are_said_relative_with_the_exact_time_beside(seconds, text):
    when = timezone.now() - timedelta(seconds=seconds)

    said = headgate.moment(when)

    assert f">{text}</time>" in said.replace("\u00a0", " ")
    assert f'title="{headgate.exact(when)}"' in said


def test_a_duration_stands_still_once_its_work_has_ended():
    def item(finished):
        return SimpleNamespace(finished_at=finished, duration=lambda now: timedelta(seconds=90))

    assert headgate.lasted(item(timezone.now())).replace("\u00a0", " ") == "1 min 30 s"
    assert 'data-seconds="90"' in headgate.lasted(item(None))


def test_a_count_of_messages_names_the_worst_level_and_not_by_colour_alone():
    text = re.sub(r"<[^>]+>", " ", headgate.level_badge(Level.ERROR, 1_200))

    assert "1,200" in text
    assert "Error" in text
