"""Settings: `config/herald.toml`, the environment over it (`HERALD_` + section + `__` + key), secrets also from files.

Every fault is reported at once, each in one line that says what to change.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr, ValidationError, field_validator

from bot.domain.places import BadAddress, Channel
from bot.domain.roles import Grant, Role
from bot.locales.zones import is_zone
from bot.settings_sections import (
    Community,
    Delivery,
    Discord,
    Drafting,
    Giveaways,
    Http,
    Knowledge,
    OpenAI,
    Polls,
    Processes,
    Review,
    Roles,
    Section,
    Slack,
    Telegram,
    Watch,
)

__all__ = [
    "DEFAULT_FILE",
    "EXAMPLE_FILE",
    "PLATFORMS",
    "Community",
    "Delivery",
    "Discord",
    "Drafting",
    "Giveaways",
    "Http",
    "Knowledge",
    "OpenAI",
    "Polls",
    "Processes",
    "Review",
    "Roles",
    "Section",
    "Settings",
    "SettingsFault",
    "Slack",
    "Telegram",
    "Watch",
    "config_file",
    "exposed",
    "load",
]

DEFAULT_FILE = Path("config/herald.toml")
EXAMPLE_FILE = Path(__file__).resolve().parent.parent / "config" / "herald.example.toml"
PLATFORMS = ("slack", "discord", "telegram")


class SettingsFault(Exception):
    """The settings cannot be used; `faults` has one line for each thing to change."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Settings(Section):
    """Everything that an installation says about itself."""

    languages: tuple[Literal["en", "zh"], ...] = ("en", "zh")
    community: Community = Community()
    channels: Mapping[str, str] = {}
    tenants: Mapping[str, str] = {}
    """The workspace or guild of a channel name, where a platform has several (`"discord/review" = "G1"`)."""
    channel_languages: Mapping[str, Literal["en", "zh"]] = {}
    watch: Watch = Watch()
    review: Review = Review()
    roles: Roles = Roles()
    drafting: Drafting = Drafting()
    knowledge: Knowledge = Knowledge()
    delivery: Delivery = Delivery()
    slack: Slack = Slack()
    discord: Discord = Discord()
    telegram: Telegram = Telegram()
    openai: OpenAI = OpenAI()
    http: Http = Http()
    processes: Processes = Processes()
    polls: Polls = Polls()
    giveaways: Giveaways = Giveaways()
    timezone: str = "UTC"
    """The community's zone (IANA), for people and rooms that have none of their own."""
    database_url: SecretStr = SecretStr("")
    """`postgresql://user:password@host/name`; empty: a SQLite file in `data_dir`."""
    redis_url: SecretStr = SecretStr("")
    """`redis://host:port/0`; used with PostgreSQL only. Without it processes look at the database often."""
    limits: Literal["published", "none"] = "published"
    data_dir: Path = Path("data")
    clock_file: Path | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("channels", mode="before")
    @classmethod
    def _ids_are_texts(cls, value: object) -> object:
        return {name: str(number) for name, number in value.items()} if isinstance(value, dict) else value

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError(f"there is no zone {value!r}; write it as Continent/City, for example Asia/Shanghai")
        return value

    @property
    def ballot_keys(self) -> Path:
        """The folder of the keys of anonymous polls."""
        return self.polls.keys or self.data_dir / "ballots"

    def configured(self) -> tuple[str, ...]:
        """Platforms that have a token."""
        tokens = {"slack": self.slack.bot_token, "discord": self.discord.token, "telegram": self.telegram.token}
        return tuple(name for name in PLATFORMS if tokens[name].get_secret_value())

    def channel_ids(self, names: tuple[str, ...], platform: str) -> tuple[str, ...]:
        """The ids of those named channels that are on this platform."""
        return tuple(self.channels[name] for name in names if name.startswith(platform + "/"))

    def named(self, names: tuple[str, ...], tenants: Mapping[str, str]) -> list[Channel]:
        """Channels by name, for the platforms whose tenant is known."""
        found = []
        for name in names:
            platform = name.partition("/")[0]
            tenant = self.tenants.get(name) or tenants.get(platform)
            if tenant is not None:
                found.append(Channel(platform, tenant, self.channels[name]))
        return found


