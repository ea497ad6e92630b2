"""What a Slack app needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """Where Slack is and as whom we come. `watched` are channel ids; times are in seconds.

    In `http` mode events come as requests, signed with `signing_secret`; `app_id` is whose requests are taken, any
    app's while it is empty. In `socket` mode there are so many `connections` at once, opened with `app_token`.
    """

    bot_token: str = field(repr=False)
    app_token: str = field(default="", repr=False)
    api_url: str = "https://slack.com/api/"
    watched: tuple[str, ...] = ()
    request_timeout: float = 10.0
    mode: Literal["socket", "http"] = "socket"
    signing_secret: str = field(default="", repr=False)
    app_id: str = ""
    connections: int = 2
    look_every: float = 300.0
    """How often the watched channels are looked through for messages that were not delivered."""
