"""Addresses of the Import API, below /data/foundation/import/."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
