"""The keys of anonymous polls and giveaways: one file each, made whole, shared by processes, gone when destroyed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import VARIABLE, Point, arm
from bot.storage import keys as module
from bot.storage.keys import PADDED, Key, Keys, is_anonymous, is_giveaway

NAME, OTHER, PRIZES = "a.oneoneone", "a.twotwotwo", "w.prize_prize_"
KEY = Key(NAME, b"k" * 32)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "ballots")


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm({})


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "ballots").iterdir())


# ---- what a key does


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_voter_has_one_token_and_no_two_voters_share_one(one: str, two: str) -> None:
    assert (KEY.token(one) == KEY.token(two)) == (one == two)
    assert len(KEY.token(one)) == 24


def test_a_token_is_another_one_with_another_key_poll_or_purpose() -> None:
    tokens = [
        KEY.token("slack:T1:U1"),
        KEY.token("slack:T1:U1", "refusal"),
        Key(NAME, b"l" * 32).token("slack:T1:U1"),
        Key(OTHER, b"k" * 32).token("slack:T1:U1"),
    ]
    assert len(set(tokens)) == 4


def test_the_token_and_the_seal_do_not_use_the_key_itself() -> None:
    """Whoever learns one of them knows nothing of the other."""
    plain = hmac.digest(b"k" * 32, b"ballot\x00slack:T1:U1", hashlib.sha256)
    assert KEY.token("slack:T1:U1") != base64.urlsafe_b64encode(plain[:18]).decode()


@given(st.binary(max_size=3 * PADDED))
def test_what_is_sealed_opens_again_with_its_own_key_only(data: bytes) -> None:
    sealed = KEY.seal(data)
    assert KEY.open(sealed) == data
    assert Key(NAME, b"l" * 32).open(sealed) is None
    assert Key(OTHER, b"k" * 32).open(sealed) is None


@given(st.binary(max_size=PADDED - 1), st.binary(max_size=PADDED - 1))
def test_the_length_of_a_seal_says_nothing(one: bytes, two: bytes) -> None:
    assert len(KEY.seal(one)) == len(KEY.seal(two))


def test_longer_texts_have_few_lengths() -> None:
    assert len({len(KEY.seal(b"x" * size)) for size in range(0, 8 * PADDED, 97)}) == 4


def test_the_same_text_is_never_sealed_in_the_same_way() -> None:
    assert len({KEY.seal(b"yes") for _ in range(100)}) == 100


@pytest.mark.parametrize("at", [0, 5, 40, -5])
def test_a_changed_seal_does_not_open(at: int) -> None:
    whole = bytearray(base64.urlsafe_b64decode(KEY.seal(b"yes")))
    whole[at] ^= 1
    assert KEY.open(base64.urlsafe_b64encode(whole).decode()) is None


@pytest.mark.parametrize("garbage", ["", "x", "not base64 ☃", "AAAA", "A" * 60])
def test_garbage_does_not_open(garbage: str) -> None:
    assert KEY.open(garbage) is None


# ---- the folder


def test_a_key_is_made_once_and_found_by_another_process(keys: Keys, tmp_path: Path) -> None:
    token = keys.make(NAME).token("x")
    assert keys.make(NAME).token("x") == token
    found = Keys(tmp_path / "ballots").find(NAME)
    assert found is not None
    assert found.token("x") == token
    assert keys.find(OTHER) is None
    assert keys.names() == [NAME]


def test_only_the_owner_reads_keys(keys: Keys, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        keys.make(NAME)
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "ballots").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "ballots" / f"{NAME}.key").stat().st_mode) == 0o600
    assert len((tmp_path / "ballots" / f"{NAME}.key").read_bytes()) == 32


@pytest.mark.parametrize("name", ["", "a.", "p.named", "../a.x", "a.../../x", "a.x/y", "a." + "x" * 15, "a.☃", "a.x\n"])
def test_no_other_name_is_ever_a_file(keys: Keys, tmp_path: Path, name: str) -> None:
    assert not is_anonymous(name)
    assert not is_giveaway(name.replace("a.", "w."))
    with pytest.raises(ValueError, match="no anonymous poll and no giveaway"):
        keys.make(name)
    assert keys.find(name) is None
    keys.destroy(name)
    assert list(tmp_path.iterdir()) == []


def test_a_giveaway_has_a_key_that_seals_and_is_no_poll(keys: Keys, tmp_path: Path) -> None:
    sealed = keys.make(PRIZES).seal(b"CODE-1")
    found = Keys(tmp_path / "ballots").find(PRIZES)
    assert found is not None
    assert found.open(sealed) == b"CODE-1"
    assert keys.make(NAME).open(sealed) is None
    assert (is_giveaway(PRIZES), is_anonymous(PRIZES)) == (True, False)
    assert (is_giveaway(NAME), is_anonymous(NAME)) == (False, True)
    assert keys.names() == [NAME, PRIZES]
    keys.guest()
    keys.tidy()
    assert keys.names() == [NAME, PRIZES]
    keys.destroy(PRIZES)
    assert keys.find(PRIZES) is None
    assert keys.names() == [NAME]


def test_of_many_that_make_it_at_once_all_get_the_same(tmp_path: Path) -> None:
    def make(_: int) -> str:
        return Keys(tmp_path / "ballots").make(NAME).token("x")

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(make, range(40)))) == 1
    assert files(tmp_path) == [f"{NAME}.key"]


def test_a_folder_that_cannot_be_used_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "ballots").write_text("a file")
    keys = Keys(tmp_path / "ballots")
    calls: list[Callable[[], object]] = [
        lambda: keys.make(NAME),
        lambda: keys.find(NAME),
        lambda: keys.destroy(NAME),
        keys.guest,
        keys.check,
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=r"keys of polls in .* cannot be used"):
            call()


def test_a_folder_is_tried_and_leaves_nothing(keys: Keys, tmp_path: Path) -> None:
    assert not keys.check()
    assert files(tmp_path) == []
    (tmp_path / "ballots").chmod(0o755)
    assert keys.check()


# ---- destroying


def test_a_destroyed_key_is_nowhere(keys: Keys, tmp_path: Path) -> None:
    keys.make(NAME)
    keys.make(OTHER)
    assert keys.find(NAME) is not None
    keys.destroy(NAME)
    keys.destroy(NAME)
    assert keys.find(NAME) is None
    assert keys.names() == [OTHER]
    assert files(tmp_path) == [f"{OTHER}.key"]


def test_its_bytes_are_overwritten_where_they_stood(keys: Keys, tmp_path: Path) -> None:
    keys.make(NAME)
    path = tmp_path / "ballots" / f"{NAME}.key"
    before = path.read_bytes()
    with path.open("rb") as still_open:
        keys.destroy(NAME)
        after = still_open.read()
    assert len(after) == 32
    assert after != before


def test_another_process_sees_soon_that_it_is_gone(keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Keys(tmp_path / "ballots")
    keys.make(NAME)
    assert other.find(NAME) is not None
    keys.destroy(NAME)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    assert other.find(NAME) is None


def test_a_key_that_is_asked_for_often_is_read_seldom(keys: Keys, tmp_path: Path) -> None:
    keys.make(NAME)
    first = keys.find(NAME)
    (tmp_path / "ballots" / f"{NAME}.key").unlink()
    assert keys.find(NAME) is first


@pytest.mark.parametrize("point", [Point.KEY_HIDDEN, Point.KEY_OVERWRITTEN])
def test_killed_while_it_destroys_a_key_it_ends_that_at_the_next_start(tmp_path: Path, point: Point) -> None:
    keys = Keys(tmp_path / "ballots")
    keys.make(NAME)
    keys.make(OTHER)
    killed(tmp_path, point, f"Keys(Path({str(tmp_path / 'ballots')!r})).destroy({NAME!r})")
    assert files(tmp_path) == [f"{NAME}.gone", f"{OTHER}.key"]
    assert Keys(tmp_path / "ballots").find(NAME) is None
    Keys(tmp_path / "ballots").tidy()
    assert files(tmp_path) == [f"{OTHER}.key"]


def test_killed_while_it_makes_a_key_it_leaves_no_half_one(tmp_path: Path) -> None:
    killed(tmp_path, Point.KEY_WRITTEN, f"Keys(Path({str(tmp_path / 'ballots')!r})).make({NAME!r})")
    keys = Keys(tmp_path / "ballots")
    assert keys.names() == []
    assert keys.find(NAME) is None
    keys.tidy()
    assert len(files(tmp_path)) == 1  # it may be another process that is just making it
    keys.tidy(older_than=0.0)
    assert files(tmp_path) == []
    assert keys.make(NAME).token("x")


def killed(folder: Path, point: Point, what: str) -> None:
    """Do this in a process that is killed at this point."""
    program = f"""
