"""Addresses of the Export API, below /data/foundation/export/."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