def _name_faults(values: Mapping[str, Any]) -> list[str]:
    """Faults of names, looked for in what the file says so that faults of other values do not hide them."""
    channels = values.get("channels")
    known = set(channels) if isinstance(channels, dict) else set()
    faults = [
        f"channels: {name!r} must be platform/name with a platform of {', '.join(PLATFORMS)}"
        for name in sorted(known)
        if name.partition("/")[0] not in PLATFORMS or not name.partition("/")[2]
    ]
    wanted = [("review.escalation", name) for name in [_text(values, "review", "escalation")] if name]
    wanted += [(f"{part}.channels", name) for part in ("watch", "review") for name in _texts(values, part, "channels")]
    wanted += [(part, name) for part in ("tenants", "channel_languages") for name in _names(values.get(part))]
    faults += [f"{at}: {name!r} is not in [channels]; add its id there" for at, name in wanted if name not in known]
    for role in Role:
        for text in _texts(values, "roles", role.value):
            try:
                Grant.parse(role, text)
            except BadAddress as error:
                faults.append(f"roles.{role.value}: {error}")
    return faults


def _texts(values: Mapping[str, Any], section: str, name: str) -> list[str]:
    table = values.get(section)
    found = table.get(name) if isinstance(table, dict) else None
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _text(values: Mapping[str, Any], section: str, name: str) -> str:
    table = values.get(section)
    found = table.get(name) if isinstance(table, dict) else None
    return found if isinstance(found, str) else ""


def _names(table: object) -> list[str]:
    return [str(name) for name in table] if isinstance(table, dict) else []


def config_file(environment: Mapping[str, str]) -> Path:
    """The settings' file: `HERALD_CONFIG`, or `config/herald.toml`."""
    return Path(environment.get("HERALD_CONFIG") or DEFAULT_FILE)


_SECRETS = re.compile(
    r"^\s*(?:bot_token|app_token|signing_secret|token|webhook_secret|api_key|database_url|redis_url)"
    r"\s*=\s*[\"'][^\"']",
    re.M,
)


def exposed(file: Path) -> bool:
    """Whether a file holds a secret and others on the machine may read it."""
    try:
        return bool(file.stat().st_mode & 0o077 and _SECRETS.search(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        return False


def load(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read file and environment. Raises SettingsFault with every fault."""
    environment = os.environ if environment is None else environment
    file = file or config_file(environment)
    values = _read(file, required=bool(environment.get("HERALD_CONFIG")))
    _anchor(values, file)
    faults = _overlay(values, environment)
    faults += [f"{file}: {line}" for line in _name_faults(values)]
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsFault([*faults, *(_line(item, file) for item in error.errors())]) from None
    if faults:
        raise SettingsFault(faults)
    return settings


def _read(file: Path, *, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise SettingsFault([f"{file}: there is no such file (HERALD_CONFIG names it)"]) from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsFault([f"{file}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsFault([f"{file}: not valid TOML: {error}"]) from None


def _anchor(values: dict[str, Any], file: Path) -> None:
    """Relative paths of a file hold wherever the program is started: they are read from the folder above `config/`."""
    base = file.resolve().parent
    base = base.parent if base.name == "config" else base
    for *sections, name in (
        ["data_dir"],
        ["clock_file"],
        ["knowledge", "path"],
        ["drafting", "prompts"],
        ["polls", "keys"],
    ):
        table: Any = values
        for section in sections:
            table = table.get(section, {}) if isinstance(table, dict) else {}
        if isinstance(table, dict) and isinstance(table.get(name), str):
            table[name] = str(base / table[name])


_PLAIN = {"HERALD_CONFIG"}
_OUTSIDE = ("HERALD_FAILPOINTS", "HERALD_SANDBOX_PORT")
"""Read by other parts of the program, or by ones that are not running."""


def _overlay(values: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    faults = []
    for name, text in environment.items():
        if not name.startswith("HERALD_") or name in _PLAIN or name.startswith(_OUTSIDE):
            continue
        path = name.removeprefix("HERALD_").lower().split("__")
        if path[-1].endswith("_file") and path != ["clock_file"]:
            try:
                text = Path(text).read_text(encoding="utf-8").strip()  # noqa: PLW2901 - the file holds the value
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"{name}: {text} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}")
                continue
            path[-1] = path[-1].removesuffix("_file")
        _put(values, path, _value(text))
    return faults


def _value(text: str) -> Any:  # noqa: ANN401 - what the environment says, checked by the model
    if text[:1] in "[{" and text:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:  # noqa: ANN401 - as above
    for part in path[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        values = inner
    values[path[-1]] = value


def _line(item: Mapping[str, Any], file: Path) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{file}: {where}: there is no such setting"
    return f"{file}: {where}: {item['msg']}"
