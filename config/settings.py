"""Every setting, from the environment, grouped. A profile is a set of addresses; no code asks which one it is in."""

import os
import secrets
from pathlib import Path

import django_stubs_ext
import environ
import redis
from cryptography.fernet import Fernet
from redis.backoff import NoBackoff
from redis.retry import Retry

django_stubs_ext.monkeypatch()  # generic Django classes take their parameters at run time too
BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
VAR = Path(env("HEADGATE_VAR", default=str(BASE_DIR / "var")))
VAR.mkdir(parents=True, exist_ok=True)


def _kept_secret(name: str, make: str) -> str:
    """A secret from the environment, else one made once and kept in a private file beside the data."""
    if value := os.environ.get(name):
        return value
    path = VAR / f"{name.lower()}.key"
    if not path.exists():
        made = Fernet.generate_key().decode() if make == "fernet" else secrets.token_urlsafe(64)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(made)
    return path.read_text().strip()


# Web
DEBUG = env.bool("DJANGO_DEBUG", default=False)
SECRET_KEY = _kept_secret("DJANGO_SECRET_KEY", "text")
ALLOWED_HOSTS = env.list("DJANGO_ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("DJANGO_CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = env.int("HEADGATE_SESSION_SECONDS", default=12 * 3600)  # from the login on, whatever is done
SESSION_IDLE_SECONDS = env.int("HEADGATE_SESSION_IDLE_SECONDS", default=1800)
BEHIND_TLS = env.bool("HEADGATE_BEHIND_TLS", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "django_dramatiq",
    "oauth2_provider",
    "connectors",
    "ingestion",
    "ingestion.access",
    "runs",
    "config",
]
MIDDLEWARE = [
    "config.observing.requests.Observed",
    "config.guarding.Headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.guarding.Sessions",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["config.logins.Throttled"]
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])  # addresses or networks whose X-Forwarded-For is believed
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
if env.bool("HEADGATE_FAST_PASSWORDS", default=False):  # for tests: a slow hash for every login is their whole time
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "/static/"
STATIC_ROOT = VAR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Control database
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR / 'headgate.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["ENGINE"] = "config.postgres"
    DATABASES["default"]["CONN_MAX_AGE"] = env.int("DATABASE_CONN_MAX_AGE", default=60)
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A worker that is frozen inside a transaction must not hold its run for ever: the server ends its session.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", "-c idle_in_transaction_session_timeout=60s")

# Broker: a message is only a wake-up, so nothing here decides correctness
REDIS_URL = env("REDIS_URL", default="")
DRAMATIQ_AUTODISCOVER_MODULES = ["actors"]
DRAMATIQ_BROKER = {
    "BROKER": "dramatiq.brokers.redis.RedisBroker" if REDIS_URL else "dramatiq.brokers.stub.StubBroker",
    "OPTIONS": (
        {
            # Who sends a wake-up waits two seconds at most, and nothing tries twice: the sweep repeats what was lost.
            "client": redis.Redis.from_url(
                REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
            ),
            "heartbeat_timeout": env.int("DRAMATIQ_HEARTBEAT_MS", default=60_000),
            "maintenance_chance": env.int("DRAMATIQ_MAINTENANCE_CHANCE", default=1_000_000),
        }
        if REDIS_URL
        else {}
    ),
    "MIDDLEWARE": [
        "dramatiq.middleware.TimeLimit",
        "dramatiq.middleware.CurrentMessage",
        "dramatiq.middleware.Retries",
        "runs.shutdown.StopAtPages",
        "runs.presence.Presence",
        "config.messages.Taking",
        "config.observing.workers.HealthPort",
        "django_dramatiq.middleware.DbConnectionsMiddleware",
    ],
}

# Data: where parts are staged, and where tables become live
STAGING_URL = env("STAGING_URL", default=f"file://{VAR / 'staging'}")
WAREHOUSE_URL = env("WAREHOUSE_URL", default=f"duckdb:///{VAR / 'warehouse.duckdb'}?memory_limit=200MB&threads=2")
SCRATCH_DIR = Path(env("HEADGATE_SCRATCH", default=str(VAR / "scratch")))
ORGANISATION, SANDBOX = "default", "prod"

# Programs that call the batch API
OAUTH2_PROVIDER_APPLICATION_MODEL = "oauth2_provider.Application"  # the toolkit's own; migrations ask for it by name
OAUTH2_PROVIDER = {
    "ACCESS_TOKEN_EXPIRE_SECONDS": env.int("HEADGATE_TOKEN_SECONDS", default=24 * 3600),
    "CLIENT_SECRET_GENERATOR_LENGTH": 48,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,  # of a token only its checksum is kept
    # Programs log in by client credentials alone; what else the toolkit knows stays shut.
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
}

# Sources
CREDENTIAL_KEYS = env.list("HEADGATE_CREDENTIAL_KEYS", default=[]) or [
    _kept_secret("HEADGATE_CREDENTIAL_KEY", "fernet")
]
OUTBOUND_ALLOW = env.list("HEADGATE_OUTBOUND_ALLOW", default=[])  # "host:port" beyond the public internet over https

