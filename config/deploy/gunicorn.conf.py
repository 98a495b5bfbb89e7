"""gunicorn for the web processes. Threads wait for the database and the store, so there are several to a process."""

import os
import tempfile
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
accesslog = "-"
if workers > 1:  # the figures of all processes are added up from files, which must be there before the first of them
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="headgate-metrics-"))
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'  # no query: it may name what is searched for


def child_exit(server: Any, worker: Any) -> None:
    """What a process that is gone has counted stays; what it holds now does not."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
