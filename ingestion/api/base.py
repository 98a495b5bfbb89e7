"""What the views of the batch API have in common: who calls, JSON in and out, errors in the shapes that clients know,
addresses with or without a slash at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Final

from django.http import HttpResponseBase
from django.urls import URLPattern
from django.urls.resolvers import RoutePattern
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ingestion.access.caller import Caller
from ingestion.access.gateway import Gateway, SessionCaller
from ingestion.api import bodies
from ingestion.api.problems import Problem, bad_request, handle, missing
from ingestion.api.schema import Described
from ingestion.refusals import shown

__all__ = ["LONGEST_ADDRESS", "Nowhere", "Problem", "WireView", "bad_request", "handle", "missing", "route"]
LONGEST_ADDRESS: Final = 2000  # characters, query included


class AlwaysJson(BaseContentNegotiation):
    """JSON whatever the Accept header asks for: clients of this API send all sorts of them, and mean JSON."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:
        return next(iter(parsers))

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class MayCall(BasePermission):
    """A program that passed the gateway may do all that the API offers; a person what the admin lets them do."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        caller = request.auth
        if not isinstance(caller, Caller):
            return False
        right = f"ingestion.{_right_of(request)}_{getattr(view, 'about', 'batch')}"
        if caller.staff and not request.user.has_perm(right):
            raise PermissionDenied(f"Your account may not do this: it needs the permission {right}.")
        return True


def _right_of(request: Request) -> str:
    """The verb of the permission: what takes data away asks for the one that the admin asks for it."""
    if request.method in SAFE_METHODS:
        return "view"
    takes_away = request.method == "DELETE" or request.query_params.get("action", "").upper() == "REVERT"
    return "delete" if takes_away else "change"


class WireView(APIView):
    """The base of every view. `about` is the model that people need a right to; `caller` and `document()` are what a
    view reads, `Response` with a dictionary or a list what it answers."""

    authentication_classes: Sequence[type[BaseAuthentication]] = (SessionCaller, Gateway)
    permission_classes: Sequence[Any] = (MayCall,)
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)
    content_negotiation_class = AlwaysJson
    metadata_class = None
    schema: Any = Described()
    about: ClassVar[str] = "batch"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if len(request.get_full_path()) > LONGEST_ADDRESS:
            raise Problem(414, f"The address is longer than {LONGEST_ADDRESS:,} characters.")
        super().initial(request, *args, **kwargs)

    def get_exception_handler(self) -> Callable[..., Response]:
        return handle

    @property
    def caller(self) -> Caller:
        caller = self.request.auth
        assert isinstance(caller, Caller)  # MayCall has seen to it
        return caller

    def document(self) -> dict[str, Any]:
        """The JSON object in the request's body. Raises Refused: 400."""
        return bodies.document(self.request._request)


class Nowhere(WireView):
    """Any address below the API that leads nowhere: 404 as JSON."""

    authentication_classes = ()
    permission_classes = ()
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise missing(f"There is no {shown(request.path, longest=200)} here.")


class _Tolerant(RoutePattern):
    """A route that takes one slash more at its end than it is written with."""

    def match(self, path: str) -> Any:
        found = super().match(path.removesuffix("/"))
        return super().match(path) if found is None else found


def route(pattern: str, view: Callable[..., HttpResponseBase], *, name: str | None = None) -> URLPattern:
    """As Django's `path`, for an address that may end with a slash or not; write it without."""
    return URLPattern(_Tolerant(pattern, name=name, is_endpoint=True), view, None, name)
