"""How far the watched channels have been read, and which of them may have a gap."""

from __future__ import annotations

from collections.abc import Sequence

from bot.chat.events import MessagePosted
from bot.chat.ports import Position
from bot.integrations.discord.fields import is_snowflake


def cursor(channel: str) -> str:
    """The name under which the position of a channel or thread is kept."""
    return f"discord:{channel}"


def shard_of(guild: str, shards: int) -> int:
    """The shard that hears of a guild (Discord reference, "Sharding")."""
    return (int(guild) >> 22) % shards


class Progress:
    """Which channels are read without a gap, and how far.

    While a channel is being read back, its live messages carry no position: a crash then begins again at the old one.
    Each of the `shards` gateway connections has sessions of its own, and a new one may have missed something only in
    the channels that it hears.
    """

    def __init__(self, watched: Sequence[str], shards: int = 1) -> None:
        self._watched = tuple(dict.fromkeys(watched))
        self._shards = shards
        self._guilds: dict[str, str] = {}
        self._gap = set(watched)
        self._reached: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        self._sessions: dict[int, int] = {}

    def session(self, shard: int = 0) -> int:
        """The number of this shard's latest session."""
        return self._sessions.get(shard, 0)

    def new_session(self, shard: int = 0) -> None:
        """A new session has begun: something may have been missed in every channel of the shard."""
        self._sessions[shard] = self.session(shard) + 1
        self._gap |= set(self.channels(shard))

    def belongs(self, channel: str, guild: str, shard: int = 0) -> bool:
        """Take note of a channel's guild; whether it is one of this shard's."""
        self._guilds[channel] = guild
        return shard_of(guild or "0", self._shards) == shard

    def channels(self, shard: int = 0) -> list[str]:
        """The watched channels that this shard hears, and those of which that is not known yet, in their order."""
        guilds, shards = self._guilds, self._shards
        return [one for one in self._watched if one not in guilds or shard_of(guilds[one] or "0", shards) == shard]

    def closed(self, channel: str, session: int, shard: int = 0) -> None:
        """This channel (with its threads) has been read back in this session."""
        if session == self.session(shard):
            self._gap.discard(channel)

    def saw(self, channel: str, value: int) -> None:
        """This message is known, whoever wrote it; of a forum, this thread."""
        if channel in self._watched:
            self._newest[channel] = max(value, self._newest.get(channel, 0))

    def newest(self, channel: str) -> int | None:
        """The newest that is known of a watched channel; None while it has a gap."""
        return None if channel in self._gap else self._newest.get(channel)

    def known(self, channel: str) -> int:
        """The newest message that is known of a watched channel, with a gap or without; its own id before any."""
        return max(self._newest.get(channel, 0), int(channel) if is_snowflake(channel) else 0)

    def of(self, message: MessagePosted) -> Position | None:
        """The position that goes with a live message; None where none may be kept."""
        home = message.channel.home.channel_id
        if home not in self._watched or home in self._gap:
            return None
        return self.reach(message.channel.channel_id, int(message.message_id))

    def reach(self, channel: str, value: int) -> Position | None:
        """This position, if it is beyond the last one."""
        if value <= self._reached.get(channel, 0):
            return None
        self._reached[channel] = value
        return Position(cursor(channel), value)
