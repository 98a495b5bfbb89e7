"""Making the checked batches of a dataset live: as many together as are ready, in one load, one publisher at a time.

Many small batches share one load, so that a thousand a minute cost the warehouse a few transactions. Whose a row is
stays known by its part number; a group that the data of one batch spoils is taken apart and published one by one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import sleep
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from ingestion import checking, lifecycle, loading
from ingestion.blueprint.columns import Blueprint
from ingestion.blueprint.merge import agree
from ingestion.errors import ConfigFault, Fenced, IngestionError, SchemaFault
from ingestion.marks import marked
from ingestion.models import Batch, Dataset, Part
from ingestion.promotion import grouping, setbacks
from ingestion.promotion.leases import Publisher, publisher_of
from ingestion.promotion.requests import prefix_of
from ingestion.rooms import store, warehouse
from ingestion.states import BatchStatus
from ingestion.warehouse.base import Mode, Published, PublishRequest, Span, StageRequest, TableChange

log = logging.getLogger(__name__)
ACTOR = "publisher"
PARTS = ("label", "number", "key", "columns", "row_count", "size", "sha256", "pages", "batch__dataset")
PROCESSING = "140"  # the wire's code for a batch that could not be processed


def publish_ready(dataset_id: int) -> None:
    """Publish what is ready in a dataset, until nothing is. Returns at once where another worker is at it: that one
    looks again after it has let go."""
    while grouping.ready(dataset_id).exists():
        with publisher_of(dataset_id) as publisher:
            if publisher is None:
                return
            while group := grouping.take(dataset_id):
                publish(publisher, group)
                sleep(settings.PUBLISH_PAUSE_SECONDS)  # what becomes ready meanwhile shares the next load


def publish(publisher: Publisher, group: Sequence[Batch]) -> None:
    """Publish one group. Whatever happens, none of it stays ready: it is live, failed, waiting or taken apart."""
    numbers = [batch.pk for batch in group]
    try:
        with marked(dataset=publisher.dataset, batch=",".join(map(str, numbers[:20])), attempt=publisher.token):
            _publish(publisher, group)
    except Fenced as error:
        log.warning("publishing %s was given up: %s", numbers, error)
    except IngestionError as error:
        if error.transient or isinstance(error, ConfigFault):
            setbacks.meet(numbers, error, doing="publishing")
        else:
            _spoiled(publisher, group, error)
    except Exception as error:  # noqa: BLE001 - the one place where any error of a publish becomes a setback
        setbacks.meet(numbers, error, doing="publishing")


def _publish(publisher: Publisher, group: Sequence[Batch]) -> None:
    load_id = group[0].load_id
    assert load_id is not None
    known = warehouse().published(load_id) if group[0].failures or group[0].temporary else None
    dataset = Dataset.objects.get(pk=publisher.dataset)
    if dataset.deleted_at is not None:
        raise SchemaFault(
            f"The dataset {dataset.title or dataset.name} was deleted while the batch was on its way.",
            advice="Send the data to another dataset.",
        )
    wanted = Part.objects.filter(batch__in=group, merged_into=None)
    parts = list(wanted.select_related("batch").only(*PARTS).order_by("number"))
    agreed = _agreed(dataset, parts)
    if known is None:
        known = _through_the_warehouse(publisher, dataset, group, parts, agreed)
    settle(dataset, group, known, agreed)


def _agreed(dataset: Dataset, parts: Sequence[Part]) -> Blueprint:
    """The dataset's columns after this group: those of its schema, those that it has, those that came."""
    observed: list[tuple[str, Any]] = [(part.label, part.layout) for part in parts]
    if dataset.schema is not None:
        observed.insert(0, ("schema", checking.compile_schema(dataset.schema).columns()))
    agreement = agree(dataset.columns, observed, policy=dataset.schema_policy)
    if agreement.problems:
        raise SchemaFault(
            f"The batch's columns do not fit {dataset.title or dataset.name}, whose policy takes no changes: "
            + "; ".join(agreement.problems[:5]),
            advice="Send the data in the dataset's columns, or have its schema policy changed to evolve.",
        )
    return agreement.blueprint


