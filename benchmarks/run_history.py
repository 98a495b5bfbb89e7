"""Years of runs in one go: sources, runs, tasks, tables and messages made by the database itself, as they would be."""

import json
from typing import Any

from django.db import connection, models

from connectors.models import ConfigRevision, Connector, DataSource
from ingestion.models import Batch, Dataset, Load
from runs.models import Message, Run, TableLoad, Task

SOURCES, TASKS, AT_ONCE, BIG = 300, 10, 50_000, 1_000
KINDS = ("extraction", "metadata_consolidation", "table_consolidation", "ingestion", "completion")
NAMES = ("Surveys", "Employees", "Job postings", "Cost centres", "Absences", "Positions", "Payroll results")
TEXT = "“Surveys” refused our login (401) at page 1 after three attempts. No table was changed."
# The older half of the time has fewer runs; a few sources have most of them.
RUN = {
    "id": "n",
    "source_id": f"CASE WHEN n > {{runs}} - 40 THEN 1 + n % {SOURCES} ELSE 1 + floor({SOURCES} * power(a, 2))::int END",
    "config_id": "1",
    "load_id": "1",
    "mode": "CASE WHEN b < 0.3 THEN 'destructive' ELSE 'incremental' END",
    "status": """CASE WHEN n > {runs} - 30 THEN 'running' WHEN n > {runs} - 40 THEN 'waiting'
        WHEN c < 0.06 THEN 'failed' WHEN c < 0.1 THEN 'rejected' WHEN c < 0.12 THEN 'cancelled' ELSE 'completed' END""",
    "open_key": f"(1 + n % {SOURCES})::text",
    "trigger": """CASE WHEN d < 0.7 THEN 'schedule' WHEN d < 0.85 THEN 'api' WHEN d < 0.96 THEN 'person'
        ELSE 'retry' END""",
    "requested_by": "CASE WHEN d < 0.7 THEN '' ELSE 'person-' || (n * 7 % 40) END",
    "fault": "CASE WHEN c >= 0.06 THEN '' WHEN b < 0.3 THEN 'auth' WHEN b < 0.9 THEN 'transient' ELSE 'schema' END",
    "outcome": "CASE WHEN c < 0.06 THEN 'Failed: “Surveys” failed. No table was changed.' ELSE 'All are live.' END",
    "task_count": str(TASKS),
    "ended_task_count": f"CASE WHEN n > {{runs}} - 40 THEN 3 ELSE {TASKS} END",
    "row_count": "floor(exp(8 + 6 * e))::bigint",
    "message_count": "CASE WHEN c < 0.06 THEN 1 ELSE 0 END",
    "worst_level": "CASE WHEN c < 0.06 THEN 3 WHEN c > 0.97 THEN 2 ELSE 0 END",
    "created_at": "at",
    "started_at": """CASE WHEN n > {runs} - 40 AND n <= {runs} - 30 OR c >= 0.06 AND c < 0.1 THEN NULL
        ELSE at + e * interval '40 s' END""",
    "finished_at": """CASE WHEN n > {runs} - 40 THEN NULL WHEN c >= 0.06 AND c < 0.1 THEN at
        ELSE at + e * interval '40 s' + exp(3 + 6 * f) * interval '1 s' END""",
}
DRAWN = """FROM (SELECT n, random() a, random() b, random() c, random() d, random() e, random() f,
    now() - interval '720 days' * power(1 - n / {runs}::float, 1.5) AS at
    FROM generate_series({first}, {last}) n) drawn"""
TASK = {
    "run_id": "run.id",
    "kind": "(ARRAY[{kinds}])[1 + t % 5]",
    "key": "'part-' || t",
    "name": "(ARRAY[{names}])[1 + t % 7] || ' ' || t",
    "acronym": "lower(left((ARRAY[{names}])[1 + t % 7], 1)) || t",
    "status": """CASE run.status
        WHEN 'failed' THEN CASE WHEN t = 3 THEN 'failed' WHEN t > 3 THEN 'skipped' ELSE 'completed' END
        WHEN 'running' THEN CASE WHEN t < 3 THEN 'completed' WHEN t = 3 THEN 'running' ELSE 'waiting' END
        WHEN 'completed' THEN 'completed' ELSE 'cancelled' END""",
    "attempt": "1",
    "output": "'{{}}'::jsonb",
    "row_count": "run.row_count / 10",
    "table_count": "1",
    "created_at": "run.created_at",
    "started_at": "run.started_at",
    "finished_at": "run.finished_at",
}


