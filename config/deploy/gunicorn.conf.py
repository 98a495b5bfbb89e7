"""gunicorn for the web processes. Threads wait for the database and the store, so there are several to a process."""

import mmap
import os
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

bind = f"{os.environ.get('HOST', '0.0.0.0')}:{os.environ.get('PORT', '8000')}"  # noqa: S104 - inside a container
worker_class = "gthread"
workers = int(os.environ.get("WEB_PROCESSES", "2"))
threads = int(os.environ.get("WEB_THREADS", "8"))  # each may hold one connection to the control database
worker_tmp_dir = "/dev/shm"  # noqa: S108 - sign of life of a worker: on a disk it can block
timeout = 120  # seconds without a sign of life from a process; no limit of a request
graceful_timeout = 60  # what is being uploaded may end; below the stop grace of the container and of systemd
keepalive = 75  # longer than the proxy keeps idle connections, so that the proxy ends them
max_requests = 20_000
max_requests_jitter = 2_000
limit_request_line = 8190  # a file's path and a filter may be long
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
control_socket_disable = True
accesslog = None  # config.observing.requests writes a line for each request, with its number
if workers > 1:  # the figures of all processes are added up from files, which must be there before the first of them
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="headgate-metrics-"))
_drain = float(os.environ.get("WEB_DRAIN_SECONDS", "5"))  # a stop is told by /health/ready for so long; then it begins


def on_starting(server: Any) -> None:
    """What processes of an earlier start counted is none of this one's; a new binary beside an old one leaves it."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder and not server.master_pid:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path in Path(folder).glob("*.db"):
            path.unlink()


def when_ready(server: Any) -> None:
    """A stop of all is told apart from the end of one process (a reload): the byte is seen by every process."""
    server.stopping = mmap.mmap(-1, 1)

    def stop(number: int, frame: Any) -> None:
        server.stopping[0] = 1
        server.signal(number, frame)

    signal.signal(signal.SIGTERM, stop)


def pre_fork(server: Any, worker: Any) -> None:
    worker.stopping = server.stopping


def post_worker_init(worker: Any) -> None:
    """At a stop of all the process goes on answering while its readiness is already false, so that a balancer sends
    nothing more: it has the listening sockets still, when those of the arbiter are closed."""
    from runs.shutdown import shutting_down

    def stop(number: int, frame: Any) -> None:
        if worker.stopping[0] and _drain and not shutting_down.is_set():
            shutting_down.set()
            timer = threading.Timer(_drain, worker.handle_exit, (number, frame))
            timer.daemon = True
            timer.start()
        else:
            worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.siginterrupt(signal.SIGTERM, False)


def child_exit(server: Any, worker: Any) -> None:
    """What a process that is gone has counted stays; what it holds now does not."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
