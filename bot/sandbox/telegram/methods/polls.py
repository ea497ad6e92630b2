"""Native polls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.frame import Json
from bot.sandbox.telegram.errors import bad
from bot.sandbox.telegram.methods.base import Api, formatted, keyboard, message_of, method, not_blank, send
from bot.sandbox.telegram.params import Params
from bot.sandbox.telegram.world import BOT_ID, Message, User

OPTIONS_AT_MOST = 12
QUESTION_LIMIT, OPTION_LIMIT, EXPLANATION_LIMIT, EXPLANATION_LINES, DESCRIPTION_LIMIT = 300, 100, 200, 3, 1024
OPEN_SECONDS = (5, 2628000)
_NOT_OFFERED = ("allow_adding_options", "explanation_media", "media")
_CHANNELS_ONLY = ("members_only", "country_codes")


@dataclass
class Poll:
    """A poll's question, options and votes."""

    id: str
    question: str
    options: list[str]
    anonymous: bool
    multiple: bool
    revoting: bool
    correct: list[int] | None = None
    explanation: str = ""
    open_period: int | None = None
    close_date: int | None = None
    closed: bool = False
    hidden: bool = False
    """Whether results are shown only when it is closed."""
    description: str = ""
    votes: dict[int, list[int]] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    """Where the poll is shown: its message and the forwarded ones."""
    _counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counts = [0] * len(self.options)

    @property
    def secret(self) -> bool:
        """Whether nobody sees the results yet."""
        return self.hidden and not self.closed

    def counts(self) -> list[int]:
        """Votes per option."""
        return list(self._counts)

    def take(self, user: int, chosen: list[int]) -> None:
        """Make these the user's choices; none takes the vote back."""
        for number in self.votes.pop(user, []):
            self._counts[number] -= 1
        for number in chosen:
            self._counts[number] += 1
        if chosen:
            self.votes[user] = chosen

    def api(self, *, in_message: bool = False) -> Json:
        """As Bot API `Poll`. While results are hidden, `voter_count` is 0: "may be 0 if unknown" (`PollOption`)."""
        counts = [0] * len(self.options) if self.secret else self._counts
        options = [
            {"persistent_id": persistent_id(number), "text": text, "voter_count": count}
            for number, (text, count) in enumerate(zip(self.options, counts, strict=True))
        ]
        poll: dict[str, Any] = {
            "id": self.id,
            "question": self.question,
            "options": options,
            "total_voter_count": len(self.votes),
            "is_closed": self.closed,
            "is_anonymous": self.anonymous,
            "type": "regular" if self.correct is None else "quiz",
            "allows_multiple_answers": self.multiple,
            "allows_revoting": self.revoting,
            "members_only": False,
        }
        known = {
            "correct_option_ids": self.correct,
            "explanation": self.explanation or None,
            "open_period": self.open_period,
            "close_date": self.close_date,
            "description": self.description if in_message and self.description else None,
        }
        return poll | {name: value for name, value in known.items() if value is not None}


def persistent_id(number: int) -> str:
    """An option's lasting id."""
    return f"o{number}"


@method("sendPoll")
def send_poll(api: Api, params: Params) -> Json:
    """Post a poll."""
    if unknown := [name for name in _NOT_OFFERED if params.get(name)]:
        raise bad(f"{unknown[0]} is not available in this server")
    if wrong := [name for name in _CHANNELS_ONLY if params.get(name)]:
        raise bad(f"{wrong[0]} can be used only in channel chats")
    question, _ = formatted(api, params, "question", "question_parse_mode", "question_entities")
    if len(not_blank(question, "poll question must be non-empty")) > QUESTION_LIMIT:
        raise bad(f"poll question length must not exceed {QUESTION_LIMIT}")
    options = [_option(api, option) for option in params["options"]]
    if not options:
        raise bad("poll must have at least 1 option")
    if len(options) > OPTIONS_AT_MOST:
        raise bad(f"poll can't have more than {OPTIONS_AT_MOST} options")
    poll = _poll(api, params, question, options)
    message = send(api, params, {"poll": poll.api(in_message=True)})
    message.poll = poll
    poll.messages.append(message)
    api.polls.append(poll)
    api.on_poll()
    return message.api()


def _option(api: Api, option: Params) -> str:
    if option.get("media"):
        raise bad("option media is not available in this server")
    text, _ = formatted(api, option, "text", "text_parse_mode", "text_entities")
    if len(not_blank(text, "poll options must be non-empty")) > OPTION_LIMIT:
        raise bad(f"poll options length must not exceed {OPTION_LIMIT}")
    return text


