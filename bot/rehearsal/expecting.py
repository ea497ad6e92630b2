"""What an expectation looks at, and when it is met.

Looked at is what was created or changed in a channel since the acts before the expectation began (the run of steps
between the last expectation and this one), as a given member sees it: messages, cards, polls, private notices, and
what was shown at once in answer to an act (toasts, forms). What the players themselves wrote is left out, unless the
expectation names an author.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.rehearsal.payloads import names_button
from bot.rehearsal.scenario import Expect, PollSeen
from bot.rehearsal.transcript import shorten
from bot.rehearsal.values import Json

SeenMessage = Mapping[str, Json]
"""A message as `/control/channel` answers it."""


@dataclass(frozen=True, slots=True)
class View:
    """A channel as one member sees it (None: as everybody does)."""

    platform: str
    channel: str
    member: str | None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """What `as` stands for: a message in a channel, or a form."""

    platform: str
    channel: str
    message_id: str | None
    tenant: str | None = None
    author: str | None = None
    thread: str | None = None
    """What the message itself answers: on a platform with flat threads, replies to it answer that too."""
    form: Json = None
    """The form, or None where the act that is named opens one later."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Something that was shown to one member at once, in answer to what they did."""

    platform: str
    channel: str
    member: str
    shown: Mapping[str, Json]


@dataclass
class Since:
    """What was there before the acts, and what the acts themselves brought."""

    before: dict[View, dict[str, str]] = field(default_factory=dict)
    instants: list[Instant] = field(default_factory=list)
    own: set[tuple[str, str]] = field(default_factory=set)
    """Platform and id of the messages that the players wrote or changed."""

    def remember(self, view: View, messages: Iterable[SeenMessage]) -> None:
        """Note how a view looks before the acts."""
        self.before[view] = {str(message["id"]): fingerprint(message) for message in messages}

    def fresh(self, view: View, messages: Iterable[SeenMessage]) -> list[SeenMessage]:
        """The messages of the view that are new or changed."""
        before = self.before.get(view, {})
        return [message for message in messages if before.get(str(message["id"])) != fingerprint(message)]

    def shown_to(self, view: View, place: str) -> list[SeenMessage]:
        """What was shown at once in that channel, to the view's member or (without one) to anybody."""
        return [
            instant.shown
            for instant in self.instants
            if f"{instant.platform}/{instant.channel}" == place and view.member in (None, instant.member)
        ]


def fingerprint(message: SeenMessage) -> str:
    """Equal exactly while the message looks the same."""
    return json.dumps(message, sort_keys=True, ensure_ascii=False)


def instant_message(answer: Mapping[str, Json], member: str) -> SeenMessage | None:
    """What an act's answer showed at once (a toast, a form, errors in fields), in the shape of a message."""
    parts = [answer.get("toast"), answer.get("errors"), answer.get("error")]
    form = answer.get("form")
    if form is None and not any(parts):
        return None
    text = "\n".join(line for part in parts for line in _texts(part))
    shown: dict[str, Json] = {
        "id": None,
        "author": "herald",
        "text": text,
        "reply_to": None,
        "private_to": member,
        "buttons": [],
    }
    return shown | ({"form": form} if form is not None else {})


def full_text(message: SeenMessage) -> str:
    """All that a person reads in a message, its poll and its form included."""
    parts = [message.get("text"), message.get("poll"), message.get("form")]
    return "\n".join(line for part in parts for line in _texts(part))


def _texts(value: Json) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [line for item in value.values() for line in _texts(item)]
    if isinstance(value, list | tuple):
        return [line for item in value for line in _texts(item)]
    return []


def form_id(message: SeenMessage) -> str | None:
    """The id of the form that a message is or holds."""
    form = message.get("form")
    return None if form is None else str(form["id"])


