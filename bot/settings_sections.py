"""The sections of the settings: what each says, and what it is when nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.domain.roles import Grant, Role


class Section(BaseModel):
    """A part of the settings: unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Slack(Section):
    """Slack. `tenant` is the workspace's id; it is asked for at start when left out."""

    bot_token: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    signing_secret: SecretStr = SecretStr("")
    api_url: str = "https://slack.com/api/"
    mode: Literal["socket", "http"] = "socket"
    """How events come: Socket Mode, or as requests to `/slack/events` on `http.bind`, signed with `signing_secret`."""
    app_id: str = ""
    """In HTTP mode requests for another app are refused; any app's are taken while this is empty."""
    connections: int = Field(2, ge=1, le=10)
    """Socket Mode connections at once, so that one can go while another hears."""


class Discord(Section):
    """Discord."""

    token: SecretStr = SecretStr("")
    api_url: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    public_key: str = ""
    """The application's public key (hex). With it interactions come as requests to `/discord/interactions`, too."""
    shards: int = Field(1, ge=1, le=4096)
    shard_ids: tuple[int, ...] = ()
    """Which of the shards this process may hold; all while empty."""


class Telegram(Section):
    """Telegram."""

    token: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    webhook_url: str = ""
    """The public https address of `/telegram/webhook`. With it updates come as requests; otherwise they are polled."""
    api_url: str = "https://api.telegram.org"


class OpenAI(Section):
    """An OpenAI-compatible server; used when `drafting.drafter` is `openai`."""

    base_url: str = "https://api.openai.com/v1"
    api_key: SecretStr = SecretStr("")
    model: str = ""


class Community(Section):
    """Who we speak for."""

    name: str = "Herald"
    tone: str = ""


class Watch(Section):
    """Where comments are. Channels by name; `max_age_hours` bounds what a back-fill takes up."""

    channels: tuple[str, ...] = ()
    max_age_hours: float = Field(24.0, gt=0)


class Review(Section):
    """How drafts are decided."""

    channels: tuple[str, ...] = ()
    undo_seconds: float = Field(10.0, ge=0, le=3600)
    claim_minutes: float = Field(30.0, gt=0)
    four_eyes: bool = False
    card_lines: bool = True
    """Whether a short line in the card's thread records each decision."""
    sla_minutes: float = Field(0.0, ge=0)
    """A draft that waits longer is put before `escalation` once; 0: never."""
    escalation: str = ""
    """The channel, by name, where drafts that wait too long or were escalated are shown."""
    snooze_minutes: float = Field(60.0, gt=0)


class Drafting(Section):
    """How drafts are made."""

    drafter: Literal["embedded", "openai"] = "embedded"
    max_length: int = Field(1500, ge=50, le=4000)
    link_domains: tuple[str, ...] = ()
    prompts: Path | None = None


class Knowledge(Section):
    """The knowledge base: a folder of Markdown files, or a file of JSON lines."""

    path: Path = Path("config/knowledge")


class Roles(Section):
    """Who holds which role: members (`slack:T1:U1`) or a platform's own roles (`discord:G1:role:R1`)."""

    viewer: tuple[str, ...] = ()
    drafter: tuple[str, ...] = ()
    approver: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()

    def grants(self) -> list[Grant]:
        """All grants; raises BadAddress."""
        return [Grant.parse(role, text) for role in Role for text in getattr(self, role.value)]


class Delivery(Section):
    """Deadlines of delivery, in seconds."""

    request_timeout: float = Field(10.0, gt=0)
    lease: float = Field(30.0, gt=0)
    grace: float = Field(5.0, ge=0)

    @model_validator(mode="after")
    def _a_lease_outlives_a_request(self) -> Delivery:
        if self.lease <= self.request_timeout + self.grace:
            raise ValueError("lease must be longer than request_timeout + grace, or nothing would ever be sent")
        return self


class Processes(Section):
    """Several processes on one PostgreSQL database, in seconds."""

    beat: float = Field(3.0, gt=0)
    """How often a process shows that it lives."""
    lease: float = Field(10.0, gt=0)
    """A process that has not shown it for so long has lost what it held; it stops using it a beat earlier."""

    @model_validator(mode="after")
    def _beats_fit_into_a_lease(self) -> Processes:
        if self.lease < 3 * self.beat:
            raise ValueError("lease must be at least three beats long")
        return self


class Http(Section):
    """Where health and metrics are told, `host:port`; nowhere while `bind` is empty.

    It answers to addresses, `localhost`, and the names in `hosts`.
    """

    bind: str = ""
    hosts: tuple[str, ...] = ()

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
            raise ValueError("write host:port, for example 127.0.0.1:8421, or leave it empty")
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port, or None; port 0 takes any free one."""
        host, _, port = self.bind.rpartition(":")
        return (host.strip("[]"), int(port)) if self.bind else None


class Polls(Section):
    """Polls, and who may make them."""

    open_to: Literal["team", "everyone"] = "team"
    keys: Path | None = None
    """The folder of the keys of anonymous polls, which all processes share and no backup holds; `data_dir`/ballots."""
    active_days: int = Field(30, ge=1, le=365)
    """Whoever wrote within so many days counts as active; turnout is told against them."""
    default_hours: float = Field(24.0, gt=0, le=24 * 365)
    """How long a poll runs whose maker said nothing."""
