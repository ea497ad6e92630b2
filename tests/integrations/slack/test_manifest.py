from bot.chat.ports import CommandSpec
from bot.integrations.slack.manifest import manifest

POLL = CommandSpec("poll", {"en": "Ask something", "zh": "发起投票"}, '"Question" "A" "B"', staff=False)
HELP = CommandSpec("help", {"en": "Help"}, "", staff=False)


def test_commands_come_from_the_registry() -> None:
    made = manifest([POLL, HELP], "Herald")
    poll, help_ = made["features"]["slash_commands"]
    assert poll == {
        "command": "/poll",
        "description": "Ask something · 发起投票",
        "should_escape": False,
        "usage_hint": '"Question" "A" "B"',
    }
    assert "usage_hint" not in help_


def test_the_app_hears_and_speaks_by_socket_mode() -> None:
    made = manifest([], "Herald")
    assert made["settings"]["socket_mode_enabled"]
    assert made["settings"]["interactivity"]["is_enabled"]
    assert {"chat:write", "channels:history", "users:read"} <= set(made["oauth_config"]["scopes"]["bot"])
    assert "message.channels" in made["settings"]["event_subscriptions"]["bot_events"]


def test_a_name_too_long_for_slack_is_cut() -> None:
    assert len(manifest([], "H" * 80)["display_information"]["name"]) == 35


def test_in_http_mode_everything_goes_to_one_address() -> None:
    made = manifest([POLL, HELP], "Herald", http=True)
    settings = made["settings"]
    addresses = {command["url"] for command in made["features"]["slash_commands"]}
    addresses |= {settings["event_subscriptions"]["request_url"], settings["interactivity"]["request_url"]}
    assert len(addresses) == 1
    assert addresses.pop().endswith("/slack/events")
    assert not settings["socket_mode_enabled"]
