"""A process that has imported the whole program once and forks bots on demand: a start costs a tenth of a fresh one.

A child runs what `python -m bot ARGUMENTS` runs, by the same entry point, with exactly the environment it is given,
in a session of its own, its output on the pipes that came with the order, and ends like any interpreter. It differs
from a fresh process in what is imported already, the model of languages included, and in the hash seed. Nothing else
may be there before a fork: one thread, no event loop, no signal handler, no connection; random states are seeded anew
by Python itself (`random` registers that with `os.fork`).

Run as `python -m tests.faults.nursery FD`, FD one end of a socket pair of type SOCK_SEQPACKET. Orders and reports are
JSON: `{"order", "module", "arguments", "environment"}` with two file descriptors, `{"order", "pid"}` with the child's
pidfd, `{"order", "code"}`. When the other end is closed, all children are killed.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

ORDER_BYTES = 200_000
PROGRAM = (
    "bot.running", "bot.doctor", "bot.operations.commands", "bot.integrations.telegram", "bot.integrations.slack",
    "bot.integrations.discord", "bot.integrations.openai.model",
)  # fmt: skip
LATER = (
    "bot.integrations.redis.pace", "bot.integrations.redis.wakeup", "bot.storage.postgres", "openai",
    "openai.resources.chat.completions", "openai.resources.beta", "openai.lib._parsing", "anyio._backends._asyncio",
    "httpcore2", "h11", "sqlalchemy.dialects.postgresql.asyncpg", "asyncpg", "redis.asyncio",
)  # fmt: skip
"""Imported at their first use; here where they are there."""


def preload() -> None:
    """Import everything that a bot may import, and load what it loads once."""
    for name in PROGRAM:
        importlib.import_module(name)
    for name in LATER:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    from bot.drafting.language import identify

    identify("the model of languages is loaded by the first text")
    gc.collect()
    gc.freeze()


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork until the other end is closed: an order in the child that must carry it out, None in the parent."""
    children: dict[int, tuple[int, str]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    _bury(control, selector, children, int(key.fd))
                    continue
                data, descriptors, _, _ = socket.recv_fds(control, ORDER_BYTES, 2)
                if not data:
                    _clear(control, selector, children)
                    return None
                order = json.loads(data)
                only_thread()
                pid = os.fork()
                if pid == 0:
                    for descriptor in children:
                        os.close(descriptor)
                    order["pipes"] = descriptors
                    return order
                for descriptor in descriptors:
                    os.close(descriptor)
                watched = os.pidfd_open(pid)
                children[watched] = (pid, order["order"])
                selector.register(watched, selectors.EVENT_READ)
                socket.send_fds(control, [json.dumps({"order": order["order"], "pid": pid}).encode()], [watched])


def _bury(
    control: socket.socket, selector: selectors.BaseSelector, children: dict[int, tuple[int, str]], watched: int
) -> None:
    pid, order = children.pop(watched)
    selector.unregister(watched)
    os.close(watched)
    _, status = os.waitpid(pid, 0)
    control.send(json.dumps({"order": order, "code": os.waitstatus_to_exitcode(status)}).encode())


def _clear(control: socket.socket, selector: selectors.BaseSelector, children: dict[int, tuple[int, str]]) -> None:
    """Nobody wants them any more; whoever still listens hears of their ends."""
    for pid, _ in children.values():
        os.kill(pid, signal.SIGKILL)
    for watched in list(children):
        with suppress(BrokenPipeError, ConnectionResetError):
            _bury(control, selector, children, watched)


def only_thread() -> None:
    """Raise RuntimeError where anything but this thread runs: it would be missing in a child, with its locks held."""
    tasks = list(Path("/proc/self/task").iterdir())
    if len(tasks) != 1 or threading.active_count() != 1:
        raise RuntimeError(f"{len(tasks)} threads run before the fork: {threading.enumerate()}")


def become(order: dict[str, Any], control: socket.socket) -> None:
    """Be the ordered process: returns or raises SystemExit like the program itself."""
    control.close()
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((null, 0), *zip(order["pipes"], (1, 2), strict=True)):
        os.dup2(descriptor, place)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order["environment"])
    asyncio.set_event_loop(None)
    gc.enable()
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    """Serve, and in a child be the program."""
    control = socket.socket(fileno=int(sys.argv[1]))
    preload()
    gc.disable()  # a collection would touch, and so copy, every page that the children share
    order = serve(control)
    if order is not None:
        become(order, control)


if __name__ == "__main__":
    main()
