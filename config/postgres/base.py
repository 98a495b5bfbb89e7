"""A kept connection is looked at before each request. A query for that costs as much as any other, and there are many
requests: here the socket is asked, which a server that went away has closed."""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Postgres, as Django knows it."""

    connection: Any

    def is_usable(self) -> bool:
        """False once the server has closed the connection. Anything unexpected on it is settled by a query."""
        if self.connection is None or self.connection.closed:
            return False
        try:
            readable, _, _ = select.select([self.connection.fileno()], [], [], 0)
        except (OSError, ValueError):  # closed, or a descriptor beyond what select takes
            return super().is_usable()
        return super().is_usable() if readable else True