def furnish(runs: int, *, say: Any = print) -> int:
    """Fill an empty, migrated Postgres; answers the id of a completed run with a thousand tasks."""
    Load.objects.create(pk=1)
    connector = Connector.objects.create(name="Benchmark", manifest="version: 1")
    names = [
        DataSource(pk=n, name=f"Source {n:03}", connector=connector, namespace=f"s{n}") for n in range(1, SOURCES + 1)
    ]
    DataSource.objects.bulk_create(names)
    ConfigRevision.objects.create(pk=1, source_id=1, number=1, digest="0" * 64, manifest="version: 1")
    datasets = Dataset.objects.bulk_create([Dataset(namespace=f"s{n}", name="surveys") for n in range(1, SOURCES + 1)])
    Batch.objects.bulk_create([Batch(dataset=dataset, owner=f"run/{dataset.pk}", load_id=1) for dataset in datasets])
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # foreign keys hold by construction
        for first in range(1, runs + 1, AT_ONCE):
            last = min(first + AT_ONCE - 1, runs)
            cursor.execute(_insert(Run, RUN, DRAWN, runs=runs, first=first, last=last))
            big = runs - 50 if first <= runs - 50 <= last else 0
            cursor.execute(_tasks(first, last, big))
            say(f"  {last:,} runs", flush=True)
        big = runs - 50
        cursor.execute(BIG_RUN, [BIG, BIG, big])
        cursor.execute("UPDATE runs_task SET status = 'completed' WHERE run_id = %s", [big])
        cursor.execute(_insert(TableLoad, TABLES, TABLES_OF, least=runs - min(runs // 10, 20_000)))
        cursor.execute(_insert(Message, MESSAGES, "FROM runs_run run WHERE run.status = 'failed'"))
        for table in ("runs_run", "runs_task", "runs_tableload", "runs_message"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("VACUUM ANALYZE")
    return big


BIG_RUN = """UPDATE runs_run SET status = 'completed', task_count = %s, ended_task_count = %s, started_at = created_at,
    finished_at = created_at + interval '1 h' WHERE id = %s"""
TABLES_OF = "FROM runs_task task JOIN runs_run run ON run.id = task.run_id WHERE task.run_id > {least}"
TABLES = {
    "run_id": "task.run_id",
    "task_id": "task.id",
    "batch_id": "run.source_id",
    "name": "lower(replace(task.name, ' ', '_'))",
    "row_count": "task.row_count",
}
MESSAGES = {
    "run_id": "run.id",
    "level": "3",
    "code": "run.fault",
    "text": f"'{TEXT}'",
    "advice": "'Renew the client secret, then retry.'",
    "fingerprint": "md5(run.source_id || run.fault)",
    "created_at": "run.finished_at",
    "last_at": "run.finished_at",
}


def _tasks(first: int, last: int, big: int) -> str:
    kinds, names = (", ".join(f"'{word}'" for word in words) for words in (KINDS, NAMES))
    rows = (
        f"FROM runs_run run CROSS JOIN LATERAL generate_series(1, CASE run.id WHEN {big} THEN {BIG} ELSE {TASKS} END) t"
        f" WHERE run.id BETWEEN {first} AND {last} ORDER BY run.id, t"
    )
    return _insert(Task, TASK, rows, kinds=kinds, names=names)


def _insert(model: type[models.Model], columns: dict[str, str], rows: str, **values: Any) -> str:
    """INSERT … SELECT with every column: those that are not given have the model's own defaults."""
    given = {name: text.format(**values) for name, text in columns.items()}
    for field in model._meta.concrete_fields:
        usual = field.db_default is not models.NOT_PROVIDED or field.null or field.primary_key or field.generated
        if field.column not in given and not usual:
            given[field.column] = _literal(field.get_default())
    names = ", ".join(f'"{name}"' for name in given)
    return f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(given.values())} {rows.format(**values)}"


def _literal(value: Any) -> str:
    if isinstance(value, bool | int | float):
        return str(value)
    return f"'{json.dumps(value)}'" if isinstance(value, dict | list) else f"'{value or ''}'"
