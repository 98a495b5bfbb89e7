"""Log lines tell what they are about, hold no secrets, and cannot be forged by what they quote."""

import json
import logging

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from config.observing import sentry
from config.observing.logs import REQUEST_ID, JsonLines, Marked, TextLines, known_secrets
from connectors.secrets import IN_USE, Redactor
from ingestion.marks import marked, marks


def line(formatter: logging.Formatter, message: str, *values, error: BaseException | None = None, **extra) -> str:
    info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("runs.x", logging.WARNING, __file__, 1, message, values, info)
    record.__dict__.update(extra)
    for step in (Marked(), Redactor()):
        assert step.filter(record)
    return formatter.format(record)


def test_a_json_line_names_run_task_attempt_and_request():
    token = REQUEST_ID.set("req-1")
    try:
        with marked(run=7, task=31), marked(attempt=2):
            told = json.loads(line(JsonLines(), "page %s", 4))
    finally:
        REQUEST_ID.reset(token)

    assert (told["message"], told["level"], told["logger"]) == ("page 4", "WARNING", "runs.x")
    assert (told["run"], told["task"], told["attempt"], told["request_id"]) == ("7", "31", "2", "req-1")
    assert told["at"]
    assert marks() == {}


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()], ids=["json", "text"])
def test_control_characters_cannot_begin_a_line(formatter):
    told = line(formatter, "name: %s", "x\n2026-01-01 CRITICAL root all is lost\r\x1b[31m\u2028y")

    assert "\n" not in told
    assert "\x1b" not in told
    assert "\u2028" not in told


def test_a_traceback_cannot_begin_a_line_either():
    told = line(TextLines(), "broken", error=ValueError("a\n2026-01-01 CRITICAL root forged"))

    assert not any(part.startswith("2026-01-01 CRITICAL") for part in told.split("\n"))


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()], ids=["json", "text"])
def test_secrets_are_blanked_by_name_and_by_value(formatter):
    IN_USE.add("s3cr3t-in-use")
    try:
        told = line(formatter, "called with %s and password=abc123x", "s3cr3t-in-use", error=KeyError("s3cr3t-in-use"))
    finally:
        IN_USE.remove("s3cr3t-in-use")

    assert "s3cr3t-in-use" not in told
    assert "abc123x" not in told


def test_extras_with_a_telling_name_are_blanked():
    told = json.loads(line(JsonLines(), "made", api_key="k-123456789", rows=3))

    assert told["rows"] == 3
    assert "k-123456789" not in json.dumps(told)


def test_the_passwords_of_the_installation_are_known(settings):
    settings.REDIS_URL = "redis://:redis%2Dpassword@10.0.0.1/0"
    settings.METRICS_TOKEN = "scrape-token-1"

    assert {"redis-password", "redis%2Dpassword", "scrape-token-1", settings.SECRET_KEY} <= set(known_secrets())


@pytest.mark.django_db
def test_each_request_has_one_access_line_without_its_query(client, caplog):
    with caplog.at_level(logging.INFO, logger="headgate.access"):
        answer = client.get("/api/nowhere/?token=very-secret", headers={"X-Request-ID": "from-proxy.1"})

    lines = [record for record in caplog.records if record.name == "headgate.access"]
    assert len(lines) == 1
    assert "very-secret" not in lines[0].getMessage()
    assert (lines[0].status, answer.headers["X-Request-ID"]) == (404, "from-proxy.1")


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["a b", "x" * 65, "x\ny", "<b>"])
def test_a_request_id_that_is_none_is_replaced(client, given):
    answer = client.get("/api/nowhere/", headers={"X-Request-ID": given})

    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


class Kept(Transport):
    """Keeps what would have been sent."""

    sent: list

    def __init__(self, options=None):
        super().__init__(options)
        self.sent = []

    def capture_envelope(self, envelope):
        self.sent.append(envelope.serialize().decode())


def test_sentry_is_off_without_an_address(settings):
    settings.SENTRY_DSN = ""

    assert sentry.start() is False


def test_what_goes_to_sentry_holds_no_secret_and_says_which_run(settings):
    settings.SENTRY_DSN = "https://public@sentry.example.com/1"
    kept = Kept()
    IN_USE.add("s3cr3t-in-use")
    try:
        sentry.start(transport=kept)
        with marked(run=9):
            try:
                raise ValueError("token=abcdefgh12 and s3cr3t-in-use for ada@example.com")
            except ValueError as error:
                sentry_sdk.capture_exception(error)
        sentry_sdk.flush()
    finally:
        IN_USE.remove("s3cr3t-in-use")
        sentry_sdk.init()  # off again

    told = "".join(kept.sent)
    assert "ValueError" in told
    assert '"run":"9"' in told.replace(" ", "")
    for secret in ("abcdefgh12", "s3cr3t-in-use", "ada@example.com"):
        assert secret not in told
