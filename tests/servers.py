"""The real PostgreSQL and the real Redis for tests, started by the tests themselves and ended by them.

Fixtures (every test may use them; `tests/conftest.py` brings them in):

* `postgres_url`: the URL of a new, empty database (`postgresql://user:password@127.0.0.1:port/name`), gone afterwards.
* `redis_url`: the URL of an empty Redis.
* `postgres`, `redis`: the servers behind these URLs, for tests that break them. `start()`, `stop()` (orderly, sessions
  are cut), `kill()` (SIGKILL), `pause()` and `resume()` (SIGSTOP, SIGCONT). The port and what is on the disk outlive
  all of that. A test may leave them in any state: the next one finds them running.
* `postgres.admin(sql)` runs statements as the superuser in the database `postgres` or in another one that is named.

One server of each kind for each pytest process (with xdist: for each worker), started when the first test asks for it.
They listen on loopback and on ports that the system chose, never run as root, and write to the disk as in earnest
(`fsync` is on). Where a program is missing, the test is skipped and says which one; `./test` installs them.
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
import redis as redis_client

SECONDS = 60.0
"""How long a server may take to start or to end."""


S = TypeVar("S", bound="Server")


class Missing(Exception):
    """A program that is needed is not installed; `str()` says which."""


def find(name: str) -> str:
    """Where a server's program is. Raises Missing."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, debian)]))
    if found is not None:
        return found
    raise Missing(f"{name} is not installed (Debian: apt-get install postgresql redis-server)")


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process of another program in a folder of its own."""

    def __init__(self, name: str) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"herald-{name}-"))
        self.user: pwd.struct_passwd | None = _somebody() if os.geteuid() == 0 else None
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self._log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """The command line that runs it in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether it can be used now."""
        raise NotImplementedError

    def start(self) -> None:
        """Run it until it answers; nothing where it runs already."""
        self.resume()
        if self.running() and self.answers():
            return
        self.kill()
        self._process = self._spawn(self.command())
        end = time.monotonic() + SECONDS
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.command()[0]} did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it in good order; whoever is connected is cut off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, with all its processes."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Have it do nothing; connections stay open, and no answer comes."""
        if self.running():
            self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on."""
        if self.running():
            self._signal(signal.SIGCONT)

    def discard(self) -> None:
        """End it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command: Sequence[str]) -> None:
        """Run a helper program to its end as the server's user."""
        process = self._spawn(command)
        if process.wait(SECONDS) != 0:
            raise RuntimeError(f"{command[0]} failed:\n{self._log.read_text()[-2000:]}")

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        user = self.user
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                start_new_session=True,  # the signals below reach its processes and no others
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock of Python's is taken
                user=None if user is None else user.pw_uid,
                group=None if user is None else user.pw_gid,
                extra_groups=None if user is None else [],
            )

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGCONT)
            if how is signal.SIGKILL:
                os.killpg(process.pid, how)
            else:
                process.send_signal(how)
        try:
            process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, which)


class Postgres(Server):
    """A PostgreSQL cluster with one superuser."""

    USER = "herald"

    def __init__(self) -> None:
        super().__init__("postgres")
        self._programs = Path(find("initdb")).parent
        self._password = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        secret = self.folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)
        words = f"--username={self.USER} --auth=scram-sha-256 --encoding=UTF8 --locale=C --no-sync"
        self.run([str(self._programs / "initdb"), f"--pgdata={self._data}", f"--pwfile={secret}", *words.split()])

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def command(self) -> Sequence[str]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 100,
            "fsync": "on",
            "log_min_messages": "fatal",
        }
        # A killed server leaves its lock file and perhaps shared memory; it clears both up by itself.
        return [
            str(self._programs / "postgres"),
            *("-D", str(self._data)),
            *itertools.chain.from_iterable(("-c", f"{name}={value}") for name, value in options.items()),
        ]

    def answers(self) -> bool:
        try:
            self.admin("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def kill(self) -> None:
        """SIGKILL to all its processes; backends are children in sessions of their own and end with the postmaster."""
        children = _children(self._process.pid) if self._process is not None else []
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        end = time.monotonic() + SECONDS
        while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < end:
            time.sleep(0.01)

    def pause(self) -> None:
        """Stop the postmaster and every backend that it has now."""
        if self._process is not None:
            for process in [self._process.pid, *_children(self._process.pid)]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None and self.running():
            for process in [*_children(self._process.pid), self._process.pid]:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def url(self, database: str) -> str:
        """How a database of this server is reached."""
        return f"postgresql://{self.USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def admin(self, *statements: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run statements, each in a transaction of its own; the rows of the last. Blocks."""
        with ThreadPoolExecutor(1) as beside:  # the test's own loop may be running in this thread
            return beside.submit(asyncio.run, _admin(self.url(database), statements)).result()

    def create(self, template: str = "template1") -> str:
        """The name of a new database: empty, or a copy of another one that nobody uses."""
        name = f"test_{next(self._numbers)}"
        self.admin(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        self.admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def _admin(url: str, statements: Sequence[str]) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        rows: list[asyncpg.Record] = []
        for statement in statements:
            rows = await connection.fetch(statement)
        return [tuple(row) for row in rows]
    finally:
        await connection.close(timeout=5)


class Redis(Server):
    """A Redis that keeps nothing on the disk."""

    def __init__(self) -> None:
        super().__init__("redis")
        self._program = find("redis-server")

    @property
    def url(self) -> str:
        """How it is reached."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[str]:
        words = f"--port {self.port} --bind 127.0.0.1 --appendonly no --daemonize no --dir {self.folder}"
        return [self._program, *words.split(), "--save", ""]

    def answers(self) -> bool:
        return self._try(lambda client: bool(client.ping()))

    def flush(self) -> None:
        """Forget everything."""
        self._try(lambda client: bool(client.flushall()))

    def _try(self, call: Callable[[redis_client.Redis], bool]) -> bool:
        with closing(redis_client.Redis.from_url(self.url, socket_timeout=5)) as client:
            try:
                return call(client)
            except redis_client.RedisError:
                return False


def _somebody() -> pwd.struct_passwd:
    """Who runs the servers where the tests are run as root."""
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Missing("servers do not run as root, and there is neither a user postgres nor nobody")


def _children(process: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    return []


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Also where the tests are killed: SIGINT is an orderly end for both servers (PR_SET_PDEATHSIG)."""
    if _libc is not None:
        _libc.prctl(1, int(signal.SIGINT))


def _serving(server: Callable[[], S]) -> Iterator[S]:
    try:
        made = server()
    except Missing as missing:
        pytest.skip(str(missing))
    try:
        yield made
    finally:
        made.discard()


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    yield from _serving(Postgres)


@pytest.fixture(scope="session")
def _redis() -> Iterator[Redis]:
    yield from _serving(Redis)


@pytest.fixture
def postgres(_postgres: Postgres) -> Postgres:
    """The PostgreSQL server, running."""
    _postgres.start()
    return _postgres


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A new, empty database."""
    name = postgres.create()
    yield postgres.url(name)
    postgres.start()
    postgres.drop(name)


@pytest.fixture
def redis(_redis: Redis) -> Redis:
    """The Redis server, running and empty."""
    _redis.start()
    _redis.flush()
    return _redis


@pytest.fixture
def redis_url(redis: Redis) -> str:
    """An empty Redis."""
    return redis.url