def _through_the_warehouse(
    publisher: Publisher, dataset: Dataset, group: Sequence[Batch], parts: Sequence[Part], agreed: Blueprint
) -> Published:
    load_id = group[0].load_id
    assert load_id is not None
    key, digest = loading.write_manifest(parts, f"{prefix_of(group[0])}/manifest-{publisher.token}.json")
    target = dataset.target(agreed)
    staged = warehouse().stage(
        StageRequest(
            load_id=load_id,
            attempt=publisher.token,
            target=target,
            columns=agreed.columns,
            parts=tuple(loading.part_words(part, agreed) for part in parts),
            manifest_uri=store().uri(key),
            heartbeat=publisher.heartbeat,
        )
    )
    Batch.objects.filter(pk__in=[batch.pk for batch in group]).update(
        temporary=staged.to_json(), manifest_key=key, manifest_digest=digest
    )
    change = TableChange(
        target=target,
        mode=Mode(group[0].mode) if target.key else Mode.APPEND,
        columns=agreed.columns,
        staged=staged,
        manifest_digest=digest,
        withdraws=predecessor_spans(group),
    )
    return warehouse().publish(
        PublishRequest(
            load_id=load_id,
            token=publisher.token,
            tables=(change,),
            facts={"batches": [batch.public_id for batch in group]},
            parts=tuple(loading.lineage(part) for part in parts),
        )
    )


def predecessor_spans(group: Sequence[Batch]) -> tuple[Span, ...]:
    """The rows that a replay takes out of view as its own become live."""
    return tuple(batch.span for batch in predecessors_of(group) if batch.load_id is not None)


def predecessors_of(group: Sequence[Batch]) -> list[Batch]:
    wanted = [public_id for batch in group for public_id in batch.replay.get("predecessors", ())]
    if not wanted:
        return []
    found = list(Batch.objects.filter(public_id__in=wanted, dataset=group[0].dataset_id).order_by("pk"))
    gone = [batch.public_id for batch in found if batch.status != BatchStatus.SUCCESS]
    if gone:
        raise SchemaFault(
            f"The batch cannot replace {', '.join(gone)}: only a batch that is live and not replaced yet can be.",
            advice="Look at the status of the predecessors, and send the data in a new batch that names live ones.",
        )
    return found


def settle(dataset: Dataset, group: Sequence[Batch], answer: Published, agreed: Blueprint) -> None:
    """Write down what a publish did. Repeating it changes nothing."""
    effect = answer.effects[0]
    alone = len(group) == 1
    counts: dict[str, Any] = {
        "blueprint": agreed.to_json(),
        "loaded_count": F("staged_count"),
        "inserted_count": effect.inserted if alone else F("staged_count"),
        "updated_count": effect.updated if alone else None,
        "live_count": effect.live,
        "temporary": None,
        "not_before": None,
    }
    with transaction.atomic():
        Dataset.objects.select_for_update(no_key=True).get(pk=dataset.pk)
        moved = lifecycle.move_all([b.pk for b in group], BatchStatus.SUCCESS, actor=ACTOR, **counts)
        if not moved:
            return
        Dataset.objects.filter(pk=dataset.pk).update(
            blueprint=agreed.to_json(), live_rows=effect.live, live_load=answer.load_id, live_at=Now()
        )
        for batch in group:
            if replaced := batch.replay.get("predecessors"):
                before = Batch.objects.filter(public_id__in=replaced)
                numbers = list(before.values_list("pk", flat=True))
                reason = f"replaced by {batch.public_id}"
                lifecycle.deactivate(numbers, actor=ACTOR, reason=reason, successor=batch)
                # one that was reverted while the answer of this publish was lost had been replaced by then
                before.filter(successor=None).update(successor=batch, version=F("version") + 1)


def _spoiled(publisher: Publisher, group: Sequence[Batch], error: IngestionError) -> None:
    """The data of this group cannot be taken. Nothing of it became live: the load is shut before anything is said."""
    load_id = group[0].load_id
    assert load_id is not None
    if warehouse().give_up(load_id, token=publisher.token, datasets=(publisher.dataset,)) is not None:
        setbacks.meet([batch.pk for batch in group], error, doing="publishing")  # it is live: the next try settles it
        return
    warehouse().discard(load_id)
    if len(group) > 1:
        Batch.objects.filter(pk__in=[batch.pk for batch in group]).update(alone=True, load=None, temporary=None)
        return
    text = f"{error.message} {error.advice}".strip()
    entry = {"code": PROCESSING, "description": text, "rows": []}
    lifecycle.fail(group[0].pk, actor=ACTOR, reason=text, errors=[entry], temporary=None)
