"""A round is taken on the word of two mirrors, or of one and the key; odd, slow and lying mirrors change nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from py_arkworks_bls12381 import Scalar
from structlog.testing import capture_logs

from bot.chat.beacons import Beacon, BeaconRound, BeaconUnavailable
from bot.integrations.drand import Drand, DrandConfig
from bot.settings import Giveaways

from .mirrors import CHAIN, KEY, SECRET, Answer, Mirror, mirrors, never, says, signed, status, tells, told, well

OTHER = Scalar(5)
"""Another secret: what it signs is a round of another chain."""


def forged(number: int) -> web.StreamResponse:
    """Whole in itself, and not what the chain signed."""
    return web.json_response(told(number, signed(number, OTHER)))


@asynccontextmanager
async def asking(*made: Mirror, key: str = KEY, **more: Any) -> AsyncIterator[Drand]:
    drand = Drand(DrandConfig(tuple(mirror.url for mirror in made), CHAIN, key, **more))
    try:
        yield drand
    finally:
        await drand.close()


async def failure(drand: Drand, number: int = 9) -> str:
    with pytest.raises(BeaconUnavailable) as caught:
        await drand.fetch(number)
    return str(caught.value)


def good(number: int, *by: Mirror, verified: bool = True) -> BeaconRound:
    return BeaconRound(
        CHAIN, number, signed(number), told(number)["randomness"], verified, tuple(mirror.host for mirror in by)
    )


ODD: dict[str, tuple[Answer, str]] = {
    "not there": (status(404), "not there yet"),
    "too early": (status(425), "not there yet"),
    "broken": (status(500), "status 500"),
    "limited": (status(429), "status 429"),
    "empty": (says(""), "no JSON"),
    "a page": (says("<!doctype html>"), "no JSON"),
    "no text": (says(b"\xff\xfe\x00"), "no JSON"),
    "cut off": (says(json.dumps(told(9))[:-1]), "no JSON"),
    "deep": (says("[" * 4000), "no JSON"),
    "packed": (says(gzip.compress(json.dumps(told(9)).encode()), **{"Content-Encoding": "gzip"}), "no JSON"),
    "a list": (says("[]"), "no round"),
    "null": (says("null"), "no round"),
    "another round": (lambda number: web.json_response(told(number + 1)), "another round"),
    "no number": (tells(round="9"), "another round"),
    "a truth": (lambda number: web.json_response(told(1) | {"round": True}), "another round"),
    "a fraction": (tells(round=9.0), "another round"),
    "no value": (tells(randomness=None), "no value"),
    "a short value": (tells(randomness="ab" * 31), "no value"),
    "no signature": (tells(signature=None), "no signature"),
    "a long signature": (tells(signature=signed(9) + "00"), "no signature"),
    "capitals": (tells(signature=signed(9).upper()), "no signature"),
    "another value": (tells(randomness="ab" * 32), "not the hash"),
    "another signature": (tells(signature=signed(10)), "not the hash"),
    "large": (lambda number: web.json_response(told(number) | {"more": "x" * 4096}), "more than 4096 bytes"),
}


async def test_two_mirrors_that_agree() -> None:
    async with mirrors(well, well, well) as made, asking(*made) as drand:
        beacon: Beacon = drand
        assert beacon.chain == CHAIN
        with capture_logs() as logs:
            assert await beacon.fetch(9) == good(9, *made[:2])
        assert [mirror.asked for mirror in made] == [[9], [9], []]
        assert logs == []


async def test_both_are_asked_at_the_same_time() -> None:
    """Neither answers before the other was asked."""
    both = asyncio.Barrier(2)

    async def together(number: int) -> web.StreamResponse:
        await both.wait()
        return well(number)

    async with mirrors(together, together) as made, asking(*made) as drand:
        assert await drand.fetch(9) == good(9, *made)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("key", [KEY, ""])
async def test_an_odd_mirror_is_passed_over(odd: str, key: str) -> None:
    answer, reason = ODD[odd]
    async with mirrors(answer, well, well) as made, asking(*made, key=key) as drand:
        found = await drand.fetch(9)
        assert set(found.mirrors) == {made[1].host, made[2].host}
        assert (found.signature, found.verified) == (signed(9), bool(key))
    async with mirrors(answer, answer) as made, asking(*made, key=key) as drand:
        told_so = await failure(drand)
        assert told_so.startswith("round 9: ")
        assert all(f"{mirror.host}: " in told_so for mirror in made)
        assert told_so.count(reason) == 2


async def test_mirrors_that_are_down() -> None:
    async with mirrors(well, well, well) as made, asking(*made) as drand:
        await made[0].down()
        assert set((await drand.fetch(9)).mirrors) == {made[1].host, made[2].host}
        await made[1].down()
        assert await drand.fetch(9) == good(9, made[2])
        await made[2].down()
        told_so = await failure(drand)
        assert told_so.count("cannot be reached (ClientConnectorError)") == 3


async def test_a_mirror_that_takes_its_time_is_not_waited_for() -> None:
    async with mirrors(never, well, well) as made, asking(*made, answer_timeout=0.2) as drand:
        assert set((await drand.fetch(9)).mirrors) == {made[1].host, made[2].host}
    async with mirrors(never, never) as made, asking(*made, answer_timeout=0.1) as drand:
        assert (await failure(drand)).count("no answer in time") == 2


async def test_all_of_it_has_a_deadline() -> None:
    async with mirrors(*[never] * 4) as made:
        async with asking(*made, asking_timeout=0.2) as drand:
            assert (await failure(drand)).count("no answer in time") == 2
        async with asking(*made, total_timeout=0.1) as drand:
            assert await failure(drand) == "round 9: no answer in time"
        assert [len(mirror.asked) for mirror in made] == [2, 2, 0, 0]


def test_the_deadlines_are_those_of_the_port() -> None:
    config = DrandConfig((), CHAIN)
    assert config.answer_timeout < config.asking_timeout < config.total_timeout < 15


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with mirrors(well, well) as made:
        made[0].flood = True
        async with asking(*made) as drand:
            with capture_logs() as logs:
                assert await drand.fetch(9) == good(9, made[1])
            assert logs[0]["faults"] == [f"{made[0].host}: more than 4096 bytes"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_it_is_not_sent_elsewhere(code: int) -> None:
    async with mirrors(well) as elsewhere:
        answer = status(code, Location=f"{elsewhere[0].url}/{CHAIN}/public/9")
        async with mirrors(answer, answer) as made, asking(*made) as drand:
            assert (await failure(drand)).count(f"status {code}") == 2
        assert elsewhere[0].asked == []


@pytest.mark.parametrize("key", [KEY, ""])
@pytest.mark.parametrize("answers", [(well, forged, well), (forged, well, well)])
async def test_mirrors_that_contradict_each_other(key: str, answers: tuple[Answer, ...]) -> None:
    """Nobody's word is picked, whichever came first and whatever a third would say."""
    async with mirrors(*answers) as made, asking(*made, key=key) as drand:
        told_so = await failure(drand)
        assert "contradict each other" in told_so
        assert all(mirror.host in told_so for mirror in made[:2])
        assert made[2].asked == []


