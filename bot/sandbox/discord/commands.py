"""Slash commands: what the bot has registered, and a typed line turned into an interaction's data.

Source: developer documentation, "Application Commands" (naming, limits, option types) and the behaviour of the client,
which refuses to send a command whose options do not fit.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from bot.sandbox.discord import views
from bot.sandbox.discord.errors import ApiError, FormErrors, Path, invalid_form, unknown
from bot.sandbox.discord.model import Guild, Member
from bot.sandbox.discord.world import World
from bot.sandbox.frame import ControlError, Json

SUB_COMMAND, SUB_GROUP, STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER = range(1, 11)
_MOST_COMMANDS = 100
_TRUE = {"true", "yes", "1", "是"}
LOCALES = {
    *("id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl", "pt-BR"),
    *("ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko"),
}


def _valid_name(name: str) -> bool:
    """The documented pattern `^[-_'\\p{L}\\p{N}\\p{sc=Deva}\\p{sc=Thai}]{1,32}$`, in lower case where there is one."""
    letters = all(
        c in "-_'" or unicodedata.category(c)[0] in "LN" or "\u0900" <= c <= "\u097f" or "\u0e00" <= c <= "\u0e7f"
        for c in name
    )
    return letters and name == name.lower()


def check_command(command: dict[str, Json], base: Path = ()) -> None:
    """Raise error 50035 for a command that the description lets through and Discord does not."""
    form = FormErrors()
    kind = command.get("type") or 1
    if kind == 1:
        _check_names(command, base, form)
        if not command.get("description"):
            form.add((*base, "description"), "BASE_TYPE_REQUIRED", "This field is required")
    elif command.get("description") or command.get("options"):
        words = "Context menu commands cannot have description"
        form.add((*base, "description"), "APPLICATION_COMMAND_INVALID_DESCRIPTION", words)
    _check_options(command.get("options") or [], base, form)
    form.check()


def _check_names(thing: dict[str, Json], base: Path, form: FormErrors) -> None:
    if not _valid_name(thing["name"]):
        form.add((*base, "name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    for key in ("name_localizations", "description_localizations"):
        for locale, text in (thing.get(key) or {}).items():
            if locale not in LOCALES:
                form.add((*base, key, locale), "BASE_TYPE_CHOICES", "This is no locale of Discord's.")
            elif key == "name_localizations" and not _valid_name(text):
                form.add((*base, key, locale), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")


def _check_options(options: list[dict[str, Json]], base: Path, form: FormErrors) -> None:
    seen: set[str] = set()
    optional = False
    for index, option in enumerate(options):
        here = (*base, "options", index)
        _check_names(option, here, form)
        if option["name"] in seen:
            words = "Option names must be unique"
            form.add((*here, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", words)
        if option.get("required") and optional:
            words = "Required options must be placed before non-required options"
            form.add(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", words)
        if option.get("autocomplete") and option.get("choices"):
            words = "Autocomplete options cannot have choices"
            form.add((*here, "choices"), "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_CHOICES", words)
        seen.add(option["name"])
        optional = optional or not option.get("required")
        _check_options(option.get("options") or [], here, form)
    kinds = {option["type"] in (SUB_COMMAND, SUB_GROUP) for option in options}
    if len(kinds) > 1:
        words = "Sub-commands and other options exclude each other"
        form.add((*base, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", words)


def _clean(value: Json) -> Json:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    return value


class CommandBook:
    """The registered commands: global ones under None, a guild's own under its id."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._books: dict[str | None, dict[str, dict[str, Json]]] = {}

    def listed(self, guild_id: str | None) -> list[Json]:
        """All commands of that scope, as `ApplicationCommandResponse`."""
        return list(self._books.get(guild_id, {}).values())

    def get(self, guild_id: str | None, command_id: str) -> dict[str, Json]:
        """One command; raises 10063."""
        try:
            return self._books.get(guild_id, {})[command_id]
        except KeyError:
            raise unknown("application command") from None

    def replace_all(self, guild_id: str | None, commands: list[dict[str, Json]]) -> list[Json]:
        """The bulk overwrite: what is not listed is gone; known names keep their ids."""
        if len(commands) > _MOST_COMMANDS:
            raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
        for index, command in enumerate(commands):
            check_command(command, (index,))
        keys = [(command.get("type") or 1, command["name"]) for command in commands]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                words = "Application command names must be unique"
                raise invalid_form([index, "name"], "APPLICATION_COMMANDS_DUPLICATE_NAME", words)
        kept = [self._made(guild_id, command) for command in commands]
        self._books[guild_id] = {command["id"]: command for command in kept}
        return list(kept)

    def add(self, guild_id: str | None, command: dict[str, Json]) -> tuple[bool, Json]:
        """Create a command, or overwrite the one of that name; whether it is new, and the command."""
        check_command(command)
        new = self._named(guild_id, command) is None
        if new and len(self._books.get(guild_id, {})) >= _MOST_COMMANDS:
            raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
        made = self._made(guild_id, command)
        self._books.setdefault(guild_id, {})[made["id"]] = made
        return new, made

    def change(self, guild_id: str | None, command_id: str, changes: dict[str, Json]) -> Json:
        """Change some fields of a command; raises 10063."""
        changed = self.get(guild_id, command_id) | changes
        check_command(changed)
        bits = changed.get("default_member_permissions")
        fixed = {"version": self._world.snowflake(), "default_member_permissions": None if bits is None else str(bits)}
        self._books[guild_id][command_id] = _clean(changed) | fixed
        return self._books[guild_id][command_id]

    def remove(self, guild_id: str | None, command_id: str) -> None:
        """Delete a command; raises 10063."""
        self.get(guild_id, command_id)
        del self._books[guild_id][command_id]

    def _named(self, guild_id: str | None, command: dict[str, Json]) -> dict[str, Json] | None:
        kind = command.get("type") or 1
        book = self._books.get(guild_id, {}).values()
        return next((c for c in book if c["name"] == command["name"] and c["type"] == kind), None)

    def _made(self, guild_id: str | None, command: dict[str, Json]) -> dict[str, Json]:
        known = self._named(guild_id, command)
        bits = command.get("default_member_permissions")
        fixed = {
            "id": known["id"] if known else self._world.snowflake(),
            "application_id": self._world.application_id,
            "version": self._world.snowflake(),
            "type": command.get("type") or 1,
            "description": command.get("description") or "",
            "default_member_permissions": None if bits is None else str(bits),
        }
        scope = (
            {"guild_id": guild_id} if guild_id else {"dm_permission": command.get("dm_permission", True) is not False}
        )
        made: dict[str, Json] = {"nsfw": False, **_clean(command), **fixed, **scope}
        return made

    def typed(self, guild: Guild | None, member: Member | None, line: str) -> dict[str, Json]:
        """An interaction's data for a typed line such as `/poll create question:"Tea?" hours:2`.

        Options are given by `name:value` or in order; the last text takes the rest of the line. Raises `ControlError`
        for what the client would not send.
        """
        name, _, rest = line.strip().removeprefix("/").partition(" ")
        found = self._find(guild, name)
        self._check_allowed(guild, member, found)
        words = Words(rest)
        data: dict[str, Json] = {"id": found["id"], "name": found["name"], "type": 1}
        if "guild_id" in found:
            data["guild_id"] = found["guild_id"]
        filled = Filling(self._world, guild)
        options = filled.options(found.get("options") or [], words)
        if options:
            data["options"] = options
        if filled.resolved:
            data["resolved"] = filled.resolved
        return data

    def _find(self, guild: Guild | None, name: str) -> dict[str, Json]:
        scopes = [guild.id, None] if guild else [None]
        for scope in scopes:
            for command in self._books.get(scope, {}).values():
                names = {command["name"], *(command.get("name_localizations") or {}).values()}
                if name in names and command["type"] == 1 and (guild or command.get("dm_permission")):
                    return command
        known = sorted(c["name"] for scope in scopes for c in self._books.get(scope, {}).values())
        raise ControlError(f"the bot has no command /{name} here; it has: {', '.join(known) or 'none'}")

    def _check_allowed(self, guild: Guild | None, member: Member | None, command: dict[str, Json]) -> None:
        bits = command.get("default_member_permissions")
        if bits is None or guild is None or member is None:
            return
        has = self._world.permissions(guild, member)
        needs = int(bits)
        if (needs == 0 and has != (1 << 53) - 1) or has & needs != needs:
            raise ControlError(
                f"Discord does not offer /{command['name']} to {member.user.name}: permissions {bits} needed"
            )


