"""Logs: secrets masked wherever they stand, texts that cannot forge a line, and JSON for machines."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bot import logs

SECRET = "hunter2-and-more"
TOKENS = [
    "123456789:AAExampleExampleExampleExampleExamp",
    "xoxb-123456789012-abcdefghijkl",
    "xapp-1-A0-123-abcdef",
    "sk-abcdefgh12345678",
    "MTA1NjU0MzIxMDk4NzY1NDMy.GhIjKl.abcdefghijklmnopqrstuvwxyz0123456789AB",
]

Read = Callable[[], str]


@contextmanager
def configured(level: str, form: str, secrets: list[str]) -> Iterator[io.StringIO]:
    """Our logging beside that of the test runner, which must not be closed; what it writes."""
    root = logging.getLogger()
    runners, before = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs.QUIET}
    root.handlers[:] = []
    logs.configure(level, form, secrets)
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    assert ours.stream is sys.stderr
    written = io.StringIO()
    ours.setStream(written)
    root.handlers[:] = [ours, *runners]
    try:
        yield written
    finally:
        root.removeHandler(ours)
        root.setLevel(before)
        for name, was in quiet.items():
            logging.getLogger(name).setLevel(was)


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def read(form: str) -> Iterator[Read]:
    with configured("DEBUG", form, [SECRET, "", "abc"]) as written:
        yield written.getvalue


log = logging.getLogger("herald.test")


def test_a_line_says_when_how_bad_and_where(read: Read, form: str) -> None:
    log.warning("row %d of %s", 7, "lane")
    line = read()
    if form == "json":
        told = json.loads(line)
        assert (told["event"], told["level"], told["logger"]) == ("row 7 of lane", "warning", "herald.test")
        assert told["timestamp"].endswith("Z")
    else:
        assert line.endswith("WARNING herald.test: row 7 of lane\n")


@pytest.mark.parametrize("secret", [SECRET, *TOKENS])
def test_a_secret_is_masked_wherever_it_stands(read: Read, secret: str) -> None:
    log.info(f"in the message {secret}")
    log.info("in an argument %s", secret)
    log.info("in a url %s", f"https://api.telegram.org/{secret}/getMe")
    log.info("in a structure %r", {"token": secret})
    fail(f"in an exception {secret}")
    text = read()
    assert secret not in text
    assert text.count("***") >= 5


def test_an_unknown_telegram_token_is_masked_in_its_url(read: Read) -> None:
    log.info("POST https://api.telegram.org/bot%s/getMe", TOKENS[0])
    assert TOKENS[0] not in read()


def test_what_is_too_short_to_be_a_secret_is_not_masked(read: Read) -> None:
    log.info("abc and so on")
    assert "abc and so on" in read()


def fail(message: str) -> None:
    """Log an exception with this message."""

    def broken() -> None:
        raise ValueError(message)

    try:
        broken()
    except ValueError:
        log.exception("failed")


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize(
    "forged",
    ["\n2026-01-01 INFO herald: all is well", "\r\nx", "\x1b[2J\x1b[31mred", "\x9b31m", "\x00", "\x07", "\x85"],
)
def test_a_text_forges_no_line_and_moves_no_cursor(read: Read, form: str, forged: str) -> None:
    """Attack 45."""
    log.warning("member %s wrote", forged)
    text = read()
    assert len(lines(text)) == 1
    assert not [character for character in text[:-1] if ord(character) < 32 or 127 <= ord(character) < 160]
    if form == "json":
        json.loads(text)


def test_an_exception_forges_no_line_either(read: Read, form: str) -> None:
    fail("first\n2026-01-01T00:00:00Z INFO    herald: all is well\x1b[2J")
    text = read()
    if form == "json":
        assert len(lines(text)) == 1
        assert "all is well" in json.loads(text)["exception"]
    else:
        first, *more = lines(text)
        assert first.endswith("failed")
        assert all(line.startswith("    ") for line in more)
    assert "\x1b" not in text


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x7f"])
def test_separators_and_deletions_are_escaped(read: Read, form: str, character: str) -> None:
    log.info("a%sb", character)
    text = read()
    assert character not in text


def test_other_texts_stay_readable(read: Read) -> None:
    log.info("茶 🍵 %s", "é")
    assert "茶 🍵 é" in read()


def test_libraries_that_log_requests_are_quiet(read: Read) -> None:
    for name in ("httpx", "slack_bolt", "slack_sdk", "discord", "openai", "aiohttp.access"):
        logging.getLogger(name).info("POST https://example.org/secret")
    assert read() == ""


def test_the_level_is_kept() -> None:
    with configured("WARNING", "text", []) as written:
        log.info("not this")
        log.warning("but this")
    (line,) = lines(written.getvalue())
    assert line.endswith("but this")
