"""What every page is sent with, and how long a login lasts: headers for the browser, limits for sessions of staff."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Final

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponseBase

POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",  # the admin theme's Alpine reads expressions from attributes
        "style-src 'self' 'unsafe-inline'",  # which it also sets styles by
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
PERMISSIONS: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"
BEGAN, SEEN = "headgate_began", "headgate_seen"
NOTED_EVERY: Final = 60  # seconds: a session is not written at each request


class Headers:
    """Adds what no view needs to think of; a view that sets one itself keeps it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response


class Sessions:
    """Ends a login that was idle too long, or that began too long ago. Goes after authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            _limit(request, now=time())
        return self.get_response(request)


def _limit(request: HttpRequest, *, now: float) -> None:
    session = request.session
    began, seen = session.setdefault(BEGAN, now), session.setdefault(SEEN, now)
    if now - began > settings.SESSION_COOKIE_AGE or now - seen > settings.SESSION_IDLE_SECONDS:
        logout(request)
    elif now - seen > NOTED_EVERY and "/live/" not in request.path:
        session[SEEN] = now