def form_values(form: Json, values: Mapping[str, Json]) -> dict[str, Json]:
    """What is filled in: a single value goes into the only field of a form, whatever the form calls it."""
    fields = form.get("fields") if isinstance(form, Mapping) else None
    if isinstance(fields, list) and len(fields) == 1 and len(values) == 1:
        field_id = fields[0].get("id") if isinstance(fields[0], Mapping) else None
        if field_id is not None:
            return {str(field_id): next(iter(values.values()))}
    return dict(values)


def meets(expect: Expect, message: SeenMessage, names: Mapping[str, Named], people: Mapping[str, str]) -> bool:
    """Whether a message is what is expected. `people` leads from members' names to their ids."""
    text, buttons = full_text(message), list(message.get("buttons") or ())
    if not all(part in text for part in expect.contains) or any(part in text for part in expect.not_contains):
        return False
    if not all(any(names_button(button, wanted) for button in buttons) for wanted in expect.buttons):
        return False
    if any(names_button(button, unwanted) for button in buttons for unwanted in expect.without_buttons):
        return False
    if not _holds(expect, message):
        return False
    if expect.private is not None and expect.private != (message.get("private_to") is not None):
        return False
    return _by_author(expect, message, people) and _answers(expect, message, names)


def _holds(expect: Expect, message: SeenMessage) -> bool:
    """Whether the files and the native poll are there that are expected."""
    if not all(any(fnmatchcase(name, wanted) for name in _file_names(message)) for wanted in expect.file):
        return False
    return expect.poll is None or _is_poll(expect.poll, message.get("poll"))


def _file_names(message: SeenMessage) -> list[str]:
    return [str(file[key]) for file in message.get("files") or () for key in ("name", "title") if file.get(key)]


def _is_poll(wanted: PollSeen | bool, poll: Json) -> bool:
    """Whether a native poll looks as it should; with a bare true or false, whether it is one at all."""
    if isinstance(wanted, bool):
        return wanted is (poll is not None)
    if poll is None:
        return False
    shown = tuple((option["text"], option["votes"]) for option in poll["options"])
    same = {
        "question": wanted.question is None or wanted.question in poll["question"],
        "options": wanted.options is None or wanted.options == tuple(text for text, _ in shown),
        "votes": wanted.votes is None or wanted.votes == tuple(votes for _, votes in shown),
        "closed": wanted.closed in (None, poll["closed"]),
        "total": wanted.total in (None, poll["total"]),
    }
    return all(same.values())


def _by_author(expect: Expect, message: SeenMessage, people: Mapping[str, str]) -> bool:
    if expect.author is None:
        return True
    author = str(message.get("author", ""))
    return author.casefold() == expect.author.casefold() or author == people.get(expect.author)


def _answers(expect: Expect, message: SeenMessage, names: Mapping[str, Named]) -> bool:
    if expect.reply_to is None:
        return True
    target, reply_to = names[expect.reply_to], message.get("reply_to")
    return reply_to is not None and str(reply_to) in (target.message_id, target.thread)


def told(message: SeenMessage) -> str:
    """The message on one line, for a transcript."""
    buttons = " ".join(f"[{button.get('label')} {button.get('id')}]" for button in message.get("buttons") or ())
    marks = []
    if message.get("reply_to") is not None:
        marks.append(f"answers {message['reply_to']}")
    if message.get("private_to") is not None:
        marks.append(f"only for {message['private_to']}")
    if message.get("form") is not None:
        marks.append(f"form {form_id(message)}")
    marks += [f"file {name}" for name in _file_names(message)]
    if message.get("poll") is not None:
        votes = ", ".join(str(option["votes"]) for option in message["poll"]["options"])
        marks.append(f"{'closed ' if message['poll']['closed'] else ''}poll with {votes} votes")
    about = f" ({', '.join(marks)})" if marks else ""
    who = f"{message.get('id') or '-'} {message.get('author')}{about}"
    return f"{who}: {shorten(full_text(message), 400)} {buttons}".rstrip()