class Words:
    """The rest of a typed line, taken apart from the left."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()

    @property
    def quoted(self) -> bool:
        """Whether a text in quotes comes next."""
        return self.text.startswith('"')

    def word(self) -> str | None:
        """Take the next word, or the next text in quotes; None at the end."""
        match = re.match(r'"((?:[^"\\]|\\.)*)"\s*|(\S+)\s*', self.text)
        if not match:
            return None
        self.text = self.text[match.end() :]
        return match[1].replace('\\"', '"') if match[1] is not None else match[2]

    def rest(self) -> str | None:
        """Take everything that is left (quotes around all of it fall away); None at the end."""
        text, self.text = self.text, ""
        quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
        return quoted[1].replace('\\"', '"') if quoted else text or None

    def named(self, names: list[str]) -> dict[str, str]:
        """Take `name:value` pairs, if the line begins with one; a value runs to the next name or is in quotes."""
        pattern = re.compile(r"(?:^|(?<=\s))(" + "|".join(map(re.escape, names)) + r"):\s*") if names else None
        if pattern is None or not pattern.match(self.text):
            return {}
        marks = list(pattern.finditer(self.text))
        ends = [*(mark.start() for mark in marks[1:]), len(self.text)]
        pairs = {m[1]: Words(self.text[m.end() : end]).rest() or "" for m, end in zip(marks, ends, strict=True)}
        self.text = ""
        return pairs


@dataclass
class Filling:
    """Options being filled in; `resolved` collects the users, roles and channels they name."""

    world: World
    guild: Guild | None
    resolved: dict[str, dict[str, Json]] = field(default_factory=dict)

    def options(self, options: list[dict[str, Json]], words: Words) -> list[Json]:
        """The filled options; raises `ControlError` for missing, unfitting or superfluous ones."""
        if options and options[0]["type"] in (SUB_COMMAND, SUB_GROUP):
            return [self._sub(options, words)]
        given = words.named([option["name"] for option in options])
        if not given:
            given = self._in_order(options, words)
        if words.text:
            raise ControlError(f"the command has no option for {words.text!r}")
        filled = []
        for option in options:
            if option["name"] in given:
                value = self._value(option, given[option["name"]])
                filled.append({"name": option["name"], "type": option["type"], "value": value})
            elif option.get("required"):
                raise ControlError(f"the option {option['name']} is required")
        return filled

    def _in_order(self, options: list[dict[str, Json]], words: Words) -> dict[str, str]:
        given = {}
        texts = [option["name"] for option in options if option["type"] == STRING]
        for option in options:
            # A text in quotes ends with them only where an option can follow it.
            takes_rest = texts and option["name"] == texts[-1] and (option is options[-1] or not words.quoted)
            value = words.rest() if takes_rest else words.word()
            if value is not None:
                given[option["name"]] = value
        return given

    def _sub(self, options: list[dict[str, Json]], words: Words) -> Json:
        name = words.word()
        found = next((option for option in options if option["name"] == name), None)
        if found is None:
            raise ControlError(f"choose one of: {', '.join(option['name'] for option in options)}")
        inner = self.options(found.get("options") or [], words)
        return {"name": found["name"], "type": found["type"], "options": inner}

    def _value(self, option: dict[str, Json], text: str) -> Json:
        for choice in option.get("choices") or []:
            if text in (choice["name"], str(choice["value"])):
                return choice["value"]
        if option.get("choices"):
            raise ControlError(f"{text!r} is no choice of the option {option['name']}")
        kind = option["type"]
        if kind == STRING:
            return _bounded_text(option, text)
        if kind in (INTEGER, NUMBER):
            return _bounded_number(option, text)
        if kind == BOOLEAN:
            return text.lower() in _TRUE
        return self._mentioned(option, text)

    def _mentioned(self, option: dict[str, Json], text: str) -> str:
        kind, name = option["type"], text.strip("<@&!#>")
        if kind == CHANNEL and self.guild:
            channel = self.world.channels.get(self.guild.channels.get(name, name))
            if channel:
                self.resolved.setdefault("channels", {})[channel.id] = views.channel(channel)
                return channel.id
        elif kind in (ROLE, MENTIONABLE) and self.guild:
            role = self.guild.roles.get(name) or self.guild.role_named(name)
            if role:
                self.resolved.setdefault("roles", {})[role.id] = views.role(role)
                return role.id
        if kind in (USER, MENTIONABLE):
            return self._user(name)
        raise ControlError(f"{text!r} does not fit the option {option['name']}")

    def _user(self, name: str) -> str:
        user = self.world.user(name)
        self.resolved.setdefault("users", {})[user.id] = views.user(user)
        if self.guild:
            person = views.member(self.world.member(self.guild, name), with_user=False)
            self.resolved.setdefault("members", {})[user.id] = {
                k: v for k, v in person.items() if k not in ("mute", "deaf")
            }
        return user.id


def _bounded_text(option: dict[str, Json], text: str) -> str:
    least, most = option.get("min_length") or 0, option.get("max_length") or 6000
    if not least <= len(text) <= most:
        raise ControlError(f"the option {option['name']} takes {least} to {most} characters")
    return text


def _bounded_number(option: dict[str, Json], text: str) -> float:
    try:
        number = int(text) if option["type"] == INTEGER else float(text)
    except ValueError:
        raise ControlError(f"the option {option['name']} takes a number, not {text!r}") from None
    least, most = option.get("min_value"), option.get("max_value")
    if (least is not None and number < least) or (most is not None and number > most):
        raise ControlError(f"the option {option['name']} takes {least} to {most}")
    return number
