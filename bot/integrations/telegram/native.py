"""Telegram's own polls: what `sendPoll` is told. Pure. Votes come as updates (`parse`)."""

from __future__ import annotations

from bot.chat.messages import NativePoll
from bot.chat.ports import PollLimits
from bot.integrations.telegram.texts import Params, Unsendable, cut

LIMITS = PollLimits(
    question=300,
    option=100,
    options=12,
    longest=2_628_000.0,
    shortest=5.0,
    hides=True,
    quiz=True,
    fixes=True,
    punctual=True,
)
"""Bot API 10.1, sendPoll. Telegram counts a poll's characters as code points, unlike those of messages."""
MAX_EXPLANATION = 200
MAX_DESCRIPTION = 1024
EXPLANATION_LINES = 3


def create(poll: NativePoll) -> Params:
    """Parameters of `sendPoll`, but for the place. Raises Unsendable.

    Voters are visible, or we would not hear of votes. A quiz's answer is final: whoever answers is told at once
    whether it was right.
    """
    parameters: Params = {
        "question": _held("the question", poll.question, LIMITS.question),
        "options": [{"text": _held("an option", text, LIMITS.option)} for text in _options(poll)],
        "is_anonymous": False,
        "allows_multiple_answers": poll.multiple,
        "allows_revoting": poll.revoting and poll.correct is None,
        "hide_results_until_closes": poll.hidden,
        "open_period": _period(poll.closes_in),
    }
    if poll.description:
        parameters["description"] = cut(poll.description, MAX_DESCRIPTION)
    return parameters | _quiz(poll)


def _options(poll: NativePoll) -> tuple[str, ...]:
    if not 1 <= len(poll.options) <= LIMITS.options:
        raise Unsendable(f"a poll with {len(poll.options)} options, Telegram takes 1 to {LIMITS.options}")
    return poll.options


def _held(what: str, text: str, limit: int) -> str:
    if not text.strip() or len(text) > limit:
        raise Unsendable(f"{what} of a poll has {len(text)} characters, Telegram takes 1 to {limit}")
    return text


def _period(seconds: float) -> int:
    period = round(seconds)
    if not LIMITS.shortest <= period <= LIMITS.longest:
        raise Unsendable(f"a poll of {period} s, Telegram takes {LIMITS.shortest:.0f} to {LIMITS.longest:.0f}")
    return period


def _quiz(poll: NativePoll) -> Params:
    if poll.correct is None:
        return {"type": "regular"}
    if not 0 <= poll.correct < len(poll.options):
        raise Unsendable(f"a quiz whose right option is number {poll.correct} of {len(poll.options)}")
    parameters: Params = {"type": "quiz", "correct_option_ids": [poll.correct]}
    if poll.explanation.strip():
        parameters["explanation"] = _explanation(poll.explanation)
    return parameters


def _explanation(text: str) -> str:
    """The explanation in at most three lines: Telegram refuses more line feeds than two."""
    first, *rest = text.strip().split("\n", EXPLANATION_LINES - 1)
    return cut("\n".join([first, *(" ".join(line.splitlines()) for line in rest)]), MAX_EXPLANATION)