async def test_what_the_key_does_not_bear_out_is_no_round() -> None:
    async with mirrors(forged, forged) as made:
        async with asking(*made) as drand:
            told_so = await failure(drand)
            assert "is not signed with the chain's key" in told_so
            assert all(mirror.host in told_so for mirror in made)
        async with asking(*made, key="") as drand:
            assert not (await drand.fetch(9)).verified
    async with mirrors(status(500), forged) as made, asking(*made) as drand:
        assert "is not signed" in await failure(drand)


@pytest.mark.parametrize("key", [KEY, ""])
async def test_one_answer_alone_is_enough_and_is_noted(key: str) -> None:
    async with mirrors(status(500), well, status(404)) as made, asking(*made, key=key) as drand:
        with capture_logs() as logs:
            assert await drand.fetch(9) == good(9, made[1], verified=bool(key))
        (line,) = logs
        assert (line["event"], line["log_level"], line["host"]) == ("beacon_single", "warning", made[1].host)
        assert line["signed"] is bool(key)
        assert len(line["faults"]) == 2


async def test_a_round_that_comes_later() -> None:
    there = False

    def then(number: int) -> web.StreamResponse:
        return well(number) if there else web.Response(status=425)

    async with mirrors(then, then) as made, asking(*made) as drand:
        assert (await failure(drand)).count("not there yet") == 2
        there = True
        assert await drand.fetch(9) == good(9, *made)


async def test_it_can_be_used_after_it_was_closed_and_closed_twice() -> None:
    async with mirrors(well, well) as made, asking(*made) as drand:
        await drand.close()
        assert (await drand.fetch(9)).round == 9
        await drand.close()
        assert (await drand.fetch(10)).round == 10


async def test_no_round_is_asked_for_by_the_number_of_the_newest() -> None:
    """`public/0` is the newest round, whichever that is."""
    async with mirrors(lambda _: well(77), lambda _: well(77)) as made, asking(*made) as drand:
        assert "another round" in await failure(drand, 0)


def test_when_quicknet_publishes() -> None:
    """Round 1000 was published on 2023-08-23 at 15:59:24 UTC."""
    drand = Drand(DrandConfig((), Giveaways().beacon_chain))
    assert drand.time_of(1000) == 1692806364
    assert drand.round_at(1692806364) == 1000
    assert drand.round_at(1692806364.001) == 1001
    assert drand.round_at(1692806361.001) == 1000
    assert drand.round_at(0) == 1
    assert drand.round_at(1692803367) == 1


@given(st.floats(0, 4e9), st.integers(1, 1000), st.integers(0, 2 * 10**9))
def test_a_round_is_the_first_at_or_after_a_time(at: float, period: int, genesis: int) -> None:
    drand = Drand(DrandConfig((), CHAIN, genesis=genesis, period=period))
    number = drand.round_at(at)
    assert drand.time_of(number) >= at
    assert number == 1 or drand.time_of(number - 1) < at
    assert drand.round_at(drand.time_of(number)) == number


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([well, well], ""),
        ([well, well, status(500)], ""),
        ([well, status(500), status(500)], "beacon.few"),
        ([status(500), status(500)], "beacon.few"),
        ([well], "beacon.one"),
        ([well, well, forged], "beacon.contradiction"),
        ([forged, forged], "beacon.signature"),
    ],
)
async def test_a_check_asks_every_mirror(answers: list[Answer], fault: str) -> None:
    async with mirrors(*answers) as made, asking(*made) as drand:
        found = await drand.check(drand.time_of(100))
        assert [one.key for one in found] == ([fault] if fault else [])
        assert [mirror.asked for mirror in made] == [[80]] * len(made)
        for one in found:
            named = f"{one.args['hosts']} {one.args['reasons']}"
            assert all(mirror.host in named for mirror in made)


async def test_a_chain_that_has_just_begun_can_be_checked() -> None:
    async with mirrors(well, well) as made, asking(*made) as drand:
        assert await drand.check(drand.time_of(2)) == []
        assert made[0].asked == [1]


def test_a_key_that_is_none() -> None:
    assert Drand(DrandConfig((), CHAIN, key=KEY)).chain == CHAIN
    with pytest.raises(ValueError, match="is no public key"):
        Drand(DrandConfig((), CHAIN, key="00" * 96))
    assert SECRET != OTHER