# Runs: seconds unless the name says otherwise
LEASE_SECONDS = env.float("HEADGATE_LEASE_SECONDS", default=60)
SWEEP_SECONDS = env.float("HEADGATE_SWEEP_SECONDS", default=5)
TIDY_SECONDS = env.float("HEADGATE_TIDY_SECONDS", default=600)
WAKE_AGAIN_SECONDS = env.float("HEADGATE_WAKE_AGAIN_SECONDS", default=10)
CANCEL_DEADLINE_SECONDS = env.float("HEADGATE_CANCEL_DEADLINE_SECONDS", default=180)
RETRY_WAITS = tuple(env.list("HEADGATE_RETRY_WAITS", cast=float, default=[10, 30, 90, 270]))
FAILURES_WITHOUT_PROGRESS, FAILURES_WITH_PROGRESS = 5, 20
LOST_LEASES = env.int("HEADGATE_LOST_LEASES", default=3)  # workers that may die on one task before it has failed
SPOOL_BYTES = env.int("HEADGATE_SPOOL_BYTES", default=32 * 1024 * 1024)
SPOOL_SECONDS = env.float("HEADGATE_SPOOL_SECONDS", default=30)
PART_TARGET_BYTES = env.int("HEADGATE_PART_TARGET_BYTES", default=32 * 1024 * 1024)
CONVERT_THREADS = env.int("HEADGATE_CONVERT_THREADS", default=1)
CONVERSIONS = env.int("HEADGATE_CONVERSIONS", default=2)  # of one task at once
KEEP_GENERATIONS = env.int("HEADGATE_KEEP_GENERATIONS", default=2)
KEEP_STAGED_DAYS = env.int("HEADGATE_KEEP_STAGED_DAYS", default=7)
ONE_RUN_AT_A_TIME = env.bool("HEADGATE_ONE_RUN_AT_A_TIME", default=False)  # over all sources, not per source
DESTRUCTIVE_CONFIRM_ROWS = env.int("HEADGATE_DESTRUCTIVE_CONFIRM_ROWS", default=100_000)  # live rows; 0: always
WORKER_THREADS = env.int("HEADGATE_WORKER_THREADS", default=3)
TASK_SEARCH_ACRONYM = env("HEADGATE_TASK_SEARCH_ACRONYM", default="prefix")  # or exact: all initials of a name
SUPPORT_URL = env("HEADGATE_SUPPORT_URL", default="")

# Client batches
UPLOAD_FILE_BYTES = env.int("HEADGATE_UPLOAD_FILE_BYTES", default=256 * 1024 * 1024)  # of a file in one request
UPLOAD_CHUNK_BYTES = env.int("HEADGATE_UPLOAD_CHUNK_BYTES", default=512_000_000)  # of a chunk of a large file
BATCH_FILES = env.int("HEADGATE_BATCH_FILES", default=1_500)  # 10,000 at most: so many part numbers a batch has
BATCH_BYTES = env.int("HEADGATE_BATCH_BYTES", default=100 * 1024**3)
CHECKERS = env.int("HEADGATE_CHECKERS", default=2)  # child processes that read uploaded files, per worker process
CHECK_THREADS = env.int("HEADGATE_CHECK_THREADS", default=2)  # of one child, for a file larger than a spool
PUBLISH_PAUSE_SECONDS = env.float("HEADGATE_PUBLISH_PAUSE_SECONDS", default=0.3)  # between two loads of one dataset
ABANDON_HOURS = env.float("HEADGATE_ABANDON_HOURS", default=24)  # a loading batch whose client is silent
ARCHIVE = env.bool("HEADGATE_ARCHIVE", default=True)  # false: inactive batches are deleted without being retained
INACTIVE_DAYS = env.float("HEADGATE_INACTIVE_DAYS", default=7)  # then retained
RETAINED_DAYS = env.float("HEADGATE_RETAINED_DAYS", default=30)  # then archived
ARCHIVED_DAYS = env.float("HEADGATE_ARCHIVED_DAYS", default=365)  # then deleted
ORPHAN_HOURS = env.float("HEADGATE_ORPHAN_HOURS", default=48)  # staged objects that no row names; 1 at least
KEEP_DIAGNOSTICS_DAYS = env.int("HEADGATE_KEEP_DIAGNOSTICS_DAYS", default=30)
ARCHIVE_URL = env("HEADGATE_ARCHIVE_URL", default=f"file://{VAR / 'archive'}")  # Parquet of retained batches
COLD_URL = env("HEADGATE_COLD_URL", default=f"file://{VAR / 'cold'}")  # where archived ones go

REST_FRAMEWORK = {
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "runs.api.problems.handle",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Headgate",
    "DESCRIPTION": "Data sources, API runs and data loads.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "RunStatus": "runs.states.RUN_WORDS.items",
        "TaskStatus": "runs.states.TASK_WORDS.items",
        "LoadStatus": "runs.states.LOAD_WORDS.items",
        "TaskKind": "runs.states.KIND_WORDS.items",
    },
}

# Watching
LOG_FORMAT = env("LOG_FORMAT", default="text")  # or json
LOG_LEVEL = env("LOG_LEVEL", default="") or env("HEADGATE_LOG_LEVEL", default="WARNING")
HEALTH_PORT = env.int("HEALTH_PORT", default=0) or None  # of workers and the sweeper; the next ones for neighbours
HEALTH_HOST = env("HEALTH_HOST", default="0.0.0.0")  # noqa: S104 - asked from other hosts; off without a port
METRICS_TOKEN = env("METRICS_TOKEN", default="")  # without one the web answers no /metrics
SENTRY_DSN = env("SENTRY_DSN", default="")
WATCHED = "config.observing.port.watched"  # what the sweeper runs in

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "marks": {"()": "config.observing.logs.Marked"},
        "redact": {"()": "connectors.secrets.Redactor"},
    },
    "formatters": {
        "text": {"()": "config.observing.logs.TextLines"},
        "json": {"()": "config.observing.logs.JsonLines"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["marks", "redact"]},
    },
    "loggers": {"oauthlib": {"level": "INFO"}, "oauth2_provider": {"level": "INFO"}},  # below it they write secrets
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
}

from config.unfold import UNFOLD  # noqa: E402, F401

LOGIN_REDIRECT_URL = "admin:index"
