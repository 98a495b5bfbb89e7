"""What the views of the catalogue have in common: the caller's batches and datasets, by their public ids."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import QuerySet
from rest_framework.response import Response

from ingestion.api import bodies, wire
from ingestion.api.base import WireView, missing
from ingestion.models import Batch, Dataset

ROOT: Final = "/data/foundation/catalog"


class CatalogView(WireView):
    """A view over one kind of object: what a writing call answers names that kind."""

    kind = "batches"

    @property
    def batches(self) -> QuerySet[Batch]:
        return Batch.objects.of(self.caller.organisation, self.caller.sandbox)

    @property
    def datasets(self) -> QuerySet[Dataset]:
        return Dataset.objects.of(self.caller.organisation, self.caller.sandbox)

    def batch(self, public_id: str) -> Batch:
        """With all that is shown of it. Raises Problem: 404."""
        found = wire.shown(self.batches).filter(public_id=_plain(public_id)).first()
        if found is None:
            raise missing(f"There is no batch {_shown(public_id)} here.")
        return found

    def dataset(self, public_id: str) -> Dataset:
        """Raises Problem: 404."""
        found = self.datasets.filter(public_id=_plain(public_id)).first()
        if found is None:
            raise missing(f"There is no dataset {_shown(public_id)} here.")
        return found

    def anything(self) -> Any:
        """The JSON in the request's body, of whatever kind. Raises Refused: 400."""
        return bodies.parsed(self.request._request)

    def changed(self, public_id: str, *, is_new: bool = False) -> Response:
        """What a writing call answers: a reference, and where a new object is."""
        headers = {"Location": f"{ROOT}/{self.kind}/{public_id}"} if is_new else None
        return Response(wire.reference(self.kind, public_id), status=201 if is_new else 200, headers=headers)


def _plain(public_id: str) -> str:
    return public_id.replace("\0", "")[:64]


def _shown(public_id: str) -> str:
    return public_id[:64].encode("ascii", "backslashreplace").decode()
