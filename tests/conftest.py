"""What every test may ask for. Services are real: a missing one fails the test, it never skips."""

import os

from hypothesis import settings

# The same examples each time, so that a change is judged by what it changes. HYPOTHESIS=random looks for others.
settings.register_profile("steady", derandomize=True)
settings.register_profile("random", derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS", "steady"))

pytest_plugins = [
    "tests.services.postgres",
    "tests.services.redis",
    "tests.services.redshift",
    "tests.services.s3",
    "tests.services.sharing",
]
