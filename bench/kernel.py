"""What Herald's own part of a message costs: inbox, router, outbox and their commits, with no SDK and no network.

The baseline is the same rows written to the same kind of file by hand: an event, its `done`, a delivery, its `sending`
and its `sent`, one fsync for each group of messages.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.chat.events import Event, MessagePosted
from bot.chat.messages import Accepted, Answer, Outgoing, Reply
from bot.chat.ports import Capabilities, Incoming, Sink
from bot.domain.delivery import Deadlines
from bot.domain.places import Channel, Member
from bot.engine.access import Access
from bot.engine.clock import Clock
from bot.engine.core import Core
from bot.engine.courier import Courier
from bot.engine.inbox import Door
from bot.engine.limiter import Limiter
from bot.engine.registry import Create, Registry
from bot.engine.router import Router
from bot.engine.settling import Settling
from bot.storage.outbox import Delivery, Order
from bot.storage.schema import migrate
from bot.storage.sqlite import SqliteStore
from bot.storage.work import Work

BATCH = 50
"""Messages that a platform hands over together."""
AUTHOR = Member("none", "1", "lin")


class Nowhere:
    """A platform that takes everything at once."""

    name = "none"
    capabilities = Capabilities(4096, 3500)

    def __init__(self) -> None:
        self.count = 0

    def parse(self, raw: str) -> Event | None:
        """Nothing is read again here."""
        return None

    async def run(self, sink: Sink, ready: Callable[[], None]) -> None:
        """Nothing comes by itself."""

    async def send(self, message: Outgoing, to: Channel, key: str) -> str:
        """Taken."""
        self.count += 1
        return str(self.count)

    async def edit(self, message: Outgoing, at: Channel, message_id: str) -> None:
        """Taken."""

    async def close(self) -> None:
        """There is nothing to let go of."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the one handler works with."""

    work: Work


async def measure(folder: Path, count: int) -> dict[str, float]:
    """CPU seconds for a thousand messages, and the ratio to the raw database."""
    raw = await asyncio.to_thread(_raw, folder / "raw.db", count)
    kernel, rate = await _kernel(folder / "kernel.db", count)
    return {
        "raw_database_cpu_seconds_per_1000": raw,
        "kernel_cpu_seconds_per_1000": kernel,
        "kernel_to_raw_database": kernel / raw,
        "kernel_messages_per_second": rate,
    }


def _raw(path: Path, count: int) -> float:
    migrate(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    event = "INSERT INTO inbox (source, external_id, raw, state, received_at) VALUES ('none', ?, 'raw', 'new', 0)"
    delivery = (
        "INSERT INTO outbox (key, kind, lane, priority, platform, tenant, channel_id, state, due_at, created_at, text)"
        " VALUES (?, 'echo', ?, 1, 'none', '1', ?, 'pending', 0, 0, 'hello')"
    )
    steps = (
        "UPDATE inbox SET state = 'done' WHERE id = ?",
        "UPDATE outbox SET state = 'sending', token = 1, started_at = 0 WHERE id = ?",
        "UPDATE outbox SET state = 'sent', message_id = '1' WHERE id = ?",
    )
    begun = time.process_time()
    for first in range(1, count + 1, BATCH):
        numbers = range(first, min(first + BATCH, count + 1))
        for rows in (
            [(event, (str(number),)) for number in numbers],
            [(steps[0], (number,)) for number in numbers]
            + [(delivery, (str(n), str(n), str(n % 25))) for n in numbers],
            [(steps[1], (number,)) for number in numbers],
            [(steps[2], (number,)) for number in numbers],
        ):
            connection.execute("BEGIN IMMEDIATE")
            for statement, values in rows:
                connection.execute(statement, values)
            connection.execute("COMMIT")
    connection.close()
    return (time.process_time() - begun) * 1000 / count


async def _kernel(path: Path, count: int) -> tuple[float, float]:
    migrate(path)
    store, clock, platform, registry = SqliteStore(path), Clock(), Nowhere(), _registry()
    core: Core[Ledger] = Core(store, clock, registry, lambda work, _roles, _prepared: Ledger(work))
    router = Router(core, Access([], {}, clock.monotonic), {"none": platform}, _prepare)
    settling = Settling(core, Deadlines(), ())
    limiter = Limiter(None, clock.monotonic, clock.now)
    courier = Courier(core, platform, limiter, settling, lambda _: "")
    door = Door(store, clock, _answer, router.remember)
    await store.open()
    tasks = [asyncio.create_task(part) for part in (router.run(), courier.run())]
    begun, cpu = time.monotonic(), time.process_time()
    for first in range(0, count, BATCH):
        await door.accept([_incoming(number) for number in range(first, min(first + BATCH, count))])
    while platform.count < count or courier.busy():  # noqa: ASYNC110 - a look now and then costs nothing
        await asyncio.sleep(0.01)
    cpu, took = time.process_time() - cpu, time.monotonic() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await store.close()
    return cpu * 1000 / count, count / took


def _registry() -> Registry[Ledger]:
    registry: Registry[Ledger] = Registry()

    def echo(ledger: Ledger, event: MessagePosted) -> None:
        key = event.message_id
        ledger.work.outbox.add(Order(key, "echo", key, event.channel, text=event.text, reply_to=key))

    def prepare(_: Ledger, row: Delivery) -> Create:
        return Create(Reply(row.text, row.reply_to), row.to)

    registry.on(MessagePosted)(echo)
    registry.outgoing("echo", prepare, once=True)
    return registry


async def _prepare(events: list[Event]) -> list[None]:
    return [None] * len(events)


async def _answer(_: object) -> Answer:
    return Accepted()


def _incoming(number: int) -> Incoming:
    channel = Channel("none", "1", f"C{number % 25}")
    event = MessagePosted(channel, str(number), AUTHOR, "Lin", "hello", 0.0)
    return Incoming("none:1", str(number), '{"text": "hello"}', event)
