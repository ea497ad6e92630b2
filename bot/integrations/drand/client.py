"""A `Beacon` over drand's HTTP interface (`GET {mirror}/{chain}/public/{round}`).

A draw hangs on what comes from here, so nothing is taken on one server's word where that can be helped: two mirrors are
asked at the same time and must say the same, and the signature is checked under the chain's key. Where two contradict
each other, or the key contradicts them, there is no round; which of them is right is for people to find out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from math import ceil

import aiohttp
import structlog

from bot.chat.beacons import BeaconRound, BeaconUnavailable
from bot.chat.ports import SetupFault
from bot.integrations.drand.signatures import Signatures

LIMIT = 4096
"""Bytes of an answer that are read; a round takes some 250."""
ASKED = 2
"""How many mirrors have to agree."""
_ROUND = re.compile("[0-9a-f]{64}")
_SIGNATURE = re.compile("[0-9a-f]{96}")
_AGO = 20
"""How many rounds back a check looks: every mirror has had the time to fetch that one."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DrandConfig:
    """Where the beacon is asked, and which. Times in seconds.

    `key` is the chain's public key (hex, 96 bytes; scheme bls-unchained-g1-rfc9380); empty: signatures are not checked.
    """

    urls: tuple[str, ...]
    chain: str
    key: str = ""
    genesis: int = 1692803367
    period: int = 3
    answer_timeout: float = 5.0
    """For one mirror."""
    asking_timeout: float = 12.0
    """For all that are asked, one after the other."""
    total_timeout: float = 14.5


@dataclass(frozen=True, slots=True)
class _Answer:
    host: str
    value: str
    signature: str


class _Silent(Exception):
    """A mirror gave no round; `str()` says why in a few words."""


