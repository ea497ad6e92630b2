"""The failpoints themselves: what they do, and that a wrong variable is refused."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.domain import failpoints
from bot.domain.failpoints import VARIABLE, FailpointFault, Point, arm, reach

BOT = Path(failpoints.__file__).parents[1]
PROGRAM = """
import os
from bot.domain.failpoints import Point, arm, reach
arm(os.environ)
for number in range(4):
    print(number, flush=True)
    reach(Point.STORE_BEGUN)
"""


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm({})


def started(points: str) -> subprocess.Popen[str]:
    environment = os.environ | {VARIABLE: points, "PYTHONPATH": str(BOT.parent)}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_kill_at_the_third_time_and_says_so_before() -> None:
    with started("store.begun=kill:3") as process:
        out, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert out.split() == ["0", "1", "2"]
    assert errors == "failpoint store.begun reached\n"


def test_stop_until_somebody_continues() -> None:
    with started("store.begun=stop:2") as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        os.kill(process.pid, signal.SIGCONT)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.split() == ["0", "1", "2", "3"]
    assert errors == "failpoint store.begun reached\n"


def test_raise_once_or_every_time() -> None:
    arm({VARIABLE: "store.begun=raise:2, store.committed=raise:*"})
    reach(Point.STORE_BEGUN)
    with pytest.raises(OSError, match=r"store\.begun") as raised:
        reach(Point.STORE_BEGUN)
    assert raised.value.errno == errno.EIO
    reach(Point.STORE_BEGUN)
    for _ in range(3):
        with pytest.raises(OSError, match=r"store\.committed"):
            reach(Point.STORE_COMMITTED)


def test_what_it_is_about_is_counted_apart() -> None:
    arm({VARIABLE: "outbox.request/reply=raise:2"})
    for about in ("card", "reply", "card", ""):
        reach(Point.OUTBOX_REQUEST, about)
    with pytest.raises(OSError, match=r"outbox\.request"):
        reach(Point.OUTBOX_REQUEST, "reply")


def test_arming_anew_forgets_what_was_armed() -> None:
    arm({VARIABLE: "store.begun=raise"})
    arm({})
    reach(Point.STORE_BEGUN)


@pytest.mark.parametrize(
    ("points", "told"),
    [
        ("inbox.comitted=kill", "there is no failpoint 'inbox.comitted'; there are: start.locked, "),
        ("store.begun", "not NAME=ACTION"),
        ("store.begun=kill:0", "not NAME=ACTION"),
        ("store.begun=explode", "none of the actions kill, stop, raise"),
    ],
)
def test_a_wrong_variable_is_refused_and_arms_nothing(points: str, told: str) -> None:
    with pytest.raises(FailpointFault, match=told):
        arm({VARIABLE: f"store.committed=raise,{points}"})
    reach(Point.STORE_COMMITTED)


def test_the_bot_does_not_start_with_an_unknown_name(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HERALD_")}
    environment |= {VARIABLE: "nowhere=kill", "PYTHONPATH": str(BOT.parent), "HERALD_TELEGRAM__TOKEN": "1:x"}
    environment |= {"HERALD_DATA_DIR": str(tmp_path), "HERALD_TELEGRAM__API_URL": "http://127.0.0.1:9"}
    ran = subprocess.run(
        [sys.executable, "-m", "bot", "run"], env=environment, cwd=tmp_path, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith("herald: HERALD_FAILPOINTS: there is no failpoint 'nowhere'; there are: ")
    assert len(ran.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_every_point_is_placed_somewhere_once() -> None:
    """A name that nobody reaches would make a test wait for a kill that never comes."""
    source = "\n".join(path.read_text() for path in BOT.rglob("*.py") if path != BOT / "domain" / "failpoints.py")
    unplaced = [point.name for point in Point if f"Point.{point.name}" not in source]
    assert not unplaced
