"""Worker processes for the S3 scenario: those of the other scenarios, with mutants of the loader's own."""

import sys
from typing import Any

from tests.chaos.s3_faults import TWIN


def loading_by_prefix() -> None:
    """What is loaded is what lies in the folders of the parts, not what the rows name."""
    from ingestion import loading
    from ingestion.models import Batch
    from ingestion.rooms import store

    named = loading.live_parts

    def listed(batch: Any) -> list[Any]:
        parts = named(batch)
        folders = sorted({part.key.rpartition("/")[0] for part in parts})
        keys = [item.key for folder in folders for item in store().list(f"{folder}/") if item.key.endswith(".csv.gz")]
        found = [_part_at(batch, key) for key in keys]
        batch.staged_count = sum(part.row_count for part in found)
        Batch.objects.filter(pk=batch.pk).update(staged_count=batch.staged_count)
        return found

    loading.live_parts = listed


def _part_at(batch: Any, key: str) -> Any:
    from ingestion.models import Part

    folder, _, name = key.rpartition("/")
    number = int(name.removeprefix("part-").removesuffix(".csv.gz")) % TWIN
    part = Part.objects.select_related("batch").filter(batch=batch, key=f"{folder}/part-{number}.csv.gz")[0]
    part.key = key
    return part


def believing_every_byte() -> None:
    """Nobody compares what was read with the checksum that was written down."""
    from ingestion import loading
    from ingestion.staging import s3_stream

    loading.Verified._verify = lambda self: None
    opened = s3_stream.ObjectStream.__init__

    def init(self: Any, *arguments: Any, **more: Any) -> None:
        opened(self, *arguments, **more)
        self._sha256 = ""

    s3_stream.ObjectStream.__init__ = init


MUTANTS = {"prefix_list": loading_by_prefix, "no_digest": believing_every_byte}

if __name__ == "__main__":
    from tests.chaos import worker  # sets Django up

    worker.MUTANTS.update(MUTANTS)
    worker.main(sys.argv[1] if len(sys.argv) > 1 else "none")
