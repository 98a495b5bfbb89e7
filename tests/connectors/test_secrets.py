"""Credentials stay sealed, open only in their place, and are blanked out of whatever is printed."""

import base64
import io
import json
import logging
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from connectors.secrets import BLANK, InUse, Redactor, SealError, SecretBox, redact

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
CANARY = 'canary "s/3cr+et" ü'


@given(st.dictionaries(st.text(), st.text()), st.text())
def test_what_is_sealed_opens_in_its_place(secrets: dict[str, str], context: str) -> None:
    box = SecretBox([NEW])

    sealed = box.encrypt(secrets, context=context)

    assert box.decrypt(sealed, context=context) == secrets


def test_a_sealed_value_shows_nothing_and_is_never_the_same() -> None:
    box = SecretBox([NEW])
    sealed = box.encrypt({"token": "canary-4711"}, context="a:1")

    assert b"canary" not in sealed
    assert sealed != box.encrypt({"token": "canary-4711"}, context="a:1")


def test_a_sealed_value_moved_to_another_row_does_not_open() -> None:
    sealed = SecretBox([NEW]).encrypt({"token": "x"}, context="org:1")

    with pytest.raises(SealError, match="another data source"):
        SecretBox([NEW]).decrypt(sealed, context="org:2")


@pytest.mark.parametrize(
    "damage", [lambda s: s[:-5], lambda s: b"", lambda s: b"\xff\x00", lambda s: s[:20] + b"A" + s[21:]]
)
def test_a_damaged_value_or_a_wrong_key_does_not_open(damage: object) -> None:
    sealed = SecretBox([OLD]).encrypt({"token": "x"}, context="c")

    with pytest.raises(SealError, match="cannot be opened"):
        SecretBox([OLD]).decrypt(damage(sealed), context="c")  # type: ignore[operator]
    with pytest.raises(SealError, match="cannot be opened"):
        SecretBox([NEW]).decrypt(sealed, context="c")


def test_keys_can_be_changed() -> None:
    sealed = SecretBox([OLD]).encrypt({"token": "x"}, context="c")
    both = SecretBox([NEW, OLD])

    anew = both.rotate(sealed)

    assert both.decrypt(sealed, context="c") == {"token": "x"}
    assert SecretBox([NEW]).decrypt(anew, context="c") == {"token": "x"}


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "not base64 !"]])
def test_unusable_keys_are_refused_at_once(keys: list[str]) -> None:
    with pytest.raises(ValueError, match=r"Fernet\.generate_key") as caught:
        SecretBox(keys)

    assert not any(key in str(caught.value) for key in keys)


@pytest.mark.parametrize(
    "spelled",
    [CANARY, quote(CANARY), quote(CANARY, safe=""), json.dumps(CANARY), base64.b64encode(CANARY.encode()).decode()],
)
def test_a_value_is_blanked_however_it_is_spelled(spelled: str) -> None:
    text = redact(f"called https://x/?a={spelled}&b=1 and failed", [CANARY])

    assert "3cr" not in text
    assert spelled not in text
    assert "failed" in text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer canary123",
        "{'Authorization': 'Bearer canary123', 'Accept': 'x'}",
        '{"access_token": "canary123", "a": 1}',
        "token=canary123&page=2",
        "client_secret=canary123",
        "password: canary123",
        "X-Api-Key: canary123",
        "passwd = 'canary123'",
        "header Basic canary123==",
    ],
)
def test_what_follows_a_telling_name_is_blanked(text: str) -> None:
    assert "canary" not in redact(text)
    assert BLANK in redact(text)


def test_ordinary_text_is_left_alone() -> None:
    text = "Page 3 of 'Surveys': 1,000 records; the token was renewed. Basic checks passed, see https://x/y?page=2"

    assert redact(text, ["", "of", "3"]) == text


def test_the_log_filter_blanks_messages_arguments_and_tracebacks() -> None:
    in_use, stream = InUse(), io.StringIO()
    logger, handler = logging.Logger("test"), logging.StreamHandler(stream)
    handler.addFilter(Redactor(in_use))
    logger.addHandler(handler)
    in_use.add("canary-4711", "canary-4711", "")

    logger.warning("calling %s with %s", "https://x/?k=canary-4711", {"token": "other-secret"})
    try:
        raise RuntimeError("refused canary-4711")
    except RuntimeError:
        logger.exception("it failed")
    logger.warning("password=%s", "canary-4711", stack_info=True)
    in_use.remove("canary-4711")
    logger.warning("still canary-4711")
    in_use.remove("canary-4711")
    logger.warning("free now: canary-4711")

    lines = stream.getvalue().splitlines()
    assert [line for line in lines if "canary" in line] == ["free now: canary-4711"]
    assert "other-secret" not in stream.getvalue()
    assert f"RuntimeError: refused {BLANK}" in lines
