"""Bots forked from a nursery: started, read, signalled and waited for like any other process."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.rehearsal.processes import clean_environment

from .nursery import ORDER_BYTES

LINE_BYTES = 4 * 1024 * 1024


@dataclass(eq=False)
class ForkedChild:
    """One forked process (`handle` is its pidfd), as `bot.rehearsal.processes.Child` describes it."""

    pid: int
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader
    handle: int
    ended: asyncio.Future[int]

    @property
    def returncode(self) -> int | None:
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self.ended)

    def send_signal(self, number: int) -> None:
        """By its handle: the process id of one that has ended may belong to another by now."""
        if self.ended.done():
            raise ProcessLookupError(self.pid)
        signal.pidfd_send_signal(self.handle, number)


@dataclass(eq=False)
class Nursery:
    """The client's end."""

    control: socket.socket
    process: asyncio.subprocess.Process
    orders: dict[str, asyncio.Future[tuple[int, int]]] = field(default_factory=dict)
    ends: dict[str, asyncio.Future[int]] = field(default_factory=dict)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def spawn(self, arguments: Sequence[str], environment: Mapping[str, str]) -> ForkedChild:
        """Fork what `python ARGUMENTS` would start, where these are `-m MODULE ...`."""
        flag, module, *rest = arguments
        if flag != "-m":
            raise ValueError(f"a nursery starts modules, not {arguments}")
        loop = asyncio.get_running_loop()
        name = str(next(self.numbers))
        self.orders[name], self.ends[name] = loop.create_future(), loop.create_future()
        order = {"order": name, "module": module, "arguments": rest, "environment": dict(environment)}
        out, out_end = await _pipe()
        errors, errors_end = await _pipe()
        socket.send_fds(self.control, [json.dumps(order).encode()], [out_end, errors_end])
        os.close(out_end)
        os.close(errors_end)
        ended = self.ends[name]
        pid, handle = await self.orders[name]
        ended.add_done_callback(lambda _: os.close(handle))
        return ForkedChild(pid, out, errors, handle, ended)

    def hear(self) -> None:
        """Read what the nursery reports."""
        try:
            data, handles, _, _ = socket.recv_fds(self.control, ORDER_BYTES, 1)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data, handles = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self.control)
            for waiting in (*self.orders.values(), *self.ends.values()):
                if not waiting.done():
                    waiting.set_exception(RuntimeError("the nursery has ended; its own words are above"))
            self.over.set()
            return
        report = json.loads(data)
        if "pid" in report:
            self.orders.pop(report["order"]).set_result((report["pid"], handles[0]))
        else:
            self.ends.pop(report["order"]).set_result(report["code"])


async def _pipe() -> tuple[asyncio.StreamReader, int]:
    """A stream to read from, and the descriptor that a process writes to."""
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe()
    stream = asyncio.StreamReader(limit=LINE_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0))
    return stream, writing


@asynccontextmanager
async def nursery() -> AsyncIterator[Nursery]:
    """A nursery that is ready to fork; it and all that it has forked have ended on leaving."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            # One thread: the numerical library's helpers would not survive a fork.
            environment = clean_environment() | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.faults.nursery", str(theirs.fileno()),
                env=environment, pass_fds=[theirs.fileno()], stdin=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        found = Nursery(ours, process)
        loop.add_reader(ours, found.hear)
        try:
            yield found
        finally:
            ours.shutdown(socket.SHUT_WR)
            await found.over.wait()
            await process.wait()
