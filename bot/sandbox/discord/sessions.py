"""Gateway sessions: what a bot subscribed to, the numbered events it was sent, and their replay on RESUME.

Source: developer documentation, "Gateway" (intents, sequence numbers, resuming, message content).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from bot.sandbox.discord.limits import IDENTIFY_SECONDS, MAX_CONCURRENCY
from bot.sandbox.discord.world import World
from bot.sandbox.frame import Frame, Json

REPLAY_SECONDS = 180.0
"""How long a disconnected session can be resumed and its events are kept; Discord says "a few minutes"."""
REPLAY_EVENTS = 2000
"""How many events are kept for a replay."""


class Intent:
    """Gateway intents (documentation, "List of Intents"), as far as events of the local server need them."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    MESSAGE_CONTENT = 1 << 15
    GUILD_MESSAGE_POLLS = 1 << 24
    DIRECT_MESSAGE_POLLS = 1 << 25
    KNOWN = (1 << 17) - 1 | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25


PRIVILEGED_BITS = {
    "members": Intent.GUILD_MEMBERS,
    "presences": Intent.GUILD_PRESENCES,
    "message_content": Intent.MESSAGE_CONTENT,
}
"""The intents that a session may only ask for if they are switched on for the application."""

_NEEDED = (
    # prefix of the event's name, intent in a guild, intent in a direct conversation; the first that fits counts
    ("MESSAGE_REACTION", Intent.GUILD_MESSAGE_REACTIONS, Intent.DIRECT_MESSAGE_REACTIONS),
    ("MESSAGE_POLL", Intent.GUILD_MESSAGE_POLLS, Intent.DIRECT_MESSAGE_POLLS),
    ("MESSAGE_", Intent.GUILD_MESSAGES, Intent.DIRECT_MESSAGES),
    ("GUILD_MEMBER_", Intent.GUILD_MEMBERS, Intent.GUILD_MEMBERS),
    ("CHANNEL_PINS_UPDATE", Intent.GUILDS, Intent.DIRECT_MESSAGES),
    ("GUILD_", Intent.GUILDS, Intent.GUILDS),
    ("CHANNEL_", Intent.GUILDS, Intent.GUILDS),
    ("THREAD_", Intent.GUILDS, Intent.GUILDS),
)


def needed_intent(kind: str, *, direct: bool) -> int:
    """The intent that an event needs; 0 for those that everybody gets."""
    for prefix, in_guild, in_direct in _NEEDED:
        if kind.startswith(prefix):
            return in_direct if direct else in_guild
    return 0


_ABOUT_GUILDS = ("GUILD_CREATE", "GUILD_UPDATE", "GUILD_DELETE")


@dataclass
class Event:
    """One dispatch; `journalled` once it has been written down."""

    kind: str
    body: Json
    direct: bool = False
    injected: bool = False
    journalled: bool = False

    @property
    def guild_id(self) -> int:
        """The guild that it is about; 0 for what is in no guild, which shard 0 hears."""
        if self.direct or not isinstance(self.body, dict):
            return 0
        found = str(self.body.get("id" if self.kind in _ABOUT_GUILDS else "guild_id"))
        return int(found) if found.isdecimal() else 0


class Link:
    """One open connection: frames to be sent leave through its queue. None ends it with `close_code`."""

    def __init__(self) -> None:
        self.outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        self.close_code = 1000
        self.deaf_until = 0.0
        self.session: Session | None = None

    @property
    def deaf(self) -> bool:
        """Whether dispatches to it are being lost."""
        return self.deaf_until > time.monotonic()

    @property
    def shard_id(self) -> str | None:
        """The number of its session's shard."""
        return str(self.session.shard[0]) if self.session and self.session.shard else None

    def send(self, op: int, data: Json = None) -> None:
        """Queue a frame that is no dispatch."""
        self.outgoing.put_nowait(json.dumps({"op": op, "d": data, "s": None, "t": None}))

    def end(self, code: int) -> None:
        """Close the connection with that code, after what is queued."""
        self.close_code = code
        self.outgoing.put_nowait(None)


@dataclass
class Session:
    """What lives on between connections."""

    intents: int
    shard: tuple[int, int] | None = None
    """Which of how many shards it is; None hears everything."""
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    seq: int = 0
    link: Link | None = None
    lost_at: float = 0.0
    """When its connection ended, by the sandbox's clock."""
    sent: deque[tuple[int, float, str, Event]] = field(default_factory=lambda: deque(maxlen=REPLAY_EVENTS))

    def hears(self, guild_id: int) -> bool:
        """Whether that guild is on its shard (documentation, "Sharding"); 0 is for direct conversations."""
        return self.shard is None or (guild_id >> 22) % self.shard[1] == self.shard[0]

    def visible(self, event: Event, bot_id: str) -> Json:
        """The event's body for this session, or None if its intents leave it out; without the message content
        intent, others' messages that neither mention the bot nor are direct are emptied."""
        if not self.hears(event.guild_id):
            return None
        wanted = needed_intent(event.kind, direct=event.direct)
        if not event.injected and wanted and not self.intents & wanted:
            return None
        hidden = event.kind in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and not self.intents & Intent.MESSAGE_CONTENT
        if not hidden or event.direct or event.injected or event.body["author"]["id"] == bot_id:
            return event.body
        if any(user["id"] == bot_id for user in event.body["mentions"]):
            return event.body
        emptied = {"content": "", "embeds": [], "attachments": [], "components": []}
        return {key: value for key, value in event.body.items() if key != "poll"} | emptied


