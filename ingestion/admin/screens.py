"""What the screens of batches and datasets have in common: rows are the machine's, and long lists are never counted."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

ROWS: Final = 50


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """A screen on which no row can be added, edited in a form or deleted. What can be done hangs on it as verbs."""

    actions = None
    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = ROWS
    list_fullwidth = True

    class Media:
        css: ClassVar = {"all": ["ingestion/batches.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
