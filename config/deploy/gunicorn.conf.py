"""gunicorn for the web processes. Threads wait for the database and the store, so there are several to a process."""

import os

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
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(b)s %(M)sms'  # no query: it may name what is searched for
