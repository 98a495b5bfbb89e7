"""How the admin looks and what its sidebar offers. Names pages by their addresses; imports none of them."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _asset(path: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(path)


def _may_view(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: bool(request.user.has_perm(permission))


def _page(title: str, icon: str, model: str, about: str) -> dict[str, Any]:
    app, name = model.split(".")
    return {
        "title": title,
        "icon": icon,
        "about": about,
        "link": reverse_lazy(f"admin:{app}_{name}_changelist"),
        "permission": _may_view(f"{app}.view_{name}"),
    }


def _shades(*lightness_and_chroma: str, hue: int) -> dict[str, str]:
    steps = ("50", "100", "200", "300", "400", "500", "600", "700", "800", "900", "950")
    return {step: f"oklch({tone} {hue})" for step, tone in zip(steps, lightness_and_chroma, strict=True)}


UNFOLD: dict[str, Any] = {
    "DASHBOARD_CALLBACK": "runs.admin.strip.at_home",
    "SITE_TITLE": "Headgate",
    "SITE_HEADER": "Headgate",
    "SITE_SUBHEADER": "Data in, and how it went",
    "SITE_SYMBOL": "valve",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _asset("runs/headgate.svg")}],
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_asset(f"runs/{name}.css") for name in ("headgate", "list", "page", "acting", "loads")],
    "SCRIPTS": [_asset(f"runs/{name}.js") for name in ("headgate", "live", "keys")],
    "COLORS": {
        "primary": _shades(
            "97.7% .014",
            "95.1% .026",
            "90.1% .058",
            "82.8% .111",
            "74.6% .16",
            "62% .16",
            "52% .15",
            "47% .135",
            "41% .11",
            "37% .09",
            "28% .066",
            hue=240,
        )
    },
    "COMMAND": {"search_callback": "runs.admin.going.results"},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "navigation": [
            {
                "title": "Bring data in",
                "items": [
                    _page(
                        "Data sources", "database", "connectors.datasource", "Where data comes from. Start runs here."
                    ),
                    _page("API runs", "play_circle", "runs.run", "What is running, and how each run went."),
                    _page("Data loads", "download_done", "runs.dataload", "What has been brought in and can be used."),
                    _page("Batches", "inventory_2", "ingestion.batch", "What clients send, and how each batch went."),
                ],
            },
            {
                "title": "Behind it",
                "separator": True,
                "items": [
                    _page("Connectors", "cable", "connectors.connector", "Kinds of APIs, each with its manifest."),
                    _page("Datasets", "table", "ingestion.dataset", "The live tables, their columns and settings."),
                ],
            },
            {
                "title": "Who may do what",
                "separator": True,
                "items": [
                    _page(
                        "Organisations", "domain", "access.organisation", "Tenants of the batch API, with sandboxes."
                    ),
                    _page("API clients", "key", "access.apiclient", "Programs that may call the batch API."),
                    _page("Users", "person", "auth.user", "People who may sign in."),
                    _page("Groups", "group", "auth.group", "Rights that people share."),
                ],
            },
        ],
    },
}
