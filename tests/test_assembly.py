"""What an application is made of: its database, its leases, and the key that several processes share."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from bot.assembly import KEY, first_key, gateway_lease, make_base, shared_key
from bot.chat.processes import PaceUnavailable
from bot.domain.places import Channel
from bot.domain.roles import Action
from bot.engine.leases import Keeper
from bot.handlers.payloads import Signer
from bot.outside import make_pace, make_wakeup
from bot.running import secrets_of
from bot.settings import Settings, SettingsFault, load
from bot.storage.people import Facts
from bot.storage.postgres import PostgresStore
from bot.storage.schema import migrate_server

ROOM = Channel("slack", "T1", "C1")


def settings(folder: Path, **environment: str) -> Settings:
    given = {f"HERALD_{name.upper()}": value for name, value in environment.items()}
    return load({"HERALD_DATA_DIR": str(folder / "data"), **given}, folder / "none.toml")


@pytest.mark.parametrize(
    ("ids", "lease"),
    [
        ([], "gateway:discord"),
        ([3], "gateway:discord:3"),
        ([0, 1, 2, 3], "gateway:discord:0-3"),
        ([7, 4, 5, 0, 1, 4], "gateway:discord:0-1,4-5,7"),
    ],
)
def test_gateways_with_different_shards_hear_beside_each_other(tmp_path: Path, ids: list[int], lease: str) -> None:
    found = settings(tmp_path, discord__shards="8", discord__shard_ids=json.dumps(ids))
    assert gateway_lease("discord", found) == lease
    assert gateway_lease("telegram", found) == "gateway:telegram"


@pytest.mark.parametrize("duty", ["gateway", "worker"])
def test_a_sqlite_file_is_for_one_process_that_does_everything(tmp_path: Path, duty: str) -> None:
    with pytest.raises(SettingsFault, match=f"--role {duty}.*database_url"):
        make_base(settings(tmp_path), duty)  # type: ignore[arg-type]
    base = make_base(settings(tmp_path), "all")
    assert base.keeper is None
    assert base.clock.patience == 30


async def test_on_a_server_loops_look_as_often_as_it_takes(tmp_path: Path) -> None:
    url = "postgresql://herald:x@127.0.0.1:1/herald"
    alone = make_base(settings(tmp_path, database_url=url), "worker")
    assert isinstance(alone.keeper, Keeper)
    assert alone.wakeup is None
    assert alone.clock.patience == 0.5
    called = make_base(settings(tmp_path, database_url=url, redis_url="redis://127.0.0.1:1/0"), "worker")
    assert called.wakeup is not None
    assert not called.wakeup.well
    assert called.clock.patience == 0.5
    called.wakeup._hears = called.wakeup._speaks = True  # type: ignore[attr-defined]
    assert called.clock.patience == 2


async def test_without_a_redis_there_is_nothing_to_call_and_nothing_to_share(tmp_path: Path) -> None:
    assert make_wakeup(settings(tmp_path), frozenset()) is None
    for call in (
        make_pace("slack", settings(tmp_path)).take("b", 1, 1, 1),
        make_pace("slack", settings(tmp_path)).empty(),
    ):
        with pytest.raises(PaceUnavailable):
            await call


def test_the_key_of_a_file_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    key = first_key(settings(tmp_path))
    file = tmp_path / "data" / "herald.key"
    assert len(key) == 32
    assert file.read_bytes() == key == first_key(settings(tmp_path))
    assert file.stat().st_mode & 0o777 == 0o600


def test_on_a_server_no_file_is_made_and_one_that_is_there_is_taken_along(tmp_path: Path) -> None:
    moved = settings(tmp_path, database_url="postgresql://herald:x@127.0.0.1:1/herald")
    assert first_key(moved) != first_key(moved)
    assert not (tmp_path / "data" / "herald.key").exists()
    kept = first_key(settings(tmp_path))
    assert first_key(moved) == kept


async def test_all_processes_on_a_server_use_the_key_that_was_first(postgres_url: str) -> None:
    await asyncio.to_thread(migrate_server, postgres_url)
    stores = [PostgresStore(postgres_url) for _ in range(3)]
    for store in stores:
        await store.open()
    offered = [bytes([number]) * 32 for number in range(3)]
    keys = await asyncio.gather(*(shared_key(store, key) for store, key in zip(stores, offered, strict=True)))
    assert len(set(keys)) == 1
    assert keys[0] in offered
    assert await shared_key(stores[0], b"x" * 32) == keys[0]
    kept = await stores[0].read(lambda connection: Facts(connection).get(KEY))
    assert kept == keys[0].hex()
    for store in stores:
        await store.close()


def test_a_key_that_was_learned_later_signs_and_checks() -> None:
    early, late = Signer(b"a" * 32), Signer(b"b" * 32)
    view = "v" * 22
    before = early.make(view, Action.APPROVE, ROOM)
    early.change_key(b"b" * 32)
    assert early.read(before, ROOM) is None
    assert early.make(view, Action.APPROVE, ROOM) == late.make(view, Action.APPROVE, ROOM)


def test_passwords_in_addresses_are_masked_with_and_without_the_rest(tmp_path: Path) -> None:
    found = settings(
        tmp_path, database_url="postgresql://herald:p%40ss-one@host/db", redis_url="redis://:pass-two@host:6379/0"
    )
    secrets = set(secrets_of(found))
    assert {"p%40ss-one", "p@ss-one", "pass-two", "redis://:pass-two@host:6379/0"} <= secrets
    assert set(secrets_of(settings(tmp_path, database_url="postgresql://[bad"))) == {"", "postgresql://[bad"}


def test_what_takes_long_to_load_is_loaded_beforehand() -> None:
    code = (
        "import sys; from bot.assembly import warm_up\n"
        "assert not {'dateparser', 'dateutil.rrule', 'py3langid'} & set(sys.modules)\n"
        "warm_up()\n"
        "assert {'dateparser', 'py3langid'} <= set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
