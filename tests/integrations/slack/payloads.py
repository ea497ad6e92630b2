"""Payloads in the shape in which Slack documents and sends them."""

from typing import Any

from bot.integrations.slack.parse import Context

CONTEXT = Context(team_id="T1", app_id="A1", team_url="https://acme.slack.com/", names={"U1": "Ana"})


def event(**fields: Any) -> dict[str, Any]:
    message = {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1700000000.000100"}
    return {
        "type": "event_callback",
        "team_id": "T1",
        "api_app_id": "A1",
        "event_id": "Ev1",
        "event_time": 1700000000,
        "event": message | fields,
    }


def command(**fields: Any) -> dict[str, Any]:
    return {
        "command": "/Poll",
        "text": '"Tea &amp; cake?" a b',
        "user_id": "U1",
        "user_name": "ana",
        "channel_id": "C1",
        "channel_name": "general",
        "team_id": "T1",
        "api_app_id": "A1",
        "response_url": "https://hooks.slack.com/commands/1",
        "trigger_id": "1.2.x",
        "token": "verification",
    } | fields


def click(**fields: Any) -> dict[str, Any]:
    button = {"type": "button", "action_id": "button:0", "block_id": "b", "value": "v1|x|approve|m", "action_ts": "1.2"}
    return {
        "type": "block_actions",
        "team": {"id": "T1", "domain": "acme"},
        "user": {"id": "U1", "username": "ana", "name": "ana", "team_id": "T1"},
        "api_app_id": "A1",
        "container": {"type": "message", "message_ts": "1700000000.000100", "channel_id": "C1"},
        "channel": {"id": "C1", "name": "general"},
        "message": {"ts": "1700000000.000100"},
        "response_url": "https://hooks.slack.com/actions/1",
        "trigger_id": "1.2.y",
        "actions": [button],
    } | fields


def submission(metadata: str, values: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "view_submission",
        "team": {"id": "T1", "domain": "acme"},
        "user": {"id": "U1", "name": "ana", "team_id": "T1"},
        "api_app_id": "A1",
        "trigger_id": "1.2.z",
        "view": {"id": "V1", "callback_id": "herald_form", "private_metadata": metadata, "state": {"values": values}},
    } | fields
