"""Votes: presses on a poll's buttons, votes in native polls, options that members add, and the question whether a vote
counted.

A press counts for the person who pressed: accounts that are linked share one ballot. What became of it is said from
memory; whatever else a voter of an anonymous poll is told is sealed in the outbox, as the press is in the inbox.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from bot.chat.events import ButtonPressed, FormSubmitted, PollVoted
from bot.chat.messages import Field, Form
from bot.domain import ballots, polling
from bot.domain.ballots import Facts
from bot.domain.places import Channel, Member
from bot.domain.polls import MAX_OPTION, Kind, Poll, Refused, State
from bot.domain.roles import Role
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, say, tell
from bot.handlers.polls import posting
from bot.handlers.polls.asking import ask_by_message
from bot.handlers.polls.panel import choice_label, safe
from bot.handlers.secrecy import as_prefix, person_in, tell_sealed
from bot.storage.timers import Timer

EARLY, EARLY_SECONDS, EARLY_TRIES = "poll_early", 2.0, 30
MAX_ADDED = 3
"""Options that one member may add to a poll, so that room is left for others'."""
YOUNG = 7 * 86400.0
"""Seconds: accounts younger than this are told to the host."""


def register(registry: Registry[Context]) -> None:
    """Handle what voters do."""
    registry.control("vote", Control(vote))
    registry.control("mine", Control(mine))
    registry.control("add", Control(add_pressed, add_submitted, add_form, add_errors))
    registry.on(PollVoted)(voted)
    registry.timer(EARLY, early)


