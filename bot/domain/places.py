"""Where people are and who they are: channels and members, named by ids and never by names."""

from __future__ import annotations

from dataclasses import dataclass


class BadAddress(ValueError):
    """A text that should name a channel, a member or a role of a platform does not."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A place on a platform where messages are.

    `tenant` is a Slack workspace, a Discord guild, or the id of the Telegram bot. `thread_id` is the thread inside the
    channel (Slack `thread_ts`, Telegram topic); a Discord thread is a channel of its own with `parent_id`.
    """

    platform: str
    tenant: str
    channel_id: str
    thread_id: str | None = None
    parent_id: str | None = None

    @property
    def home(self) -> Channel:
        """The channel without its thread: what settings name."""
        return Channel(self.platform, self.tenant, self.parent_id or self.channel_id)

    def __str__(self) -> str:
        thread = f":{self.thread_id}" if self.thread_id else ""
        return f"{self.platform}:{self.tenant}:{self.channel_id}{thread}"


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody on a platform: the principal that rights are granted to."""

    platform: str
    tenant: str
    user_id: str

    def __str__(self) -> str:
        return f"{self.platform}:{self.tenant}:{self.user_id}"

    @staticmethod
    def parse(text: str) -> Member:
        """Read `platform:tenant:user`; raises BadAddress."""
        match text.split(":"):
            case [platform, tenant, user] if platform and tenant and user:
                return Member(platform, tenant, user)
        raise BadAddress(f"{text!r} is not platform:tenant:user")
