"""The scenarios that there are: what each is to show, how many faults its target asks for, and what it must catch."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One line of the scorecard. `usual` faults are injected where no count is given."""

    title: str
    module: str
    target: int
    usual: int
    unit: str
    mutants: Sequence[str]
    quick: int = 0  # faults in a short round of everything; `usual` where 0


PLANS = {
    "R10": Plan(
        title="Many cancel one run at the same moment: it moves once",
        module="alone",
        target=20 * 200,
        usual=5 * 200,
        unit="cancels, 200 at once",
        mutants=("cancel_by_save",),
        quick=200,
    ),
    "R11": Plan(
        title="Many retry one run at the same moment: one new run; an old one is not retried",
        module="alone",
        target=100,
        usual=100,
        unit="double retries",
        mutants=("check_then_insert",),
        quick=10,
    ),
    "R12": Plan(
        title="8 to 64 tasks end together: the next phase opens once",
        module="alone",
        target=1000,
        usual=1000,
        unit="fan-ins",
        mutants=("count_the_rest",),
        quick=50,
    ),
    "R13": Plan(
        title="Readers during publishes of three tables: never partial, empty, mixed or an error",
        module="readers",
        target=20_000,
        usual=20_000,
        unit="reads",
        mutants=("truncate", "swap"),
        quick=2_000,
    ),
    "R14": Plan(
        title="One row is lost in each stage: always caught, and nothing goes live",
        module="losses",
        target=100,
        usual=100,
        unit="lost rows",
        mutants=("no_count_check",),
        quick=20,
    ),
    "R4": Plan(
        title="Workers are paused past their lease: what they write back is turned away",
        module="kills",
        target=50,
        usual=50,
        unit="pauses",
        mutants=("no_fence",),
        quick=12,
    ),
    "R5": Plan(
        title="The broker is wiped, killed without its data, frozen, and evicts: only latency changes",
        module="broker",
        target=35,
        usual=35,
        unit="faults of the broker",
        mutants=("no_sweeper",),
        quick=6,
    ),
    "R6": Plan(
        title="Postgres crashes under the control database and the warehouse, also in commits: nothing lost or doubled",
        module="databases",
        target=20,
        usual=20,
        unit="crashes of Postgres",
        mutants=("no_ledger",),
        quick=4,
    ),
    "R7": Plan(
        title="S3 fails a fifth of all requests and spoils what is read: all rows are right, nothing foreign is loaded",
        module="s3_faults",
        target=240,
        usual=240,
        unit="faults of S3, under 20 runs and 20 batches",
        mutants=("prefix_list", "no_digest"),
        quick=48,
    ),
    "R8": Plan(
        title="The source answers 429, 500, cut answers, resets, and its tokens wear out: the rows are exact",
        module="sources",
        target=50,
        usual=50,
        unit="runs of 40 pages and more",
        mutants=("cut_is_empty",),
        quick=8,
    ),
    "R20": Plan(
        title="Workers are told to stop in turn: no run fails, nothing is counted against a task",
        module="kills",
        target=30,
        usual=30,
        unit="stops",
        mutants=("no_release",),
        quick=8,
    ),
    "R3": Plan(
        title="Workers and the sweeper die at every named point, once and then twice in a row",
        module="deaths",
        target=180,
        usual=180,
        unit="deaths at a named point",
        mutants=("no_ledger",),
        quick=0,
    ),
    "R1": Plan(
        title="Workers are killed at random while runs go through: no row lost, doubled or wrong, no run stuck",
        module="kills",
        target=200,
        usual=200,
        unit="kills",
        mutants=("no_fence", "no_ledger"),
        quick=20,
    ),
}
