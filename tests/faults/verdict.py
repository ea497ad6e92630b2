"""What must hold in the end, from the generator's list and the sandbox's journal; never from the bot's own counters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .crowd import Comment, Crowd


@dataclass
class Verdict:
    """One group of rounds. Lost, doubled and wrong hold one line for each case."""

    platform: str
    name: str
    wanted: int = 0
    counted: int = 0
    """Kills, stops or faults that hit their mark."""
    comments: int = 0
    asked: int = 0
    """Replies in doubt that were put to a person with three buttons."""
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Whatever else may not be: a text that nobody approved, a start that failed, a place that was not reached."""
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def line(self) -> str:
        """As the table has it."""
        told = f"{self.platform:9} {self.name:28} {self.counted:3}/{self.wanted:<3} {self.comments:5} {self.asked:5}"
        told += f" {len(self.lost):5} {len(self.doubled):7} {len(self.wrong):6} {self.seconds:7.1f}"
        faults = (("lost", self.lost), ("doubled", self.doubled), ("wrong", self.wrong))
        return "\n".join([told, *(f"    {kind}: {case}" for kind, cases in faults for case in cases)])


HEAD = (
    f"{'platform':9} {'place':28} {'hit':>7} {'said':>5} {'asked':>5} {'lost':>5} {'doubled':>7} {'wrong':>6}"
    f" {'seconds':>7}"
)


def judge(verdict: Verdict, crowd: Crowd, comments: Iterable[Comment]) -> None:
    """Hold each comment against what is in the channel: its answer, once."""
    crowd.journal.read()
    for comment in comments:
        replies = crowd.journal.replies.get(comment.message_id, {})
        told = f"{comment.message_id} ({comment.word})"
        if not replies:
            verdict.lost.append(told)
        elif len(replies) > 1:
            verdict.doubled.append(f"{told}: messages {', '.join(replies)}")
        verdict.wrong += [f"{told}: answered {text!r}" for text in replies.values() if text != comment.answer]
        in_doubt = crowd.doubtful.get(comment.message_id)
        if in_doubt is not None:
            verdict.asked += 1
        if in_doubt not in (None, "uncertain"):
            verdict.wrong.append(f"{told}: a card asks whether it arrived, the outbox says {in_doubt}")
    strays = {answered for answered in crowd.journal.replies if answered not in crowd.comments}
    verdict.wrong += [f"messages that answer nothing that was asked: {crowd.journal.replies.pop(s)}" for s in strays]


def summed(verdicts: Sequence[Verdict], seed: int, seconds: float) -> str:
    """The totals, and for each group that failed the command that plays it again."""
    lines = [
        f"seed {seed}: {len(verdicts)} groups, {sum(v.counted for v in verdicts)} hits,"
        f" {sum(v.comments for v in verdicts)} comments, {sum(v.asked for v in verdicts)} replies put to a person,"
        f" {seconds:.0f} s; lost {sum(len(v.lost) for v in verdicts)},"
        f" doubled {sum(len(v.doubled) for v in verdicts)}, wrong {sum(len(v.wrong) for v in verdicts)}"
    ]
    again = [verdict for verdict in verdicts if not verdict.clean]
    lines += [f"again: ./test faults --seed {seed} --platform {v.platform} --only '{v.name}'" for v in again]
    return "\n".join(lines)
