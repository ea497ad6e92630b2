"""How members of a chat stand: Telegram tells of one at a time, and of all administrators together."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.chat.ports import Refused, SendError, Unclear
from bot.chat.standings import Standing, one_by_one, patiently, told
from bot.domain.places import Channel, Member
from bot.integrations.telegram.client import Client
from bot.integrations.telegram.clocks import Clocks
from bot.integrations.telegram.errors import NOBODY, Migrated
from bot.integrations.telegram.moves import Moves
from bot.integrations.telegram.parse import PLATFORM

log = logging.getLogger("herald.telegram")

ADMINISTRATOR, BOOSTER = "administrator@", "booster@"
"""Beginnings of role words; a chat id follows."""
EACH = 0.05
"""Seconds from one look-up to the next: 20 a second of the 30 requests that a bot has (core.telegram.org/bots/faq)."""


@dataclass(slots=True)
class Looking:
    """Look-ups for one bot, one after the other and not too fast."""

    client: Client
    clocks: Clocks
    moves: Moves
    _next: float = field(default=0.0, init=False)

    async def standings(
        self, members: Collection[Member], chat: str, roles: Collection[str]
    ) -> Mapping[Member, Standing]:
        """As `ReadsStandings.standings`, of members of this bot, in this chat. Raises SendError."""
        asked = [member for member in members if _is_person(member.user_id)]
        if not asked:
            return {}
        heads = await self._heads(role.removeprefix(ADMINISTRATOR) for role in roles if role.startswith(ADMINISTRATOR))
        boosts = _Boosts(tuple(role.removeprefix(BOOSTER) for role in roles if role.startswith(BOOSTER)))

        async def read(member: Member) -> Standing | None:
            person = await self._member(chat, member.user_id)
            present = person is not None and _is_present(person)
            booster = await self._boosted(boosts, member.user_id) if present else frozenset[str]()
            held = {f"{ADMINISTRATOR}{one}" for one, users in (heads or {}).items() if member.user_id in users}
            return Standing(
                present=present,
                roles=None if heads is None else frozenset(held | {f"{BOOSTER}{one}" for one in booster or ()}),
                boosting=None if booster is None or not boosts.chats else bool(booster),
                is_bot=_user(person).get("is_bot") is True,
            )

        return told(*await one_by_one(asked, read))

    async def _heads(self, chats: Iterable[str]) -> Mapping[str, frozenset[str]] | None:
        """Administrators by chat; None where those of one chat cannot be read: then nothing is said of any."""
        found = {}
        for chat in dict.fromkeys(chats):
            try:
                heads = await self._ask("getChatAdministrators", chat)
            except SendError as error:
                log.warning("telegram: administrators of %s cannot be read: %s", chat, error)
                return None
            listed = heads if isinstance(heads, list) else []
            found[chat] = frozenset(str(_user(head).get("id")) for head in listed)
        return found

    async def _member(self, chat: str, user: str) -> Mapping[str, Any] | None:
        """What Telegram says of somebody in a chat; None for who was never there."""
        try:
            person = await self._ask("getChatMember", chat, user_id=int(user))
        except Refused as refused:
            if refused.code == NOBODY:
                return None
            raise
        if not isinstance(person, dict):
            raise Unclear("getChatMember did not answer with an object")
        return person

    async def _boosted(self, boosts: _Boosts, user: str) -> frozenset[str] | None:
        """Which of the chats somebody boosts; None where that cannot be told of one."""
        held = set()
        for chat in boosts.chats:
            if chat in boosts.closed:
                return None
            try:
                answer = await self._ask("getUserChatBoosts", chat, user_id=int(user))
            except Refused as refused:
                if refused.code == NOBODY:
                    continue
                log.warning("telegram: who boosts %s cannot be read: %s", chat, refused)
                boosts.closed.add(chat)
                return None
            said = answer.get("boosts") if isinstance(answer, dict) else None
            if not isinstance(said, list):
                raise Unclear("getUserChatBoosts did not answer with boosts")
            if any(_lasts(boost, self.clocks.now()) for boost in said):
                held.add(chat)
        return frozenset(held)

    async def _ask(self, method: str, chat: str, **parameters: object) -> object:
        """Call it in its turn, and again where the chat has moved or an answer is missing. Raises SendError."""

        async def ask() -> object:
            await self._turn()
            there = self.moves.chat(Channel(PLATFORM, "", chat))
            return await self.client.call(method, chat_id=_number(there), **parameters)

        try:
            return await patiently(ask, self._sleep)
        except Migrated as moved:
            if not self.moves.learn(chat, moved.chat):
                raise
        return await patiently(ask, self._sleep)

    async def _turn(self) -> None:
        now = self.clocks.monotonic()
        wait, self._next = self._next - now, max(self._next, now) + EACH
        if wait > 0:
            await self.clocks.sleep(wait)

    def _sleep(self, seconds: float) -> Awaitable[None]:
        return self.clocks.sleep(seconds)


@dataclass(slots=True)
class _Boosts:
    """Whose boosts are asked for, and which of these chats do not tell: the bot is no administrator there."""

    chats: tuple[str, ...]
    closed: set[str] = field(default_factory=set)


def _is_present(person: Mapping[str, Any]) -> bool:
    status = person.get("status")
    return status in ("creator", "administrator", "member") or (
        status == "restricted" and person.get("is_member") is True
    )


def _user(person: object) -> Mapping[str, Any]:
    user = person.get("user") if isinstance(person, Mapping) else None
    return user if isinstance(user, dict) else {}


def _lasts(boost: object, now: float) -> bool:
    ends = boost.get("expiration_date") if isinstance(boost, dict) else None
    return not isinstance(ends, int) or ends > now


def _is_person(user: str) -> bool:
    # Channels and anonymous administrators, whose ids are negative, are no members.
    return user.isascii() and user.isdigit() and len(user) < 17


def _number(chat: str) -> int:
    try:
        return int(chat)
    except ValueError:
        raise Refused(f"{chat[:40]!r} is no chat id", "no-chat") from None
