"""The tables of the books, as statements that make what is missing. Every engine understands them."""

from typing import Final

from ingestion.warehouse.sql import BOOKS, LOAD, PART, book, quote

NUMBERS: Final = f"{quote(BOOKS)}._generation_number"

# The keys are for engines that enforce them; where one process owns the file, its lock does.
TABLES: Final = (
    f"CREATE SEQUENCE IF NOT EXISTS {NUMBERS}",
    f"""CREATE TABLE IF NOT EXISTS {book("_datasets")} (dataset bigint NOT NULL, schema_name text NOT NULL,
        name text NOT NULL, description text NOT NULL, shown_as text NOT NULL {{name_key}})""",
    f"""CREATE TABLE IF NOT EXISTS {book("_live")} (dataset bigint NOT NULL {{key}}, generation bigint,
        row_count bigint NOT NULL)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_fence")} (dataset bigint NOT NULL, load_id bigint NOT NULL,
        token bigint NOT NULL {{fence_key}})""",
    f"""CREATE TABLE IF NOT EXISTS {book("_generations")} (generation bigint NOT NULL {{key}}, dataset bigint NOT NULL,
        version bigint, load_id bigint NOT NULL, table_name text NOT NULL, row_count bigint NOT NULL,
        superseded bigint NOT NULL, live_at timestamptz, retired_at timestamptz, retired_by bigint)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_loads")} (load_id bigint NOT NULL {{key}}, token bigint NOT NULL,
        facts json NOT NULL, published_at timestamptz NOT NULL)""",
    f"""CREATE TABLE IF NOT EXISTS {book("_ledger")} (load_id bigint NOT NULL, position bigint NOT NULL,
        dataset bigint NOT NULL, generation bigint NOT NULL, mode text NOT NULL, token bigint NOT NULL,
        inserted bigint NOT NULL, updated bigint NOT NULL, deleted bigint NOT NULL, superseded bigint NOT NULL,
        live bigint NOT NULL, manifest_digest text NOT NULL, published_at timestamptz NOT NULL {{ledger_key}})""",
    f"""CREATE TABLE IF NOT EXISTS {book("_parts")} (load_id bigint NOT NULL, dataset bigint, part bigint,
        task text, uri text, row_count bigint, facts json NOT NULL)""",
    f"ALTER TABLE {book('_ledger')} ADD COLUMN IF NOT EXISTS withdrawn bigint DEFAULT 0",
    f"""CREATE TABLE IF NOT EXISTS {book("_withdrawals")} (batch bigint NOT NULL, load_id bigint NOT NULL,
        first_part bigint NOT NULL, last_part bigint NOT NULL, dataset bigint NOT NULL, row_count bigint NOT NULL,
        reason text NOT NULL, table_name text NOT NULL, state text NOT NULL, withdrawn_at timestamptz NOT NULL,
        dropped_at timestamptz {{withdrawal_key}})""",
    f"""CREATE OR REPLACE VIEW {book("lineage")} AS
        SELECT p.load_id AS {LOAD}, p.part AS {PART}, p.dataset, p.task, p.uri, p.row_count, p.facts AS part_facts,
               l.facts AS load_facts, l.published_at
        FROM {book("_parts")} AS p JOIN {book("_loads")} AS l ON l.load_id = p.load_id""",
)
KEYED: Final = {
    "key": "PRIMARY KEY",
    "name_key": ", PRIMARY KEY (schema_name, name)",
    "fence_key": ", PRIMARY KEY (dataset, load_id)",
    "ledger_key": ", PRIMARY KEY (load_id, dataset)",
    "withdrawal_key": ", PRIMARY KEY (batch, load_id, first_part)",
}
UNKEYED: Final = dict.fromkeys(KEYED, "")

# Where an engine looks up rows one by one: nothing that a load does may take longer the more loads there were.
INDEXES: Final = (
    f"CREATE INDEX IF NOT EXISTS _generations_table ON {book('_generations')} (table_name)",
    f"CREATE INDEX IF NOT EXISTS _generations_load ON {book('_generations')} (load_id)",
    f"CREATE INDEX IF NOT EXISTS _generations_dataset ON {book('_generations')} (dataset)",
    f"CREATE INDEX IF NOT EXISTS _parts_load ON {book('_parts')} (load_id, part)",
    f"CREATE INDEX IF NOT EXISTS _withdrawals_table ON {book('_withdrawals')} (table_name)",
)
NEWEST: Final = book("_withdrawals")  # where it is, all the others are