import os
from pathlib import Path
from bot.domain.failpoints import arm
from bot.storage.keys import Keys
arm(os.environ)
{what}
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, VARIABLE: f"{point.value}=kill"},
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        timeout=30,
    )
    assert ran.returncode == -9, ran.stderr


def test_a_fault_of_the_disk_is_told_and_the_key_is_found_by_nobody(keys: Keys) -> None:
    keys.make(NAME)
    arm({VARIABLE: f"{Point.KEY_OVERWRITTEN.value}=raise"})
    with pytest.raises(StoreUnavailable):
        keys.destroy(NAME)
    assert keys.find(NAME) is None
    keys.destroy(NAME)
    assert keys.names() == []


def test_only_old_keys_are_told_as_old(keys: Keys, tmp_path: Path) -> None:
    keys.make(NAME)
    keys.make(OTHER)
    os.utime(tmp_path / "ballots" / f"{NAME}.key", (1, 1))
    assert keys.names(older_than=3600.0) == [NAME]


# ---- guests


def test_the_guests_key_serves_for_hours_and_is_destroyed_then(
    keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    era = 1_000_000
    monkeypatch.setattr(module, "_era", lambda: era)
    first = keys.guest()
    assert keys.guest().name == first.name
    other = Keys(tmp_path / "ballots").find(first.name)
    assert other is not None
    assert other.open(first.seal(b"late")) == b"late"
    era += 1
    assert keys.guest().name != first.name
    keys.tidy()
    assert keys.find(first.name) is not None  # of the era before: what it sealed may be under way
    era += 1
    keys.tidy()
    assert keys.find(first.name) is None
    assert keys.names() == []
