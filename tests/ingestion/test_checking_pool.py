"""The pool of children: what a child suffers is a sentence in a report, and the next file is read as if nothing was."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingestion.checking import check
from ingestion.checking.base import CheckReport, CheckRequest, Limits
from ingestion.checking.pool import Pool
from tests.ingestion.checking_kit import file_of, put, request_of

STRICT = {"required": ["a"], "properties": {"a": {"type": "string"}}}


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as made:
        yield made


def small(folder: Path) -> CheckRequest:
    return request_of(folder, file_of(folder, [{"a": "x"}, {"a": "y"}]))


def endless(folder: Path, limits: Limits) -> CheckRequest:
    """A minute of work for the child's judge, who must see every record."""
    path = put(folder, b'{"b": 1}\n' * 3_000_000, name="endless")
    return request_of(folder, path, schema=STRICT, limits=limits)


def child_of(pool: Pool) -> psutil.Process:
    """Its one child. Other pools of this process may have children too."""
    (pid,) = pool.pids
    return psutil.Process(pid)


def test_a_child_says_what_this_process_would(pool: Pool, tmp_path: Path) -> None:
    request = small(tmp_path)

    assert pool.check(request) == check(request)


def test_a_preview_comes_from_the_child(pool: Pool, tmp_path: Path) -> None:
    found = pool.preview(small(tmp_path), 1)

    assert (found.columns, found.rows, found.problem) == (("a",), (("x",),), None)


def test_a_child_is_used_again(pool: Pool, tmp_path: Path) -> None:
    pool.check(small(tmp_path))
    first = child_of(pool).pid
    pool.check(small(tmp_path))

    assert child_of(pool).pid == first


def test_a_child_is_replaced_after_so_many_files(tmp_path: Path) -> None:
    with Pool(1, recycle_after=1) as pool:
        assert pool.check(small(tmp_path)).read == 2
        assert pool.pids == []
        assert pool.check(small(tmp_path)).read == 2


def test_a_file_that_takes_too_long_is_stopped(pool: Pool, tmp_path: Path) -> None:
    started = time.monotonic()

    report = pool.check(endless(tmp_path, Limits(seconds=1)))

    assert time.monotonic() - started < 30
    assert report.problem
    assert (report.problem.code, report.problem.retry) == ("INGEST-1422-400", False)
    assert "1 seconds" in report.problem.text
    assert pool.check(small(tmp_path)).read == 2


def test_a_file_that_needs_too_much_memory_is_stopped(pool: Pool, tmp_path: Path) -> None:
    path = put(tmp_path, b'{"a": [' + b"0," * 3_000_000 + b"0]}\n", name="large")

    report = pool.check(request_of(tmp_path, path, limits=Limits(memory=64 << 20)))

    assert report.problem
    assert report.problem.code == "INGEST-1421-400"
    assert "64 MiB of memory" in report.problem.text
    assert pool.check(small(tmp_path)).read == 2


@pytest.mark.parametrize(
    ("sign", "code", "retry"), [(signal.SIGKILL, "1423-500", True), (signal.SIGSEGV, "1424-400", False)]
)
def test_a_child_that_dies_at_work_is_told_in_words(
    pool: Pool, tmp_path: Path, sign: signal.Signals, code: str, retry: bool
) -> None:
    pool.check(small(tmp_path))
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(pool.check, endless(tmp_path, Limits(seconds=60)))
        time.sleep(0.5)
        child_of(pool).send_signal(sign)
        report = asked.result(timeout=50)

    assert report.problem
    assert (report.problem.code, report.problem.retry) == (f"INGEST-{code}", retry)
    assert sign.name in report.problem.text
    assert pool.check(small(tmp_path)).read == 2


def test_a_child_that_died_idle_is_replaced_in_silence(pool: Pool, tmp_path: Path) -> None:
    pool.check(small(tmp_path))
    child_of(pool).kill()

    assert pool.check(small(tmp_path)).read == 2


def test_an_unforeseen_error_is_a_problem_to_be_tried_again(pool: Pool, tmp_path: Path) -> None:
    report = pool.check(request_of(tmp_path, tmp_path / "is not there"))

    assert report.problem
    assert (report.problem.code, report.problem.retry) == ("INGEST-1428-500", True)


def test_threads_share_the_pool(pool: Pool, tmp_path: Path) -> None:
    requests = []
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        requests.append(request_of(folder, file_of(folder, [{"n": number}] * (number + 1))))

    with ThreadPoolExecutor(6) as threads:
        reports: list[CheckReport] = list(threads.map(pool.check, requests))

    assert [report.read for report in reports] == list(range(1, 13))
    assert 1 <= len(pool.pids) <= 2


def test_a_child_knows_no_secrets_of_its_parent(pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    pool.check(small(tmp_path))

    assert "DATABASE_URL" not in child_of(pool).environ()


def test_children_end_with_their_parent(tmp_path: Path) -> None:
    file_of(tmp_path, [{"a": "x"}])
    (tmp_path / "out").mkdir()
    script = textwrap.dedent(
        f"""
        import os, signal
        from pathlib import Path
        from ingestion.checking.base import CheckRequest
        from ingestion.checking.pool import Pool
        pool = Pool(1)
        folder = Path({str(tmp_path)!r})
        pool.check(CheckRequest(pieces=(folder / "upload",), name="x", format="json", folder=folder / "out"))
        print(*pool.pids, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)

    child = int(done.stdout)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)
