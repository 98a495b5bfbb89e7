"""Wait for statements that are being planned. Postgres reads the list of a table's partitions as it plans a statement,
and takes the snapshot that the statement runs with after that: a reader who planned before a generation was attached,
and runs after it went live, would follow the pointer to a partition that its plan does not hold, and see no rows.
"""

import time
from collections.abc import Sequence
from typing import Final

from ingestion.warehouse.postgres_session import PostgresSession

PLANNING: Final = 2.0  # seconds; a statement that is older than this has been planned, and is running
LOOK_EVERY: Final = 0.002
# A plan holds locks on its relations from its first look at them. Whose statements we may not see has no start.
READERS: Final = """
SELECT l.pid, l.virtualtransaction FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessShareLock' AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT to_regclass(name)::oid FROM unnest(?::text[]) AS name)
  AND coalesce(a.state = 'active' AND clock_timestamp() - a.query_start < make_interval(secs => ?), true)
"""


def wait_for_planners(session: PostgresSession, relations: Sequence[str]) -> None:
    """Until every statement on these relations that may have been planned before this moment has ended, or is older
    than planning takes. Outside of a transaction."""
    if not relations:
        return
    until = time.monotonic() + PLANNING
    waited_for = _readers(session, relations)
    while waited_for and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        waited_for &= _readers(session, relations)


def _readers(session: PostgresSession, relations: Sequence[str]) -> set[tuple[int, str]]:
    return {(pid, transaction) for pid, transaction in session.rows(READERS, (list(relations), PLANNING))}