def _poll(api: Api, params: Params, question: str, options: list[str]) -> Poll:
    kind = params.get("type", "regular")
    if kind not in ("regular", "quiz"):
        raise bad("unsupported poll type specified")
    quiz = kind == "quiz"
    explanation, _ = formatted(api, params, "explanation", "explanation_parse_mode", "explanation_entities")
    if len(explanation) > EXPLANATION_LIMIT or explanation.count("\n") >= EXPLANATION_LINES:
        raise bad("explanation is too long")
    description, _ = formatted(api, params, "description", "description_parse_mode", "description_entities")
    if len(description) > DESCRIPTION_LIMIT:
        raise bad("poll description is too long")
    poll = Poll(
        id=str(5_200_000_000_000_000_001 + len(api.polls)),
        question=question,
        options=options,
        anonymous=params.get("is_anonymous", True),
        multiple=params.get("allows_multiple_answers", False),
        revoting=params.get("allows_revoting", not quiz),
        correct=_correct(params, len(options)) if quiz else None,
        explanation=explanation,
        closed=params.get("is_closed", False),
        hidden=params.get("hide_results_until_closes", False),
        description=description,
    )
    _set_closing(api, params, poll)
    return poll


def _correct(params: Params, count: int) -> list[int]:
    chosen: list[int] = params.get("correct_option_ids", [])
    if not chosen:
        raise bad("quiz must have at least one correct option")
    if any(not 0 <= number < count for number in chosen) or chosen != sorted(set(chosen)):
        raise bad("wrong correct option ID specified")
    return chosen


def _set_closing(api: Api, params: Params, poll: Poll) -> None:
    period, date = params.get("open_period"), params.get("close_date")
    if period is not None and date is not None:
        raise bad("can't use open_period and close_date together")
    least, most = OPEN_SECONDS
    if period is not None:
        if not least <= period <= most:
            raise bad("invalid open_period specified")
        poll.open_period, poll.close_date = period, int(api.now()) + period
    elif date is not None:
        if not least <= date - int(api.now()) <= most:
            raise bad("invalid close_date specified")
        poll.close_date = date


@method("stopPoll")
def stop_poll(api: Api, params: Params) -> Json:
    """Close a poll of the bot and answer its result."""
    message = message_of(api, params, "message with poll to stop not found")
    if message.poll is None:
        raise bad("message is not a poll")
    if message.author.id != BOT_ID:
        raise bad("poll can't be stopped")
    if message.poll.closed:
        raise bad("poll has already been closed")
    markup = keyboard(params)
    api.limits.take(message.chat)
    message.body = {k: v for k, v in message.body.items() if k != "reply_markup"}
    message.body |= {"reply_markup": markup} if markup else {}
    close(api, message.poll)
    return message.poll.api()


def close(api: Api, poll: Poll) -> None:
    """Close it and tell the bot."""
    poll.closed = True
    changed(api, poll)


def close_due(api: Api) -> float | None:
    """Close the polls whose time is over; seconds until the next is due, or None."""
    waits: list[float] = []
    for poll in api.open_polls():
        if poll.close_date <= api.now():
            close(api, poll)
        else:
            waits.append(poll.close_date - api.now())
    return min(waits, default=None)


def changed(api: Api, poll: Poll) -> None:
    """Bring the poll's messages up to date and send its new state to the bot."""
    for message in poll.messages:
        message.body = {**message.body, "poll": poll.api(in_message=True)}
    api.updates.push("poll", poll.api())


def vote(api: Api, poll: Poll, user: User, chosen: list[int]) -> str | None:
    """A user's vote (empty: taken back). Says what is wrong with it, or None where it counts."""
    if poll.closed:
        return "the poll is closed"
    if any(not 0 <= number < len(poll.options) for number in chosen):
        return f"the poll has options 0 to {len(poll.options) - 1}"
    if len(chosen) > 1 and not poll.multiple:
        return "the poll takes one answer"
    if user.id in poll.votes and not poll.revoting:
        return "the poll does not let votes be changed"
    poll.take(user.id, sorted(set(chosen)))
    if not poll.anonymous:
        ids = poll.votes.get(user.id, [])
        answer = {"poll_id": poll.id, "user": user.api(), "option_ids": ids}
        api.updates.push("poll_answer", answer | {"option_persistent_ids": [persistent_id(number) for number in ids]})
    changed(api, poll)
    return None
