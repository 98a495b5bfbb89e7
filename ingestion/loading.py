"""The one door into a live table: stage a batch into a temporary table, publish batches together, settle the counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, cast

from django.db.models.functions import Now

from ingestion import lifecycle
from ingestion.blueprint.columns import Blueprint
from ingestion.blueprint.merge import relabel
from ingestion.errors import DataFault
from ingestion.formats.base import PARENT_COLUMN
from ingestion.models import Batch, Dataset, Load, Part
from ingestion.rooms import store, warehouse
from ingestion.staging.base import ObjectMissing
from ingestion.states import BatchStatus
from ingestion.warehouse import base as words


def target_label() -> str:
    """The warehouse's name in task names: "Postgres ingestion: surveys"."""
    return warehouse().label


def live_parts(batch: Batch) -> list[Part]:
    """The parts that the manifest lists: those that no merge has replaced."""
    return list(batch.parts.filter(merged_into=None).order_by("number"))


def stage(batch: Batch, *, attempt: int, manifest_prefix: str, actor: str, heartbeat: Callable[[], None]) -> int:
    """Load the batch's parts into a temporary table of its own and verify the count; answers the rows.

    Safe to repeat: a new attempt writes a new manifest and fills a new table. Nothing becomes visible.
    """
    lifecycle.start_staging(batch.pk, actor=actor)
    parts = live_parts(batch)
    if sum(part.row_count for part in parts) != batch.staged_count:
        raise DataFault(
            f"The staged files of {batch.dataset} hold {sum(part.row_count for part in parts):,} rows, "
            f"but {batch.staged_count:,} were staged.",
            advice="Start the run again with everything extracted anew.",
        )
    assert batch.load_id is not None  # its run gave it one
    key, digest = write_manifest(parts, f"{manifest_prefix}/manifest-{attempt}.json")
    columns = batch.agreed
    staged = warehouse().stage(
        words.StageRequest(
            load_id=batch.load_id,
            attempt=attempt,
            target=batch.dataset.target(columns),
            columns=columns.columns,
            parts=tuple(part_words(part, columns) for part in parts),
            manifest_uri=store().uri(key),
            heartbeat=heartbeat,
        )
    )
    Batch.objects.filter(pk=batch.pk).update(
        manifest_key=key, manifest_digest=digest, temporary=staged.to_json(), loaded_count=staged.rows
    )
    return staged.rows


def write_manifest(parts: Sequence[Part], key: str) -> tuple[str, str]:
    """Store the list of what is to be loaded; answers its key and digest."""
    entries = [
        {"url": store().uri(part.key), "mandatory": True, "meta": {"content_length": part.size}} for part in parts
    ]
    data = json.dumps({"entries": entries}, indent=1).encode()
    store().put_bytes(key, data)
    return key, hashlib.sha256(data).hexdigest()


def part_words(part: Part, agreed: Blueprint) -> words.Part:
    """A staged part in the warehouse's words, with its columns under the agreed names."""
    return words.Part(
        uri=store().uri(part.key),
        columns=(*(column.name for column in relabel(part.layout, agreed)), "_part"),
        rows=part.row_count,
        size=part.size,
        sha256=part.sha256,
        open=lambda: cast(IO[bytes], Verified(store().open(part.key), part)),
    )


class Verified:
    """A part's stream that refuses to end unless its size and digest are those that were recorded."""

    def __init__(self, stream: IO[bytes], part: Part) -> None:
        self._stream, self._part = stream, part
        self._digest, self._size = hashlib.sha256(), 0
        self.name = getattr(stream, "name", None)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._digest.update(data)
        self._size += len(data)
        if not data or size < 0:
            self._verify()
        return data

    def _verify(self) -> None:
        if self._size != self._part.size or self._digest.hexdigest() != self._part.sha256:
            raise ObjectMissing(
                f"A staged file of {self._part.batch.dataset} is not what was written: {self._size:,} bytes instead "
                f"of {self._part.size:,}, or other bytes ({self._part.key}).",
                advice="Start the run again with everything extracted anew; tell the owner of the staging store.",
            )

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Verified:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def publish(load: Load, batches: Sequence[Batch], *, token: int, facts: Mapping[str, Any]) -> words.Published:
    """Make all tables of a load live at once, by the ledger. Writes nothing to the control database: hand the answer
    to `settle` in the transaction that completes the work. Safe to repeat."""
    by_source = {batch.dataset.source_name: batch for batch in batches}
    changes = tuple(_change(batch, by_source.get(batch.parent)) for batch in batches)
    parts = tuple(lineage(part) for batch in batches for part in batch.parts.all())
    return warehouse().publish(
        words.PublishRequest(load_id=load.pk, token=token, tables=changes, facts=facts, parts=parts)
    )


def _change(batch: Batch, parent: Batch | None) -> words.TableChange:
    columns = batch.agreed
    names = columns.by_source()
    cursor = names.get(batch.cursor)
    if batch.staged is None:
        raise DataFault(f"{batch.dataset} has not been staged, so it cannot be published.", advice="Retry the run.")
    return words.TableChange(
        target=batch.dataset.target(columns),
        mode=words.Mode(batch.mode),
        columns=columns.columns,
        staged=batch.staged,
        order=cursor.name if cursor else None,
        window=(cursor.name, batch.window_from) if cursor and batch.mode == words.Mode.WINDOW else None,
        manifest_digest=batch.manifest_digest,
        parent=_parent(parent) if parent and batch.mode == words.Mode.MERGE else None,
    )


def _parent(batch: Batch) -> words.Parent | None:
    key = batch.dataset.target(batch.agreed).key
    if not key or batch.staged is None:
        return None
    return words.Parent(staged=batch.staged, key=key, child_column=PARENT_COLUMN)


def lineage(part: Part) -> dict[str, Any]:
    """What the warehouse keeps of a part, to find the way back from a row."""
    return {
        "number": part.number,
        "dataset": part.batch.dataset_id,
        "task": part.label,
        "requests": part.pages,
        "uri": store().uri(part.key),
        "rows": part.row_count,
    }


def give_up(load_id: int, *, token: int, datasets: Sequence[int]) -> words.Published | None:
    """Shut out every publish of this load that holds `token` or an older one, even one that is frozen half way, and
    answer what the ledger says; None when nothing is live, and then by those nothing ever will be."""
    return warehouse().give_up(load_id, token=token, datasets=datasets)


def settle(answer: words.Published, batches: Sequence[Batch], *, actor: str) -> None:
    """Write down what a publish did. Call in the transaction that completes the work; repeating it changes nothing."""
    effects = {effect.dataset: effect for effect in answer.effects}
    for batch in batches:
        effect = effects.get(batch.dataset_id)
        if effect is None or batch.status == BatchStatus.SUCCESS:
            continue
        lifecycle.start_staging(batch.pk, actor=actor)
        lifecycle.succeed(
            batch.pk,
            actor=actor,
            inserted_count=effect.inserted,
            updated_count=effect.updated,
            deleted_count=effect.deleted,
            live_count=effect.live,
        )
        Dataset.objects.filter(pk=batch.dataset_id).update(
            blueprint=batch.blueprint, live_rows=effect.live, live_load=answer.load_id, live_at=Now()
        )


def discard(load_id: int) -> int:
    """Drop the temporary tables of a load that will not be published."""
    return warehouse().discard(load_id)


def tidy(*, keep_generations: int) -> int:
    return warehouse().tidy(keep_generations=keep_generations)
