"""Asks this container's /health/ready once; exits 0 when it is ready, else 1. Needs nothing but Python."""

import os
import sys
from http.client import HTTPConnection, HTTPException

ADDRESS = "127.0.0.1"


def main() -> int:
    port = int(os.environ.get("HEALTH_PORT") or os.environ.get("PORT") or 8000)
    names = [name for name in os.environ.get("DJANGO_ALLOWED_HOSTS", "").split(",") if name and "*" not in name]
    host = names[0].lstrip(".") if names else ADDRESS
    connection = HTTPConnection(ADDRESS, port, timeout=4)
    try:
        connection.request("GET", "/health/ready", headers={"Host": host, "X-Forwarded-Proto": "https"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stderr.write(f"port {port}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"port {port}: answered {status}\n")
    return int(status != 200)


raise SystemExit(main())
