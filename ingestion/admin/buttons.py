"""What a support person may do to a batch. What is not allowed now stays in sight and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.urls import reverse

from ingestion.admin import rights
from ingestion.models import Batch
from ingestion.promotion.asked import is_under_way
from ingestion.promotion.failing import WAITING
from ingestion.promotion.reverting import TAKEN_BACK, why_not_revert
from ingestion.states import OPEN
from ingestion.states import BatchStatus as S

STANDS: Final[dict[str, str]] = {  # how it stands, as the beginning of a reason
    S.LOADING: "Its client is still uploading",
    S.LOADED: "It waits for a worker",
    S.STAGING: "It is being worked on",
    S.RETRYING: "It is tried again by itself",
    S.STALLED: "It has stalled",
    S.SUCCESS: "It is live",
    S.FAILED: "It has failed for good",
    S.ABORTED: "It was aborted",
    S.ABANDONED: "It was abandoned",
    S.INACTIVE: "It was taken out of view",
    S.RETAINED: "It is in the archive",
    S.ARCHIVED: "It is in cold storage",
    S.DELETED: "Its data is deleted",
}

UNDER_WAY: Final = "A worker is moving or deleting its data at this moment: wait until it is done."


@dataclass(frozen=True, kw_only=True)
class Button:
    """`reason` is empty where the button may be used."""

    name: str
    label: str
    icon: str
    about: str
    address: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A verb as the page offers it."""

    label: str
    icon: str
    right: str
    refusal: Callable[[Batch], str]
    about: str = ""  # in the menu, where there is room


def why_not(verb: str, batch: Batch, user: Any) -> str:
    """The reason why this person cannot do this to this batch now, or nothing."""
    offer = OFFERS[verb]
    if said := rights.missing(user, offer.right):
        return said
    if not batch.self_promoting:
        return "This batch belongs to an API run: what is done to the run is done to all of its batches."
    return offer.refusal(batch)


def button(verb: str, batch: Batch, user: Any) -> Button:
    offer = OFFERS[verb]
    return Button(
        name=verb,
        label=offer.label,
        icon=offer.icon,
        about=offer.about,
        address=reverse(f"admin:ingestion_batch_{verb}", args=[batch.pk]),
        reason=why_not(verb, batch, user),
    )


def buttons(batch: Batch, user: Any) -> list[Button]:
    """What is asked for every day."""
    again = "retry" if batch.status == S.RETRYING else "resume"
    return [button(verb, batch, user) for verb in (again, "abort", "revert")] if batch.self_promoting else []


def menu(batch: Batch, user: Any) -> list[Button]:
    """What is asked for now and then."""
    return (
        [button(verb, batch, user) for verb in ("fail", "retain", "archive", "remove")] if batch.self_promoting else []
    )


def _not_abort(batch: Batch) -> str:
    if batch.status in (S.LOADING, S.STALLED):
        return ""
    if batch.status == S.SUCCESS:
        return "It is live already. Revert it to take its rows out of view."
    if batch.status in OPEN:
        return f"{STANDS[batch.status]}: wait how it ends. Only a batch that is loading or stalled can be aborted."
    return f"{STANDS[batch.status]}: there is nothing left to abort."


def _not_resume(batch: Batch) -> str:
    if batch.status == S.STALLED:
        return ""
    if batch.status == S.FAILED:
        return "It has failed for good. Its client must send the data in a new batch."
    return f"{STANDS[batch.status]}. Only a stalled batch is resumed."


def _not_retry(batch: Batch) -> str:
    if batch.status == S.RETRYING:
        return ""
    return f"{STANDS[batch.status]}. Only a batch that waits to be retried can be tried now."


def _not_fail(batch: Batch) -> str:
    if batch.status in WAITING:
        return ""
    if batch.status == S.LOADING:
        return "Its client is still uploading: only the client calls its own upload failed. You can abort it."
    return f"{STANDS[batch.status]}. Only a batch that is retrying or stalled can be failed by hand."


def _not_revert(batch: Batch) -> str:
    if batch.status in TAKEN_BACK:
        return f"{STANDS[batch.status]}: readers see none of its rows already."
    if why_not_revert(batch) is None:
        return ""
    return f"{STANDS[batch.status]}: no row of it is live, so there is nothing to take back."


def _not_retain(batch: Batch) -> str:
    if is_under_way(batch):
        return UNDER_WAY
    if batch.status == S.INACTIVE:
        return "" if settings.ARCHIVE else "This installation keeps no archive; inactive batches are deleted."
    return _first(batch, "Only a batch that was taken out of view is moved to the archive.")


def _not_archive(batch: Batch) -> str:
    if is_under_way(batch):
        return UNDER_WAY
    if batch.status == S.RETAINED:
        return ""
    return _first(batch, "Only a batch in the archive is moved to cold storage.")


def _not_remove(batch: Batch) -> str:
    if is_under_way(batch):
        return UNDER_WAY
    if batch.status in (S.INACTIVE, S.RETAINED, S.ARCHIVED):
        return ""
    return _first(batch, "Only the data of a batch that was taken out of view is deleted.")


def _first(batch: Batch, rule: str) -> str:
    return f"{STANDS[batch.status]}. {rule}{' Revert it first.' if batch.status == S.SUCCESS else ''}"


OFFERS: Final[dict[str, Offer]] = {
    "abort": Offer(label="Abort", icon="cancel", right=rights.CHANGE, refusal=_not_abort),
    "resume": Offer(label="Resume", icon="play_arrow", right=rights.CHANGE, refusal=_not_resume),
    "retry": Offer(label="Try again now", icon="replay", right=rights.CHANGE, refusal=_not_retry),
    "revert": Offer(label="Revert", icon="undo", right=rights.TAKE_AWAY, refusal=_not_revert),
    "fail": Offer(
        label="Fail",
        icon="error",
        right=rights.CHANGE,
        refusal=_not_fail,
        about="Stop trying, and tell the client what to mend.",
    ),
    "retain": Offer(
        label="Move to the archive",
        icon="inventory_2",
        right=rights.TAKE_AWAY,
        refusal=_not_retain,
        about="Write its rows as Parquet into the archive now.",
    ),
    "archive": Offer(
        label="Move to cold storage",
        icon="ac_unit",
        right=rights.TAKE_AWAY,
        refusal=_not_archive,
        about="Move its Parquet file from the archive now.",
    ),
    "remove": Offer(
        label="Delete now",
        icon="delete",
        right=rights.TAKE_AWAY,
        refusal=_not_remove,
        about="Remove what is left of its data, for good.",
    ),
}