class Hub:
    """All sessions of the bot, and the dispatching of events to them."""

    def __init__(self, frame: Frame, world: World) -> None:
        self._frame = frame
        self._world = world
        self.sessions: dict[str, Session] = {}
        self.links: set[Link] = set()
        self.identified: deque[float] = deque()
        self._turns: dict[int, float] = {}

    def listening(self, guild_id: int) -> bool:
        """Whether anybody gets, or by resuming can still get, what is dispatched about that guild (0: none)."""
        self._forget_old()
        return any(session.hears(guild_id) for session in self.sessions.values())

    def dispatch(self, kind: str, body: Json, *, direct: bool = False, injected: bool = False) -> None:
        """Push an event to every session that wants it; without any session it is lost, as on Discord."""
        self._forget_old()
        event = Event(kind, body, direct, injected)
        for session in self.sessions.values():
            self._push(session, event)
        self._frame.changed.set()

    def send_to(self, session: Session, kind: str, body: Json) -> None:
        """Push an event to one session (READY, RESUMED, and answers to its requests)."""
        self._push(session, Event(kind, body, injected=False), always=True)

    def _push(self, session: Session, event: Event, *, always: bool = False) -> None:
        body = event.body if always else session.visible(event, self._world.bot.id)
        if body is None or (session.link and session.link.deaf):
            return
        session.seq += 1
        text = json.dumps({"op": 0, "t": event.kind, "s": session.seq, "d": body}, ensure_ascii=False)
        session.sent.append((session.seq, self._frame.clock.now(), text, event))
        if session.link:
            self._write(session.link, text, event, body)

    def _write(self, link: Link, text: str, event: Event, body: Json) -> None:
        link.outgoing.put_nowait(text)
        if not event.journalled:
            event.journalled = True
            self._frame.journal.event("discord", event.kind, body, injected=event.injected)

    def raw(self, text: str) -> None:
        """Push a frame as it stands to every connection."""
        for link in self.links:
            link.outgoing.put_nowait(text)
        self._frame.journal.event("discord", "raw", text, injected=True)

    def may_identify(self, shard: tuple[int, int] | None) -> bool:
        """Whether another shard of the same turn has not identified just before, where limits are enforced."""
        turn, now = (shard[0] if shard else 0) % MAX_CONCURRENCY, self._frame.clock.now()
        if self._frame.limits and now < self._turns.get(turn, 0.0) + IDENTIFY_SECONDS:
            return False
        self._turns[turn] = now
        return True

    def reset_token(self) -> None:
        """Too many session starts: every session ends, and the token is good no longer."""
        self._world.reset_token()
        self.sessions.clear()
        for link in list(self.links):
            link.session = None
            link.end(4004)

    def start(self, intents: int, link: Link, shard: tuple[int, int] | None = None) -> Session:
        """A new session on that connection."""
        self.identified.append(self._frame.clock.now())
        session = Session(intents, shard, link=link)
        self.sessions[session.id] = session
        link.session = session
        return session

    def starts_left(self, limit: int) -> int:
        """How many sessions may still be started within 24 hours."""
        day_ago = self._frame.clock.now() - 86_400
        while self.identified and self.identified[0] < day_ago:
            self.identified.popleft()
        return limit - len(self.identified)

    def starts_reset_after(self) -> int:
        """Milliseconds until the count of session starts is less by one; a day where there were none."""
        oldest = self.identified[0] if self.identified else self._frame.clock.now()
        return int((oldest + 86_400 - self._frame.clock.now()) * 1000)

    def resume(self, session_id: str, seq: int, link: Link) -> bool:
        """Attach a connection to a session and replay what came after `seq`; False when that is not possible."""
        self._forget_old()
        session = self.sessions.get(session_id)
        if session is None or not 0 <= seq <= session.seq:
            return False
        missed = [entry for entry in session.sent if entry[0] > seq]
        if len(missed) < session.seq - seq:
            return False
        if session.link:
            session.link.session = None
            session.link.end(4000)
        session.link, link.session = link, session
        for _, _, text, event in missed:
            self._write(link, text, event, json.loads(text)["d"])
        return True

    def detach(self, link: Link, *, forget: bool) -> None:
        """A connection ended: its session waits for a RESUME, or is forgotten."""
        self.links.discard(link)
        session, link.session = link.session, None
        if session is None:
            return
        session.link, session.lost_at = None, self._frame.clock.now()
        if forget:
            self.sessions.pop(session.id, None)

    def invalidate(self) -> None:
        """Tell every connection that its session is invalid and cannot be resumed (op 9), and forget them all."""
        for session in self.sessions.values():
            if session.link:
                session.link.session = None
                session.link.send(9, False)
        self.sessions.clear()

    def _forget_old(self) -> None:
        now = self._frame.clock.now()
        for session in list(self.sessions.values()):
            while session.sent and session.sent[0][1] < now - REPLAY_SECONDS:
                session.sent.popleft()
            if session.link is None and session.lost_at < now - REPLAY_SECONDS:
                del self.sessions[session.id]
