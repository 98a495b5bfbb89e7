"""A large file in chunks over the Import API: its rate against a plain copy of the same bytes, and the web's memory."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import threading
import time
from pathlib import Path

import psutil

from benchmarks.batches import Client, Town, town
from benchmarks.rig import spread, table

BLOCK = 1 << 20


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--chunk", type=int, default=256, help="megabytes")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args(arguments)
    with town(web=1, workers=1, threads=2) as place:
        client = Client(place)
        client.log_in()
        dataset = client.dataset("large")
        source = place.folder / "large.bin"
        digest = _make(source, options.megabytes)
        rates, ratios, memory = [], [], []
        for number in range(options.runs):
            limit = _copy(source, place.folder / "copy.bin")
            watch = Watch(place)
            watch.start()
            seconds = _upload(client, dataset, source, options.chunk << 20, number)
            memory.append(watch.stop())
            rates.append(options.megabytes / seconds)
            ratios.append(limit / seconds)
            _verify(place, options.megabytes, digest)
        table(
            {
                "file": f"{options.megabytes:,} MB in chunks of {options.chunk} MB, {options.runs} runs",
                "upload": spread(rates, "{:,.0f}") + " MB/s",
                "against a hashed, synced copy on disk": spread(ratios),
                "the web's memory, from first to last chunk": ", ".join(f"{a} → {b} MB" for a, b in memory),
            }
        )
    return 0


def _make(path: Path, megabytes: int) -> str:
    block, digest = os.urandom(BLOCK), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def _copy(source: Path, target: Path) -> float:
    """Seconds to read, hash, write and sync the same bytes: what any server that keeps its promise must do."""
    started, digest = time.monotonic(), hashlib.sha256()
    with source.open("rb") as reading, target.open("wb") as writing:
        while block := reading.read(BLOCK):
            digest.update(block)
            writing.write(block)
        writing.flush()
        os.fsync(writing.fileno())
    target.unlink()
    return time.monotonic() - started


class Watch(threading.Thread):
    """The resident memory of the web's processes, at the start and at its highest."""

    def __init__(self, place: Town) -> None:
        super().__init__(daemon=True)
        root = psutil.Process(place.pids["web"])
        self._processes = [root, *root.children(recursive=True)]
        self._over = threading.Event()
        self._first = self._highest = self._now()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self._processes) >> 20

    def run(self) -> None:
        while not self._over.wait(0.05):
            self._highest = max(self._highest, self._now())

    def stop(self) -> tuple[int, int]:
        self._over.set()
        self.join()
        return self._first, self._highest


def _upload(client: Client, dataset: str, source: Path, chunk: int, number: int) -> float:
    made = {"datasetId": dataset, "inputFormat": {"format": "json"}}
    batch = client.call("POST", "/data/foundation/import/batches", json.dumps(made))["id"]
    place = f"/data/foundation/import/batches/{batch}/datasets/{dataset}/files/large-{number}.json"
    total = source.stat().st_size
    started = time.monotonic()
    client.call("POST", f"{place}?action=INITIALIZE")
    for first in range(0, total, chunk):
        last = min(first + chunk, total) - 1
        with source.open("rb") as file:
            file.seek(first)
            client.send(place, file, last - first + 1, f"bytes {first}-{last}/{total}")
    client.call("POST", f"{place}?action=COMPLETE")
    seconds = time.monotonic() - started
    client.call("POST", f"/data/foundation/import/batches/{batch}?action=ABORT")
    if client.faults:
        raise SystemExit(client.faults[0])
    return seconds


def _verify(place: Town, megabytes: int, digest: str) -> None:
    """The pieces of the upload, one after the other, are the file."""
    found, size = hashlib.sha256(), 0
    newest = max(place.folder.glob("var/staging/**/*"), key=lambda path: path.stat().st_mtime if path.is_file() else 0)
    for path in sorted(newest.parent.iterdir(), key=lambda path: path.stat().st_mtime):
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
                size += len(block)
        path.unlink()
    if (size, found.hexdigest()) != (megabytes << 20, digest):
        raise SystemExit(f"the upload is not the file: {size} bytes")