def vote(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """A press on an option."""
    asker, poll = Asker.of(event), ctx.work.polls.named(button.view)
    if poll is None or not button.argument.isdecimal():
        say(ctx, asker, "review.invalid_button")
        return
    refused = polling.voting(poll, ctx.work.heard_at) or _barred(ctx, poll, event)
    voter = None if refused else voter_of(ctx, poll, event.member)
    if refused or voter is None:
        answer(ctx, asker, poll, refused or Refused("closed"))
        return
    before = ctx.work.ballots.get(poll.id, voter) or ()
    after = ballots.pressed(poll.question, before, int(button.argument))
    if isinstance(after, Refused):
        answer(ctx, asker, poll, after)
        return
    _cast(ctx, poll, voter, after, event.member, event.channel)
    _watch(ctx, poll, event, voter)
    answer(ctx, asker, poll, after)


def voter_of(ctx: Context, poll: Poll, member: Member, purpose: str = "ballot") -> str | None:
    """The name of somebody's ballot; None when the key of an anonymous poll is gone.

    What is noted for another purpose in an anonymous poll has another name, that does not lead to the ballot.
    """
    if not poll.question.anonymous:
        return ctx.work.links.person_of(member)
    key = ctx.desk.keys.find(poll.name)
    return key.token(person_in(ctx, poll, member), purpose) if key else None


def _barred(ctx: Context, poll: Poll, event: ButtonPressed | FormSubmitted) -> Refused | None:
    """Whether a rule of the poll keeps somebody out; counted by rule."""
    limits = poll.question.restrictions
    if not limits.any:
        return None
    since = event.joined_at
    if since is None and limits.member_seconds:
        since = ctx.work.comments.first_seen(event.member)
    holds = _holds(ctx, limits.role, event.member_roles, event.member) if limits.role else None
    refused = ballots.allowed(limits, Facts(holds, since, event.created_at), ctx.now)
    if refused is not None and (voter := voter_of(ctx, poll, event.member, "refusal")):
        ctx.work.polls.refuse(poll.id, refused.why, voter)
    return refused


def _holds(ctx: Context, role: str, carried: tuple[str, ...], member: Member) -> bool:
    if role in {one.value for one in Role}:
        return role in {held.value for held in ctx.roles}
    match role.split(":"):
        case [platform, tenant, "role", number]:
            return (platform, tenant) == (member.platform, member.tenant) and number in carried
    return False


def _cast(ctx: Context, poll: Poll, voter: str, choice: tuple[int, ...], member: Member, channel: Channel) -> None:
    place = f"{channel.platform}:{channel.home.channel_id}"
    if not choice:
        ctx.work.ballots.remove(poll.id, voter)
    elif poll.question.anonymous:
        ctx.work.ballots.put(poll.id, voter, choice, place, None, None)
    else:
        ctx.work.ballots.put(poll.id, voter, choice, place, str(member), ctx.now)
    posting.changed(ctx, poll)


def _watch(ctx: Context, poll: Poll, event: ButtonPressed, voter: str) -> None:
    """Signs of second accounts, for the host to look at. Nobody is kept out by them.

    Not in anonymous polls: written down at the moment of a vote they would say what a young account chose.
    """
    if poll.question.anonymous:
        return
    who = str(event.member)
    if event.created_at is not None and ctx.now - event.created_at < YOUNG:
        ctx.work.polls.signal(poll.id, "young_account", who, "")
    if event.joined_at is not None and event.joined_at > poll.opened_at:
        ctx.work.polls.signal(poll.id, "joined_after_opening", who, "")


def answer(ctx: Context, asker: Asker, poll: Poll, outcome: tuple[int, ...] | Refused) -> None:
    """Tell a voter privately what became of it."""
    language = language_of(ctx, asker)
    if isinstance(outcome, Refused):
        args = {name: safe(value) if isinstance(value, str) else value for name, value in outcome.args.items()}
        text = ctx.desk.texts.say(language, f"poll.refused.{outcome.why}", **args)
    elif not outcome:
        text = ctx.desk.texts.say(language, "poll.vote.taken_back")
    else:
        key = "poll.vote.final" if poll.question.fixed or poll.question.kind is Kind.QUIZ else "poll.vote.counted"
        text = ctx.desk.texts.say(language, key, choice=choice_words(poll, outcome))
    private(ctx, asker, poll, text, passing=True)


def private(ctx: Context, asker: Asker, poll: Poll, text: str, *, passing: bool = False) -> None:
    """Answer a voter; sealed where nobody may know who voted."""
    if poll.question.anonymous:
        tell_sealed(ctx, asker, poll.name, text, passing=passing)
    else:
        tell(ctx, asker, text, passing=passing)


def choice_words(poll: Poll, choice: tuple[int, ...]) -> str:
    """A ballot in words."""
    found = [(number, poll.question.option(number)) for number in choice]
    words = [choice_label(poll, one) if one else f"#{number}" for number, one in found]
    if poll.question.kind is Kind.RANKED:
        return " › ".join(f"{place}. {word}" for place, word in enumerate(words, 1))
    return ", ".join(words)


def mine(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """`Did my vote count?`"""
    asker, poll = Asker.of(event), ctx.work.polls.named(button.view)
    if poll is None:
        say(ctx, asker, "review.invalid_button")
        return
    tell_mine(ctx, asker, poll)


def tell_mine(ctx: Context, asker: Asker, poll: Poll) -> None:
    """What is kept of somebody's vote, privately."""
    language, say_text = language_of(ctx, asker), ctx.desk.texts.say
    voter = voter_of(ctx, poll, asker.member)
    if voter is None:  # no key: there is none before a poll opens either
        gone = say_text(language, "poll.mine.destroyed", number=poll.id)
        private(ctx, asker, poll, gone if poll.opened_at else say_text(language, "poll.mine.none"))
        return
    choice = _choice_of(ctx, poll, voter, asker.member)
    if not choice:
        text = say_text(language, "poll.mine.none")
    else:
        count = ctx.work.ballots.voters(poll.id)
        text = say_text(language, "poll.mine.counted", choice=choice_words(poll, choice), count=count)
        if poll.question.anonymous:
            text += "\n" + say_text(language, "poll.mine.token", token=voter)
    private(ctx, asker, poll, text)


def _choice_of(ctx: Context, poll: Poll, voter: str, member: Member) -> tuple[int, ...]:
    """What somebody's ballot holds. Those of polls that are over keep the names they had, whoever is linked since."""
    choice = ctx.work.ballots.get(poll.id, voter)
    if choice or poll.question.anonymous or poll.state is State.OPEN:
        return choice
    names = {str(one) for one in ctx.work.links.members_of(voter)}
    found = ctx.work.ballots.of_any(poll.id, {str(member)}) or ctx.work.ballots.of_any(poll.id, names)
    return found.choice if found else ()


def voted(ctx: Context, event: PollVoted) -> None:
    """A vote in a native poll; of polls that are not ours nothing is kept."""
    if not _taken(ctx, event) and ctx.work.poll_posts.coming(event.member.platform):
        _wait(ctx, event, 1)


def _taken(ctx: Context, event: PollVoted) -> bool:
    post = ctx.work.poll_posts.native(event.member.platform, event.poll)
    poll = ctx.work.polls.get(post.poll_id) if post else None
    if post is None or poll is None:
        return False
    voter = voter_of(ctx, poll, event.member) if poll.state is State.OPEN else None
    if voter is not None:
        take_native(ctx, poll, voter, event, post.channel)
    return True


def _wait(ctx: Context, event: PollVoted, tries: int) -> None:
    """People may vote before the platform has told us what the poll is called."""
    options = " ".join(map(str, event.options))
    key = f"{event.member}|{event.poll}|{event.change}|{options}|{tries}"
    ctx.work.timers.set(EARLY, key, ctx.now + EARLY_SECONDS)


async def early(timer: Timer) -> Callable[[Context], None]:
    """A vote that came before its poll was known."""
    return lambda ctx: _look_again(ctx, timer.key)


def _look_again(ctx: Context, key: str) -> None:
    member, poll, change, options, tries = key.split("|")
    kind: Literal["set", "add", "remove"] = "add" if change == "add" else "remove" if change == "remove" else "set"
    event = PollVoted(poll, Member.parse(member), tuple(map(int, options.split())), kind)
    if not _taken(ctx, event) and int(tries) < EARLY_TRIES:
        _wait(ctx, event, int(tries) + 1)


def take_native(ctx: Context, poll: Poll, voter: str, event: PollVoted, channel: Channel) -> None:
    """Make a native poll's vote the person's ballot."""
    offered = poll.question.shown
    numbers = [offered[at].number for at in event.options if 0 <= at < len(offered)]
    before = ctx.work.ballots.get(poll.id, voter) or ()
    if event.change == "add":
        # A single choice that was made elsewhere gives way to the newer one.
        kept = before if poll.question.kind is Kind.MULTIPLE else ()
        numbers = list(dict.fromkeys([*kept, *numbers]))
    elif event.change == "remove":
        numbers = [number for number in before if number not in numbers]
    choice = ballots.chosen(poll.question, before, numbers)
    if not isinstance(choice, Refused):
        _cast(ctx, poll, voter, choice, event.member, channel)


def add_pressed(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """Somebody wants to add an option: asked by message where no form opened."""
    asker, poll = Asker.of(event), ctx.work.polls.named(button.view)
    if poll is None:
        say(ctx, asker, "review.invalid_button")
    elif refused := polling.voting(poll, ctx.work.heard_at) or _barred(ctx, poll, event):
        answer(ctx, asker, poll, refused)
    elif not ctx.desk.forms(event.channel.platform):
        ask_by_message(ctx, asker, event.payload, "poll.add.title", event.message_id, question=safe(poll.question.text))


def add_form(ctx: Context, event: ButtonPressed, button: Pressed) -> Form | None:
    """The form that asks for the new option."""
    poll = ctx.work.polls.named(button.view)
    if poll is None or polling.voting(poll, ctx.now):
        return None
    language, texts = language_of(ctx, Asker.of(event)), ctx.desk.texts
    field = Field("text", texts.say(language, "poll.add.field"), "text", max_length=MAX_OPTION)
    return Form(
        event.payload,
        texts.say(language, "poll.add.form"),
        (field,),
        submit=texts.say(language, "form.submit"),
        cancel=texts.say(language, "form.cancel"),
        failed=texts.say(language, "form.failed"),
    )


def add_errors(ctx: Context, event: FormSubmitted, button: Pressed) -> dict[str, str]:
    """What is wrong with a new option."""
    poll = ctx.work.polls.named(button.view)
    if poll is None:
        return {}
    found = polling.add(poll, event.values.get("text", ""), "", ctx.now)
    if not isinstance(found, Refused):
        return {}
    language = language_of(ctx, Asker.of(event))
    return {"text": ctx.desk.texts.say(language, f"poll.refused.{found.why}", **dict(found.args))}


def _one_more(ctx: Context, poll: Poll, member: Member) -> Refused | None:
    """Count an option that somebody adds; why not, where they have added enough.

    In an anonymous poll it is counted under a token, which is forgotten with the poll's key and leads to no ballot.
    """
    if not poll.question.anonymous:
        added = sum(one.by == str(member) for one in poll.question.options)
    else:
        name = f"{as_prefix(poll)}added:{voter_of(ctx, poll, member, 'added')}"
        added = int(ctx.work.facts.get(name) or 0)
        if added < MAX_ADDED:
            ctx.work.facts.set(name, str(added + 1))
    return Refused("many_added", {"limit": MAX_ADDED}) if added >= MAX_ADDED else None


def add_submitted(ctx: Context, event: FormSubmitted, button: Pressed) -> None:
    """A new option: shown at once, or put before the team."""
    asker, poll = Asker.of(event), ctx.work.polls.named(button.view)
    if poll is None:
        say(ctx, asker, "review.invalid_button")
        return
    refused = polling.voting(poll, ctx.work.heard_at) or _barred(ctx, poll, event)
    by = "" if poll.question.anonymous else str(event.member)
    after = refused or polling.add(poll, event.values.get("text", ""), by, ctx.work.heard_at)
    if not isinstance(after, Refused):
        after = _one_more(ctx, poll, event.member) or after
    if isinstance(after, Refused):
        answer(ctx, asker, poll, after)
        return
    ctx.work.polls.swap(poll, after)
    option = after.question.options[-1]
    who = "" if poll.question.anonymous else asker.name
    ctx.work.polls.log(poll.id, ctx.now, who, "add", option.text)
    if poll.question.approval:
        posting.ask_team(ctx, after, option)
        private(ctx, asker, poll, ctx.desk.texts.say(language_of(ctx, asker), "poll.add.waits"))
    else:
        posting.changed(ctx, after)
        private(ctx, asker, poll, ctx.desk.texts.say(language_of(ctx, asker), "poll.add.done"))
