"""What the settings make of platforms."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.ports import HearsHttp
from bot.outside import make_platform
from bot.settings import Settings, SettingsFault

TOKENS = {"slack": {"bot_token": "xoxb-1"}, "telegram": {"token": "1:a"}}
HTTP = {
    "slack": {"mode": "http", "signing_secret": "s"},
    "telegram": {"webhook_url": "https://x.example/telegram/webhook"},
}


def settings(name: str, **more: Any) -> Settings:
    section = TOKENS[name] | more.pop("section", {})
    return Settings.model_validate({name: section} | more)


@pytest.mark.parametrize("name", HTTP)
async def test_deliveries_need_an_address_to_arrive_at(name: str) -> None:
    with pytest.raises(SettingsFault, match=r"http\.bind: (slack\.mode|telegram\.webhook_url)"):
        make_platform(name, settings(name, section=HTTP[name]))
    platform = make_platform(name, settings(name, section=HTTP[name], http={"bind": "127.0.0.1:8421"}))
    assert isinstance(platform, HearsHttp)
    assert platform.hooks(object())
    await platform.close()


@pytest.mark.parametrize("name", TOKENS)
async def test_nothing_is_delivered_unless_it_is_wanted(name: str) -> None:
    platform = make_platform(name, settings(name))
    assert isinstance(platform, HearsHttp)
    assert platform.hooks(object()) == {}
    await platform.close()
