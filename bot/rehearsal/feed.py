"""Feeds real comments as members of one platform, approves cards as the team would, and reports what became of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.options import Options, approvals
from bot.rehearsal.progress import Progress as Bar
from bot.rehearsal.queries import Progress, read_progress
from bot.rehearsal.report import Report, recompute
from bot.rehearsal.scenario import PLATFORMS, Participant
from bot.rehearsal.stage import Plan, Stage, opened_stage
from bot.rehearsal.transcript import Transcript
from bot.rehearsal.watching import Approver, JournalWatch

MEMBERS = 36
"""How many members the comments are spread over."""
SPEAKERS = 8
"""How many of them write at the same moment."""
QUIET_SECONDS = 4.0
"""After so long without anything happening and with nothing owed, all is settled."""
STUCK_SECONDS = 90.0
"""After so long without anything happening it is over, whatever is still owed: longer than any wait that a platform
asks for in a rehearsal."""

_APPROVER = "approver"
_LOOK_SECONDS = 0.5


def read_comments(path: Path) -> list[str]:
    """The texts of a file of `{"text": ...}` lines. Raises RehearsalError with the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RehearsalError(f"cannot read the comments {path}: {error}") from error
    texts = [_text(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not texts:
        raise RehearsalError(f"{path} holds no comments")
    return texts


def _text(line: str, path: Path, number: int) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RehearsalError(f"{path}:{number}: no JSON: {error}") from error
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text.strip():
        raise RehearsalError(f'{path}:{number}: a line is {{"text": "..."}} with a text that is not empty')
    return text


async def feed(options: Options, transcript: Transcript) -> int:
    """Feed all comments and write the report; 0 if nothing was lost or doubled, else 1. Raises RehearsalError."""
    if options.platform not in PLATFORMS or options.comments is None:
        raise RehearsalError(f"--comments needs --platform with one of {', '.join(PLATFORMS)}")
    platform, texts, most = options.platform, read_comments(options.comments), approvals(options.approve)
    with tempfile.TemporaryDirectory(prefix="herald-feed-") as folder:
        journal = options.journal or Path(folder) / "journal.jsonl"
        journal.unlink(missing_ok=True)
        async with opened_stage(_plan(options, platform, journal)) as stage:
            await stage.start_bot()
            transcript.line(f"feeding {len(texts)} comments on {platform}")
            await _Feeding(stage, platform, texts, most, transcript).run()
            # The bot writes its last rows before it stops: only then both files are complete.
            await stage.close()
            report = recompute(journal, stage.database, stage.undo_seconds)
    _publish(report, options, transcript)
    return 0 if not report.lost and not report.duplicated else 1


def _plan(options: Options, platform: str, journal: Path) -> Plan:
    members = {_APPROVER: Participant.model_validate({"platform": platform, "roles": ["approver"]})}
    members |= {name: Participant.model_validate({"platform": platform}) for name in _member_names()}
    environment = {"HERALD_DRAFTING__DRAFTER": "embedded"}
    if options.knowledge is not None:
        environment["HERALD_KNOWLEDGE__PATH"] = str(options.knowledge.resolve())
    config = {"drafting": {"drafter": "embedded"}}
    return Plan(journal, options.limits, options.sample, members, config, (platform,), environment, options.keep)


def _member_names() -> list[str]:
    return [f"member{number:02d}" for number in range(1, MEMBERS + 1)]


def _publish(report: Report, options: Options, transcript: Transcript) -> None:
    text = json.dumps(report.as_json(), ensure_ascii=False, indent=2)
    transcript.line(text)
    if options.report is not None:
        options.report.write_text(text + "\n", encoding="utf-8")


@dataclass
class _Feeding:
    """One feed under way."""

    stage: Stage
    platform: str
    texts: list[str]
    most: int | None
    transcript: Transcript
    said: int = 0
    watch: JournalWatch = field(init=False)
    approver: Approver = field(init=False)

    def __post_init__(self) -> None:
        review = str(self.stage.settings["channels"][f"{self.platform}/review"])
        self.approver = Approver(self.stage.control, self.platform, review, _APPROVER, self.most)
        self.watch = JournalWatch(self.stage.control, self.approver.notice)

    async def run(self) -> None:
        """Say everything, approve what is asked for, and wait until all is settled."""
        bar = Bar(self.transcript, len(self.texts))
        with bar:
            async with asyncio.TaskGroup() as group:
                background = [
                    group.create_task(self.watch.follow()),
                    *(group.create_task(self.approver.work()) for _ in range(4)),
                ]
                await self._say_all()
                await self._settle(bar)
                for task in background:
                    task.cancel()
        for refusal in self.approver.refusals[:5]:
            self.transcript.line(f"a click was refused: {refusal}")

    async def _say_all(self) -> None:
        work = iter(zip(self.texts, itertools.cycle(_member_names())))
        async with asyncio.TaskGroup() as group:
            for _ in range(SPEAKERS):
                group.create_task(self._say(work))

    async def _say(self, work: Iterator[tuple[str, str]]) -> None:
        for text, member in work:
            fields = {"platform": self.platform, "channel": "community", "member": member, "text": text}
            await self.stage.control.post("say", fields)
            self.said += 1

    async def _settle(self, bar: Bar) -> None:
        """Wait until nothing is owed and nothing has happened for a while, or for far too long."""
        loop = asyncio.get_running_loop()
        last, since = None, loop.time()
        while True:
            progress = await asyncio.to_thread(read_progress, self.stage.database)
            now = (progress, self.watch.happened, self.approver.waiting)
            if now != last:
                last, since = now, loop.time()
            bar.show(progress.comments, progress.drafts, progress.decisions, progress.deliveries - progress.open)
            quiet = loop.time() - since
            if quiet >= STUCK_SECONDS or (quiet >= QUIET_SECONDS and not self._owed(progress)):
                return
            if not self.stage.prepared_bot.running:
                lines = "\n".join(self.stage.prepared_bot.last_lines())
                raise RehearsalError(f"the bot ended in the middle of the feed. It wrote last:\n{lines}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _owed(self, progress: Progress) -> bool:
        return (
            progress.comments < self.said
            or progress.open + progress.unread + progress.drafting > 0
            or self.approver.waiting > 0
        )


async def run_feed(options: Options, transcript: Transcript) -> int:
    """`feed`, with the first of several failures at the same time told as one. Raises RehearsalError."""
    try:
        return await feed(options, transcript)
    except BaseExceptionGroup as group:
        told, _ = group.split(RehearsalError)
        if told is None:
            raise
        raise _first(told) from group


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
