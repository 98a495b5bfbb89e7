"""The named points at which a worker or the sweeper may be told to die: before and after each of these steps.

A point is armed by a file of its name; the process that takes the file away dies there, by its own hand, at once.
"""

import os
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

FOLDER = "HEADGATE_CHAOS_POINTS"
STEPS = {
    # what workers say of tasks and runs
    "claim a task": "runs.lifecycle.working:claim",
    "move a task": "runs.lifecycle.working:move_task",
    "move a run": "runs.lifecycle.working:move_run",
    "write a checkpoint": "runs.lifecycle.working:checkpoint",
    "count calls": "runs.lifecycle.working:count_calls",
    "finish a task": "runs.lifecycle.working:finish",
    "count an ended task": "runs.lifecycle.working:ended",
    "add tasks": "runs.lifecycle.working:add_tasks",
    "open a phase": "runs.lifecycle.working:open_phase",
    "name a table": "runs.lifecycle.ending:name_table",
    "complete a run": "runs.lifecycle.ending:complete",
    "move bookmarks": "runs.lifecycle.ending:_move_bookmarks",
    "open a data load": "runs.lifecycle.ending:_open_data_load",
    "record a move": "runs.lifecycle.moves:record",
    "settle a publish": "runs.stages.completion:settle_published",
    # batches and the store
    "commit parts": "ingestion.batches:commit",
    "convert a spool": "ingestion.batches:convert",
    "put a staged file": "ingestion.staging.local:LocalStore.put",
    "put a manifest": "ingestion.staging.local:LocalStore.put_bytes",
    "open a staged file": "ingestion.staging.local:LocalStore.open",
    "fetch a staged file": "ingestion.staging.local:LocalStore.fetch",
    "agree on columns": "ingestion.consolidation:agree_on_blueprint",
    "merge parts": "ingestion.consolidation:_merge",
    "complete a batch": "ingestion.lifecycle:complete",
    "start staging a batch": "ingestion.lifecycle:start_staging",
    "settle batches": "ingestion.loading:settle",
    # the warehouse: loading
    "make a generation": "ingestion.warehouse.books:new_generation",
    "load parts": "ingestion.warehouse.postgres:load_parts",
    "note loaded rows": "ingestion.warehouse.books:note_rows",
    # the warehouse: a publish, in its order
    "publish": "ingestion.warehouse.publishing:publish",
    "read the ledger": "ingestion.warehouse.books:published",
    "enter a dataset": "ingestion.warehouse.books:enter_dataset",
    "raise the fence": "ingestion.warehouse.fencing:advance",
    "shape the store": "ingestion.warehouse.postgres_store:shape_store",
    "build a key's index": "ingestion.warehouse.postgres_store:build_key_index",
    "attach a generation": "ingestion.warehouse.postgres_store:attach",
    "check the fence": "ingestion.warehouse.fencing:check",
    "insert into a live table": "ingestion.warehouse.publishing:_insert",
    "switch to a generation": "ingestion.warehouse.publishing:_switch",
    "point at a generation": "ingestion.warehouse.books:point",
    "retire a generation": "ingestion.warehouse.books:retire",
    "write the load": "ingestion.warehouse.books:write_load",
    "write the effects": "ingestion.warehouse.books:write_effects",
    "clear after a publish": "ingestion.warehouse.publishing:_clear",
    # wake-ups, and the sweeper
    "send a wake-up": "runs.dispatch:send",
    "sweep": "runs.local:sweep",
    "take a task back": "runs.upkeep:take_back",
    "wake again": "runs.upkeep:wake_again",
}
POINTS = tuple(f"{when} {step}" for step in STEPS for when in ("before", "after"))


def armed(point: str, *, times: int) -> None:
    """Whoever comes to this point next dies there, and so does the next, `times` times."""
    for number in range(times):
        Path(os.environ[FOLDER], f"{point}.{number}").touch()


def left() -> dict[str, int]:
    """The points that are still armed, and how often."""
    found: dict[str, int] = {}
    for file in Path(os.environ[FOLDER]).iterdir():
        found[file.stem] = found.get(file.stem, 0) + 1
    return found


def disarm() -> None:
    for file in Path(os.environ[FOLDER]).iterdir():
        file.unlink(missing_ok=True)


def install() -> None:
    """Put the points around the steps of this process, where a folder for them is named."""
    if FOLDER not in os.environ:
        return
    for step, place in STEPS.items():
        module, _, path = place.partition(":")
        owner: Any = import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, name, _between(step, getattr(owner, name)))


def _between(step: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **more: Any) -> Any:
        _die_at(f"before {step}")
        answer = call(*arguments, **more)
        _die_at(f"after {step}")
        return answer

    return called


def _die_at(point: str) -> None:
    for number in (0, 1):
        try:
            Path(os.environ[FOLDER], f"{point}.{number}").unlink()
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
