"""Which function does which kind of task. A stage decides no status and sends no message."""

from collections.abc import Callable, Mapping

from runs.lifecycle.working import Claim, Outcome
from runs.pulse import Pulse
from runs.stages.completion import complete_ingestion
from runs.stages.extraction import extract
from runs.stages.metadata_consolidation import agree_on_blueprints
from runs.stages.table_consolidation import consolidate_table
from runs.stages.table_ingestion import ingest_table
from runs.states import TaskKind

Stage = Callable[[Claim, Pulse], Outcome | None]

STAGES: Mapping[TaskKind, Stage] = {
    TaskKind.EXTRACTION: extract,
    TaskKind.METADATA: agree_on_blueprints,
    TaskKind.CONSOLIDATION: consolidate_table,
    TaskKind.INGESTION: ingest_table,
    TaskKind.COMPLETION: complete_ingestion,
}
