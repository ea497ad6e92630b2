"""What the settings make of platforms."""

from __future__ import annotations

from typing import Any

import pytest

from bot.chat.ports import HearsHttp
from bot.doctor import beacon_faults
from bot.outside import make_beacon, make_platform
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


async def test_the_beacon_of_draws_is_the_one_of_the_settings() -> None:
    said = {"beacon_chain": "ab" * 32, "beacon_genesis": 100, "beacon_period": 10}
    beacon = make_beacon(Settings.model_validate({"giveaways": said}))
    assert beacon is not None
    assert (beacon.chain, beacon.time_of(3), beacon.round_at(111)) == ("ab" * 32, 120.0, 3)
    assert make_beacon(Settings.model_validate({"giveaways": {"beacon": "none"}})) is None
    quicknet = make_beacon(Settings())
    assert quicknet is not None
    assert quicknet.round_at(1692806364) == 1000


def test_a_key_that_no_signature_can_have() -> None:
    with pytest.raises(SettingsFault, match=r"giveaways\.beacon_key: is no public key"):
        make_beacon(Settings.model_validate({"giveaways": {"beacon_key": "00" * 96}}))


async def test_the_doctor_asks_the_beacon_only_where_draws_use_it() -> None:
    url = "http://127.0.0.1:9"
    assert await beacon_faults(Settings.model_validate({"giveaways": {"beacon": "none", "beacon_urls": [url]}})) == []
    (fault,) = await beacon_faults(Settings.model_validate({"giveaways": {"beacon_urls": [url, url + "/b"]}}))
    assert fault.key == "beacon.few"
    assert set(fault.args) == {"round", "hosts", "reasons"}
    assert "127.0.0.1:9/b" in fault.args["reasons"]
