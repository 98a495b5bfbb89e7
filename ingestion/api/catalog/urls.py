"""Addresses of the Catalog API, below /data/foundation/catalog/."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
