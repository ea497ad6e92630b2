"""What an installation talks to: its platforms and its language model. Each SDK is imported when it is wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.chat.ports import Model, Platform
from bot.chat.processes import PaceUnavailable, SharedPace, Wakeup
from bot.settings import Settings, SettingsFault

if TYPE_CHECKING:
    from bot.integrations.drand import Drand


def make_platform(name: str, settings: Settings, now: Callable[[], float] = time.time) -> Platform:
    """The platform of this name; its SDK is imported only here. Raises SettingsFault."""
    _see_that_deliveries_arrive(name, settings)
    watched = settings.channel_ids(settings.watch.channels, name)
    timeout = settings.delivery.request_timeout
    if name == "telegram":
        from bot.integrations.telegram import TelegramConfig, TelegramPlatform

        token = settings.telegram.token.get_secret_value()
        config = TelegramConfig(
            token,
            settings.telegram.api_url,
            watched,
            request_timeout=timeout,
            channels=settings.channel_ids(tuple(settings.channels), name),
            webhook_url=settings.telegram.webhook_url,
            webhook_secret=settings.telegram.webhook_secret.get_secret_value(),
        )
        return TelegramPlatform(config, now=now)
    if name == "slack":
        from bot.integrations.slack import SlackConfig, SlackPlatform

        slack = settings.slack
        app = SlackConfig(
            slack.bot_token.get_secret_value(),
            slack.app_token.get_secret_value(),
            slack.api_url,
            watched,
            timeout,
            mode=slack.mode,
            signing_secret=slack.signing_secret.get_secret_value(),
            app_id=slack.app_id,
            connections=slack.connections,
        )
        return SlackPlatform(app, now=now)
    from bot.integrations.discord import DiscordConfig, DiscordPlatform

    token = settings.discord.token.get_secret_value()
    where = settings.discord
    gateway = DiscordConfig(
        token,
        where.api_url,
        where.gateway_url,
        watched=watched,
        request_timeout=timeout,
        spare_logins=settings.limits == "published",
        public_key=where.public_key,
        shards=where.shards,
        shard_ids=where.shard_ids,
    )
    return DiscordPlatform(gateway, now=now)


def _see_that_deliveries_arrive(name: str, settings: Settings) -> None:
    wanted = {
        "slack": ("slack.mode is http", settings.slack.mode == "http"),
        "telegram": ("telegram.webhook_url is set", bool(settings.telegram.webhook_url)),
    }
    what, is_wanted = wanted.get(name, ("", False))
    if is_wanted and settings.http.address is None:
        fault = f"http.bind: {what}, so say where the deliveries arrive, for example 127.0.0.1:8421"
        raise SettingsFault([fault])


def make_model(settings: Settings) -> Model | None:
    """The language model, if one is wanted."""
    if settings.drafting.drafter != "openai":
        return None
    from bot.integrations.openai.model import OpenAIModel, OpenAISettings

    key = settings.openai.api_key.get_secret_value()
    return OpenAIModel(OpenAISettings(settings.openai.model, settings.openai.base_url, key or None))


def make_beacon(settings: Settings) -> Drand | None:
    """The public randomness of draws, unless giveaways do without. Raises SettingsFault."""
    said = settings.giveaways
    if said.beacon != "drand":
        return None
    from bot.integrations.drand import Drand, DrandConfig

    config = DrandConfig(said.beacon_urls, said.beacon_chain, said.key, said.beacon_genesis, said.beacon_period)
    try:
        return Drand(config)
    except ValueError as error:
        raise SettingsFault([f"giveaways.beacon_key: {error}"]) from None


def make_wakeup(settings: Settings, topics: frozenset[str]) -> Wakeup | None:
    """How processes on one database wake each other, if there is a Redis. Raises SettingsFault."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return None
    from bot.integrations.redis.wakeup import RedisWakeup

    try:
        return RedisWakeup(url, topics)
    except ValueError as error:
        raise SettingsFault([f"redis_url: {error}"]) from error


async def redis_fault(settings: Settings) -> str:
    """Why the Redis of the settings cannot be used; empty when it can, or there is none."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return ""
    from bot.integrations.redis.wakeup import unreachable

    return await unreachable(url)


def make_pace(name: str, settings: Settings) -> SharedPace:
    """The rate buckets that the processes of a platform's bot share; without a Redis nobody can reach them."""
    url = settings.redis_url.get_secret_value()
    if not url:
        return NoPace()
    from bot.integrations.redis.pace import RedisPace

    tokens = {"slack": settings.slack.bot_token, "discord": settings.discord.token, "telegram": settings.telegram.token}
    return RedisPace(url, name, tokens[name].get_secret_value())


class NoPace:
    """Shared buckets where there are none: each worker keeps to its own share of the limits."""

    async def take(self, bucket: str, rate: float, burst: float, count: int) -> float:
        """Raises PaceUnavailable."""
        raise PaceUnavailable("there is no redis_url")

    async def empty(self) -> None:
        """Raises PaceUnavailable."""
        raise PaceUnavailable("there is no redis_url")