class Drand:
    """drand's public randomness. Raises ValueError where the key of the settings is none."""

    def __init__(self, config: DrandConfig) -> None:
        self._config = config
        self._signatures = Signatures(config.key) if config.key else None
        self._session: aiohttp.ClientSession | None = None

    @property
    def chain(self) -> str:
        """As `Beacon.chain`."""
        return self._config.chain

    def round_at(self, at: float) -> int:
        """As `Beacon.round_at`: the first round is number 1, published at the genesis."""
        return max(ceil((at - self._config.genesis) / self._config.period), 0) + 1

    def time_of(self, number: int) -> float:
        """As `Beacon.time_of`."""
        return float(self._config.genesis + (number - 1) * self._config.period)

    async def fetch(self, number: int) -> BeaconRound:
        """As `Beacon.fetch`."""
        try:
            async with asyncio.timeout(self._config.total_timeout):
                answers, faults = await self._asked(number)
                return await self._settled(number, answers, faults)
        except TimeoutError:
            raise BeaconUnavailable(f"round {number}: no answer in time") from None

    async def check(self, now: float) -> list[SetupFault]:
        """Ask every mirror for a round of some time ago: whether two answer, and all of them the same."""
        number = max(self.round_at(now) - _AGO, 1)
        asked = await asyncio.gather(*(self._asked(number, [url]) for url in self._config.urls))
        answers = [answer for found, _ in asked for answer in found]
        faults = [fault for _, found in asked for fault in found]
        about = {"round": str(number), "hosts": _names(answers) or "–", "reasons": "; ".join(faults)}
        if len({(answer.value, answer.signature) for answer in answers}) > 1:
            return [SetupFault("beacon.contradiction", about)]
        if answers and not await self._is_signed(number, answers[0].signature):
            return [SetupFault("beacon.signature", about)]
        if len(answers) < ASKED:
            return [SetupFault("beacon.few" if len(self._config.urls) >= ASKED else "beacon.one", about)]
        return []

    async def close(self) -> None:
        """Let go of connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _asked(self, number: int, urls: Iterable[str] = ()) -> tuple[list[_Answer], list[str]]:
        """What two mirrors say, and why others did not."""
        left, faults = deque(urls or self._config.urls), list[str]()
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._one(left, number, faults)) for _ in range(min(ASKED, len(left)))]
        return [answer for task in asking if (answer := task.result()) is not None], faults

    async def _one(self, left: deque[str], number: int, faults: list[str]) -> _Answer | None:
        """The answer of the first mirror of those left that has one."""
        host = ""
        try:
            async with asyncio.timeout(self._config.asking_timeout):
                while left:
                    url = left.popleft()
                    host = url.partition("//")[2]
                    try:
                        return await self._answer(url, host, number)
                    except _Silent as fault:
                        faults.append(f"{host}: {fault}")
        except TimeoutError:
            faults.append(f"{host}: no answer in time")
        return None

    async def _answer(self, url: str, host: str, number: int) -> _Answer:
        """One mirror's answer, if it is a round at all. Raises _Silent."""
        try:
            async with asyncio.timeout(self._config.answer_timeout):
                body = await self._got(f"{url}/{self.chain}/public/{number}")
        except TimeoutError:
            raise _Silent("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Silent(f"cannot be reached ({type(error).__name__})") from None
        value, signature = _read(body, number)
        return _Answer(host, value, signature)

    async def _got(self, url: str) -> bytes:
        """The body of an answer. It is not followed elsewhere: another host was never asked for its word."""
        async with self._opened().get(url, allow_redirects=False) as answer:
            if answer.status in {404, 425}:
                raise _Silent("not there yet")
            if answer.status != 200:
                raise _Silent(f"status {answer.status}")
            try:
                await answer.content.readexactly(LIMIT + 1)
            except asyncio.IncompleteReadError as whole:
                return whole.partial
            raise _Silent(f"more than {LIMIT} bytes")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),  # our deadlines stand around each request
            )
        return self._session

    async def _settled(self, number: int, answers: list[_Answer], faults: list[str]) -> BeaconRound:
        """The round that the answers agree on. Raises BeaconUnavailable."""
        if not answers:
            raise BeaconUnavailable(f"round {number}: {'; '.join(faults)}")
        first = answers[0]
        if any((other.value, other.signature) != (first.value, first.signature) for other in answers):
            raise BeaconUnavailable(f"round {number}: {_names(answers)} contradict each other")
        if not await self._is_signed(number, first.signature):
            raise BeaconUnavailable(f"round {number}: what {_names(answers)} says is not signed with the chain's key")
        if len(answers) < ASKED:
            _log.warning("beacon_single", round=number, host=first.host, signed=bool(self._signatures), faults=faults)
        return BeaconRound(
            chain=self.chain,
            round=number,
            signature=first.signature,
            value=first.value,
            verified=self._signatures is not None,
            mirrors=tuple(answer.host for answer in answers),
        )

    async def _is_signed(self, number: int, signature: str) -> bool:
        """Whether nothing speaks against the signature: without a key nothing can."""
        if self._signatures is None:
            return True
        return await asyncio.to_thread(self._signatures.holds, number, signature)


def _names(answers: Iterable[_Answer]) -> str:
    return ", ".join(answer.host for answer in answers)


def _read(body: bytes, number: int) -> tuple[str, str]:
    """Value and signature of the round that was asked for. Raises _Silent."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        raise _Silent("its answer is no JSON") from None
    if not isinstance(told, dict):
        raise _Silent("its answer is no round")
    value, signature = told.get("randomness"), told.get("signature")
    if type(told.get("round")) is not int or told["round"] != number:
        raise _Silent("its answer is another round")
    if not (isinstance(value, str) and _ROUND.fullmatch(value)):
        raise _Silent("its answer has no value of 32 bytes in lower-case hex")
    if not (isinstance(signature, str) and _SIGNATURE.fullmatch(signature)):
        raise _Silent("its answer has no signature of 48 bytes in lower-case hex")
    if sha256(bytes.fromhex(signature)).hexdigest() != value:
        raise _Silent("its value is not the hash of its signature")
    return value, signature
