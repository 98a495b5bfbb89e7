"""R10, R11 and R12 as processes: the scenarios that need a control database and nothing else."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from tests.chaos.scenario import NONE, Answer, Options, main, set_up_django
from tests.services.postgres import FAST, start_postgres


def _play(name: str, options: Options) -> Answer:
    folder = Path(tempfile.mkdtemp(prefix="headgate-chaos-"))
    postgres = start_postgres(folder / "pg", settings=FAST)
    try:
        set_up_django(
            {
                "DATABASE_URL": postgres.create_database("control"),
                "DATABASE_CONN_MAX_AGE": "0",
                "HEADGATE_VAR": str(folder / "var"),
                "HEADGATE_LOG_LEVEL": "CRITICAL",
            }
        )
        return _verb(name, options)
    finally:
        postgres.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _verb(name: str, options: Options) -> Answer:
    from tests.chaos import verbs

    mutant = options.mutant != NONE
    if name == "R10":
        return verbs.cancels(-(-options.count // 200), mutant=mutant)
    if name == "R11":
        return verbs.retries(options.count, mutant=mutant)
    return verbs.fan_in(options.count, mutant=mutant, seed=options.seed)


if __name__ == "__main__":
    raise SystemExit(main({name: partial(_play, name) for name in ("R10", "R11", "R12")}))
