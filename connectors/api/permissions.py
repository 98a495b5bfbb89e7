"""Who may do what over the API: each action of a view names the permissions it needs, in one visible table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Permission
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

# Basic comes first: its challenge makes a request without a login answer 401, not 403.
LOGINS: tuple[type[BaseAuthentication], ...] = (BasicAuthentication, SessionAuthentication)
Needs = Mapping[str, tuple[str, ...]]


class HasPermission(BasePermission):
    """Asks for all permissions that the view's `needs` names for the action ("read" stands for list and retrieve).

    An action that `needs` does not name is closed to everybody, so that none is left open by forgetting it.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not (request.user and request.user.is_authenticated):
            return False
        action = getattr(view, "action", None) or "read"
        needs: Needs = getattr(view, "needs", {})
        if action in ("metadata", "list", "retrieve") or request.method == "OPTIONS":
            action = "read"
        if action not in needs:
            return False
        require(request, *needs[action])
        return True


def require(request: Request, *permissions: str) -> None:
    """Raises PermissionDenied, naming the first permission that is missing in the words of the admin."""
    for permission in permissions:
        if not request.user.has_perm(permission):
            raise PermissionDenied(_sentence(permission), code="permission_denied")


def require_any(request: Request, *permissions: str) -> None:
    """As `require`, where one of several is enough; the sentence names the first."""
    if not any(request.user.has_perm(permission) for permission in permissions):
        require(request, permissions[0])


def _sentence(permission: str) -> str:
    app, _, codename = permission.partition(".")
    found = Permission.objects.filter(content_type__app_label=app, codename=codename).first()
    name = f"“{found.name}” ({permission})" if found else permission
    return f"Your account may not do this: it needs the permission {name}. Ask an administrator for it."


def may(context: Mapping[str, Any], permission: str) -> bool:
    """For serializers: whether the person asking has a permission."""
    request = context.get("request")
    return bool(request and request.user.has_perm(permission))
