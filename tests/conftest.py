"""What every test may ask for. Services are real: a missing one fails the test, it never skips."""

pytest_plugins = [
    "tests.services.postgres",
    "tests.services.redis",
    "tests.services.redshift",
    "tests.services.s3",
]
