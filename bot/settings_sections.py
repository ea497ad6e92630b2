"""The sections of the settings: what each says, and what it is when nothing is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from bot.domain.roles import Grant, Role
from bot.locales.law import law_notes


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


QUICKNET = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
"""The chain of drand that publishes a round every three seconds, each signed by itself (scheme
bls-unchained-g1-rfc9380)."""
QUICKNET_KEY = (
    "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc2"
    "2b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
)


class Giveaways(Section):
    """Giveaways: who may make them, where their randomness comes from, and how long what is known is kept."""

    open_to: Literal["staff", "everyone"] = "staff"
    default_hours: float = Field(48.0, gt=0, le=24 * 366)
    """How long a giveaway runs whose maker said nothing."""
    alternates: int = Field(10, ge=0, le=10_000)
    """How many names are drawn beyond the winners, for re-rolls."""
    claim_hours: float = Field(48.0, ge=0, le=24 * 366)
    """How long a winner has before the prize goes to the next name; 0: it need not be claimed."""
    past_winner_days: float = Field(0.0, ge=0, le=3660)
    """Whoever won within so many days cannot enter, unless the giveaway says otherwise."""
    staff: Literal["excluded", "disclosed"] = "excluded"
    """Whether the team may enter; where it may, the card says so."""
    organiser: str = Field("", max_length=200)
    """Who answers for giveaways, as their rules name them."""
    law: tuple[str, ...] = ("cn",)
    """The places whose law the rules mention (`locales/law.toml`)."""
    retention_days: float = Field(90.0, gt=0, le=3660)
    """Who stood behind an entry is erased so long after the end; the proof stays."""
    address_days: float = Field(30.0, gt=0, le=3660)
    """A winner's address is erased so long after it was given."""
    beacon: Literal["drand", "none"] = "drand"
    """Whether draws use public randomness where their maker does not say otherwise."""
    beacon_urls: tuple[str, ...] = Field(
        ("https://api.drand.sh", "https://api2.drand.sh", "https://drand.cloudflare.com"), min_length=1, max_length=8
    )
    beacon_chain: str = QUICKNET
    beacon_key: str | None = None
    """The chain's public key (hex), with which signatures are checked; empty: they are not."""
    beacon_genesis: int = Field(1692803367, ge=0, le=2**40)
    """When the chain's first round was published, UTC seconds."""
    beacon_period: int = Field(3, ge=1, le=86400)
    """Seconds from round to round."""

    @field_validator("beacon_urls")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for url in value:
            if not _is_address(url):
                raise ValueError(f"{url!r} is no address; write https://host, or http:// only for this machine")
        bare = tuple(url.rstrip("/").lower() for url in value)
        if len(set(bare)) < len(bare):
            raise ValueError("an address is there twice; two mirrors must be two")
        return bare

    @field_validator("beacon_chain")
    @classmethod
    def _is_a_hash(cls, value: str) -> str:
        if not re.fullmatch("[0-9a-f]{64}", value.lower()):
            raise ValueError("write the chain's hash, 64 hexadecimal digits")
        return value.lower()

    @field_validator("beacon_key")
    @classmethod
    def _is_a_key(cls, value: str | None) -> str | None:
        if value and not re.fullmatch("[0-9a-f]{192}", value.lower()):
            raise ValueError("write the chain's public key, 192 hexadecimal digits, or leave it empty")
        return None if value is None else value.lower()

    @field_validator("law")
    @classmethod
    def _are_places(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in law_notes()]:
            raise ValueError(f"there is no note on {unknown[0]!r}; known are: {', '.join(law_notes())}")
        return value

    @property
    def key(self) -> str:
        """The public key with which the beacon's signatures are checked; empty: they are not."""
        own = QUICKNET_KEY if self.beacon_chain == QUICKNET else ""
        return own if self.beacon_key is None else self.beacon_key


def _is_address(url: str) -> bool:
    """Whether this is an address of a server: encrypted, or on this very machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = parts.scheme == "http" and host in {"127.0.0.1", "::1", "localhost"}
    extra = parts.query or parts.fragment or parts.username is not None or parts.password is not None
    return bool(host) and (parts.scheme == "https" or plain) and not extra and url.isascii() and url.isprintable()
