"""The bot's slash commands, as Discord registers them for all servers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from discord.http import Route

from bot.chat.ports import CommandSpec
from bot.integrations.discord.markdown import shortened
from bot.integrations.discord.rest import Rest

log = logging.getLogger("herald.discord")

MOST = 100
"""Global chat commands of one application (Discord reference, "Application Commands")."""
DESCRIPTION = 100
TYPED = 1_000
"""The longest text behind a command, in characters; longer texts have forms."""
_NAME = re.compile(r"[-_\w']{1,32}")
_CHAT_INPUT, _STRING = 1, 3

Json = dict[str, object]


def payloads(commands: Sequence[CommandSpec]) -> list[Json]:
    """What to register; a command that Discord would refuse is left out and logged."""
    fitting = [spec for spec in commands if _fits(spec)]
    for spec in commands:
        if spec not in fitting[:MOST]:
            log.warning("discord: the command %r does not fit Discord's rules and is not registered", spec.name)
    return [_payload(spec) for spec in fitting[:MOST]]


def _fits(spec: CommandSpec) -> bool:
    named = _NAME.fullmatch(spec.name) is not None and spec.name == spec.name.lower()
    return named and bool(spec.descriptions.get("en"))


def _payload(spec: CommandSpec) -> Json:
    made: Json = {
        "type": _CHAT_INPUT,
        "name": spec.name,
        "description": shortened(spec.descriptions["en"], DESCRIPTION),
        "options": [_option(spec.usage)] if spec.usage else [],
    }
    if chinese := spec.descriptions.get("zh"):
        made["description_localizations"] = {"zh-CN": shortened(chinese, DESCRIPTION)}
    if (name := spec.localized.get("zh")) and _NAME.fullmatch(name):
        made["name_localizations"] = {"zh-CN": name}
    return made


def _option(usage: str) -> Json:
    """One text for everything: what is missing in it is asked for by the command itself."""
    return {
        "type": _STRING,
        "name": "text",
        "description": shortened(usage, DESCRIPTION),
        "required": False,
        "max_length": TYPED,
    }


def same(registered: object, wanted: Sequence[Json]) -> bool:
    """Whether Discord already knows exactly these; what it adds of its own does not count."""
    if not isinstance(registered, list) or len(registered) != len(wanted):
        return False
    known = {item.get("name"): item for item in registered if isinstance(item, dict)}
    return all(_covers(known.get(command["name"]), command) for command in wanted)


def _covers(registered: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        have: Mapping[str, object] = registered if isinstance(registered, dict) else {}
        return isinstance(registered, dict) and all(
            _covers(have.get(name), value) or (not value and not have.get(name)) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        if not isinstance(registered, list) or len(registered) != len(wanted):
            return False
        return all(_covers(one, other) for one, other in zip(registered, wanted, strict=True))
    return registered == wanted


async def register(rest: Rest, application: int, commands: Sequence[CommandSpec]) -> bool:
    """Make these the application's commands; False when they already were. Raises SendError."""
    route = "/applications/{application_id}/commands"
    wanted = payloads(commands)
    listing = Route("GET", route, application_id=application)
    if same(await rest.call(listing, params={"with_localizations": "true"}), wanted):
        return False
    await rest.call(Route("PUT", route, application_id=application), json=list[object](wanted), repeat=True)
    return True
