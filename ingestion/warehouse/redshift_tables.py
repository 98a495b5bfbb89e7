"""The tables of the books in Redshift: its own words for types, no sequence, and tables whose only use is a lock.

Keys are told to the planner; Redshift enforces none. What must be unique is written by one transaction at a time.
"""

from typing import Final

from ingestion.warehouse.sql import LOAD, LONGEST_TEXT, PART, book

TEXT: Final = f"varchar({LONGEST_TEXT})"
SLOTS: Final = 16  # loads of two datasets with the same slot take turns; each slot is a table, which Redshift counts
TURN: Final = book("_turn")  # whoever changes the books locks this; nobody reads it, so no reader waits

TABLES: Final = (
    f"CREATE TABLE IF NOT EXISTS {TURN} (turn bigint) DISTSTYLE ALL",
    *(f"CREATE TABLE IF NOT EXISTS {book(f'_turn_{slot}')} (turn bigint) DISTSTYLE ALL" for slot in range(SLOTS)),
    f"CREATE TABLE IF NOT EXISTS {book('_number')} (value bigint NOT NULL) DISTSTYLE ALL",
    f"""CREATE TABLE IF NOT EXISTS {book("_datasets")} (dataset bigint NOT NULL, schema_name varchar(127) NOT NULL,
        name varchar(127) NOT NULL, description {TEXT} NOT NULL, shown_as {TEXT} NOT NULL,
        PRIMARY KEY (schema_name, name)) DISTSTYLE ALL""",
    f"""CREATE TABLE IF NOT EXISTS {book("_live")} (dataset bigint NOT NULL PRIMARY KEY, generation bigint,
        row_count bigint NOT NULL) DISTSTYLE ALL""",
    f"""CREATE TABLE IF NOT EXISTS {book("_fence")} (dataset bigint NOT NULL, load_id bigint NOT NULL,
        token bigint NOT NULL, PRIMARY KEY (dataset, load_id)) DISTSTYLE ALL SORTKEY (load_id)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_generations")} (generation bigint NOT NULL PRIMARY KEY,
        dataset bigint NOT NULL, version bigint, load_id bigint NOT NULL, table_name varchar(127) NOT NULL,
        row_count bigint NOT NULL, superseded bigint NOT NULL, live_at timestamptz, retired_at timestamptz,
        retired_by bigint) DISTSTYLE ALL SORTKEY (load_id)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_loads")} (load_id bigint NOT NULL PRIMARY KEY, token bigint NOT NULL,
        facts {TEXT} NOT NULL, published_at timestamptz NOT NULL) DISTSTYLE ALL SORTKEY (load_id)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_ledger")} (load_id bigint NOT NULL, position bigint NOT NULL,
        dataset bigint NOT NULL, generation bigint NOT NULL, mode varchar(16) NOT NULL, token bigint NOT NULL,
        inserted bigint NOT NULL, updated bigint NOT NULL, deleted bigint NOT NULL, superseded bigint NOT NULL,
        live bigint NOT NULL, withdrawn bigint NOT NULL, manifest_digest varchar(256) NOT NULL,
        published_at timestamptz NOT NULL, PRIMARY KEY (load_id, dataset)) DISTSTYLE ALL SORTKEY (load_id)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_parts")} (load_id bigint NOT NULL, dataset bigint, part bigint, task {TEXT},
        uri {TEXT}, row_count bigint, facts {TEXT} NOT NULL) SORTKEY (load_id)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_withdrawals")} (batch bigint NOT NULL, load_id bigint NOT NULL,
        first_part bigint NOT NULL, last_part bigint NOT NULL, dataset bigint NOT NULL, row_count bigint NOT NULL,
        reason varchar(256) NOT NULL, table_name varchar(127) NOT NULL, state varchar(16) NOT NULL,
        withdrawn_at timestamptz NOT NULL, dropped_at timestamptz,
        PRIMARY KEY (batch, load_id, first_part)) DISTSTYLE ALL""",
)
LAST: Final = (  # in one transaction: where the view is, all the others are
    f"INSERT INTO {book('_number')} SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM {book('_number')})",
    f"""CREATE OR REPLACE VIEW {book("lineage")} AS
        SELECT p.load_id AS {LOAD}, p.part AS {PART}, p.dataset, p.task, p.uri, p.row_count, p.facts AS part_facts,
               l.facts AS load_facts, l.published_at
        FROM {book("_parts")} AS p JOIN {book("_loads")} AS l ON l.load_id = p.load_id WITH NO SCHEMA BINDING""",
)
NEWEST: Final = "lineage"


def slot(dataset: int) -> str:
    return book(f"_turn_{dataset % SLOTS}")
