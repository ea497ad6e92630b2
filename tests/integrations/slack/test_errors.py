"""Which errors mean surely not done, surely refused, or unclear: the line between one reply and two."""

import aiohttp
import pytest

from bot.chat.ports import NotSent, Refused, SendError, Unclear
from bot.integrations.slack.errors import classify, refusal


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (429, "", NotSent),
        (200, "ratelimited", NotSent),
        (200, "channel_not_found", Refused),
        (200, "msg_too_long", Refused),
        (404, "", Refused),
        (200, "internal_error", Unclear),
        (200, "fatal_error", Unclear),
        (200, "service_unavailable", Unclear),
        (200, "request_timeout", Unclear),
        (408, "", Unclear),
        (500, "", Unclear),
        (503, "channel_not_found", Unclear),
        (200, "", Unclear),
    ],
)
def test_answers(status: int, code: str, expected: type[SendError]) -> None:
    assert type(refusal(status, code, {})) is expected


@pytest.mark.parametrize("code", ["invalid_auth", "account_inactive", "token_revoked", "not_authed", "token_expired"])
def test_a_token_that_only_people_can_mend_has_one_code(code: str) -> None:
    error = refusal(200, code, {})
    assert isinstance(error, Refused)
    assert error.code == "unauthorized"


def test_a_message_that_is_not_there_is_gone() -> None:
    error = refusal(200, "message_not_found", {})
    assert isinstance(error, Refused)
    assert error.code == "gone"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30.0),
        ({"retry-after": ["2"]}, 2.0),
        ({"Retry-After": "82721"}, 82721.0),
        ({"Retry-After": "0"}, 1.0),
        ({"Retry-After": "-5"}, 1.0),
        ({"Retry-After": "soon"}, 30.0),
        ({"Retry-After": "inf"}, 30.0),
        ({"Retry-After": "nan"}, 30.0),
        ({"Retry-After": []}, 30.0),
        ({}, 30.0),
    ],
)
def test_the_time_to_wait_is_what_slack_said(headers: dict[str, object], seconds: float) -> None:
    error = refusal(429, "ratelimited", headers)
    assert isinstance(error, NotSent)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aiohttp.ConnectionTimeoutError(), NotSent),
        (aiohttp.SocketTimeoutError(), Unclear),
        (aiohttp.ServerDisconnectedError(), Unclear),
        (aiohttp.ClientOSError(104, "reset"), Unclear),
        (TimeoutError(), Unclear),
        (AttributeError("a body that is no object"), Unclear),
    ],
)
def test_failures_of_the_connection(error: Exception, expected: type[SendError]) -> None:
    assert type(classify(error)) is expected
