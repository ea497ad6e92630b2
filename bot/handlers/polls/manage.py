"""`/poll`: making polls, and what hosts and the team do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted
from bot.domain import polling
from bot.domain.poll_words import Asked, read
from bot.domain.polls import Poll, Refused, State
from bot.domain.roles import Action, may
from bot.domain.spans import seconds
from bot.drafting.characters import escaped
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers.context import Asker, Context, language_of, say, tell, zone_of
from bot.handlers.payloads import new_id
from bot.handlers.polls import asking, drafted, life, posting, results, voting
from bot.handlers.polls.panel import results_visible, safe, tally_of
from bot.locales.times import read_time, said

PER_PAGE = 10
LISTED = frozenset({State.SCHEDULED, State.OPEN, State.CLOSED, State.CANCELLED})

Verb = Callable[[Context, Asker, Poll, str], None]


def register(registry: Registry[Context]) -> None:
    """Handle `/poll` and the buttons of previews, results and the team's cards."""
    registry.outgoing(asking.PREVIEW, asking.prepare_preview)
    usage = '"question" "A" "B" [flags] | list | close|results|export|extend|cancel|edit|again|mine <id>'
    registry.command("poll", "help.poll", usage, None, ("投票",), asking.form)(_poll)
    registry.control("newpoll", Control(_not_a_button, _filled_in, errors=_form_errors))
    registry.control("confirm", Control(_confirm))
    registry.control("discard", Control(_discard))
    registry.control("follow", Control(_follow))
    registry.control("let_in", Control(_judged))
    registry.control("keep_out", Control(_judged))


def _poll(ctx: Context, event: CommandInvoked) -> None:
    asker, text = Asker.of(event), event.text.strip()
    word, _, rest = text.partition(" ")
    word = _WORDS.get(word.lower(), word.lower())
    if word == "list":
        _list(ctx, asker, rest)
    elif word in VERBS:
        _manage(ctx, asker, word, rest)
    elif event.private:
        say(ctx, asker, "command.private", name="poll")
    elif not asking.may_ask(ctx, asker):
        return
    elif word == "draft":
        drafted.begin(ctx, asker, rest)
    elif text:
        asking.from_text(ctx, asker, text)
    elif not ctx.desk.forms(asker.channel.platform):
        payload = ctx.desk.signer.make(new_id(), "newpoll", asker.channel)
        asking.ask_by_message(ctx, asker, payload, "poll.form.prompt", event.message_id)
    elif not asker.reply:  # typed as a plain message: no form could be opened
        say(ctx, asker, "command.usage", usage='/poll "?" "A" "B"')


def _not_a_button(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    say(ctx, Asker.of(event), "review.invalid_button")


def _filled_in(ctx: Context, event: FormSubmitted, button: Pressed) -> None:
    asker = Asker.of(event)
    if not asking.may_ask(ctx, asker):
        return
    asked = asking.from_form(event)
    if isinstance(asked, Refused):
        asking.refuse(ctx, asker, asked)
    else:
        asking.make(ctx, asker, asked)


def _form_errors(ctx: Context, event: FormSubmitted, button: Pressed) -> Mapping[str, str]:
    asker = Asker.of(event)
    asked = asking.from_form(event)
    found = asked if isinstance(asked, Refused) else asking.build(ctx, asker, asked)
    if not isinstance(found, Refused):
        return {}
    others = "options" if event.values.get("options") else "question"
    field = "ends" if found.why in {"time_unclear", "too_long"} else others
    return {field: ctx.desk.texts.say(language_of(ctx, asker), f"poll.refused.{found.why}", **dict(found.args))}


def may_run(ctx: Context, asker: Asker, poll: Poll) -> bool:
    """Whether this person may change this poll: its host, or the team."""
    return asker.member == poll.host or may(ctx.roles, Action.POLL)


def _run_by(ctx: Context, asker: Asker, button: Pressed) -> Poll | None:
    """The poll of a button, if this person may change it; tells them if not."""
    poll = ctx.work.polls.named(button.view)
    if poll is None:
        say(ctx, asker, "review.invalid_button")
    elif not may_run(ctx, asker, poll):
        say(ctx, asker, "poll.not_yours")
        return None
    return poll


def _confirm(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker = Asker.of(event)
    poll = _run_by(ctx, asker, button)
    if poll is None or not asking.may_ask(ctx, asker):  # its maker may have lost the right since
        return
    at_once = poll.opens_at <= ctx.now
    poll_now = replace(poll, closes_at=ctx.now + poll.lasts) if at_once and poll.lasts else poll
    after = polling.confirm(poll_now, ctx.now)
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    ctx.work.polls.swap(poll, after)
    ctx.work.polls.log(poll.id, ctx.now, asker.name, "confirm")
    life.schedule(ctx, after)
    if not at_once:
        time = said(after.opens_at, zone_of(ctx, asker), language_of(ctx, asker))
        say(ctx, asker, "poll.done.scheduled", number=poll.id, time=time)
    else:
        say(ctx, asker, "poll.done.confirmed", number=poll.id)


def _discard(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    asker = Asker.of(event)
    poll = _run_by(ctx, asker, button)
    if poll is None:
        return
    if poll.state is not State.PREVIEW:
        say(ctx, asker, "poll.refused.not_preview")
    elif refused := life.cancel(ctx, poll, asker.name):
        asking.refuse(ctx, asker, refused)
    else:
        say(ctx, asker, "poll.done.discarded", number=poll.id)


def _judged(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """The team lets a member's option in, or keeps it out."""
    asker = Asker.of(event)
    poll = _run_by(ctx, asker, button)
    if poll is not None:
        _judge(ctx, asker, poll, button.word, button.argument)


def _judge(ctx: Context, asker: Asker, poll: Poll, word: str, option: str) -> None:
    number = int(option) if option.isdecimal() and len(option) <= 9 else 0
    step = polling.let_in if word == "let_in" else polling.keep_out
    after = step(poll, number, ctx.now)
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    _changed(ctx, asker, poll, after, word, str(number))
    say(ctx, asker, f"poll.done.{word}", number=number)


def _drop(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    """`drop 3 4`: an option that a member added is taken out."""
    _judge(ctx, asker, poll, "keep_out", rest.lstrip("#"))


def _follow(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """The result's button: the same question once more, as a preview to change."""
    asker, poll = Asker.of(event), ctx.work.polls.named(button.view)
    if poll is None:
        say(ctx, asker, "review.invalid_button")
    else:
        _again(ctx, asker, poll, "")


def _manage(ctx: Context, asker: Asker, word: str, rest: str) -> None:
    number, _, rest = rest.strip().lstrip("#").partition(" ")
    poll = ctx.work.polls.get(int(number)) if number.isdecimal() and len(number) <= 15 else None
    if poll is None or poll.state is State.PREVIEW or poll.discarded:
        say(ctx, asker, "poll.no_such")
    elif word not in FOR_ALL and not may_run(ctx, asker, poll):
        say(ctx, asker, "poll.not_yours")
    else:
        VERBS[word](ctx, asker, poll, rest.strip())


def _list(ctx: Context, asker: Asker, rest: str) -> None:
    language, before = language_of(ctx, asker), rest.strip().lstrip("#")
    start = int(before) if before.isdecimal() and len(before) <= 15 else 0
    polls: list[Poll] = []
    while len(polls) <= PER_PAGE and (page := ctx.work.polls.page(LISTED, PER_PAGE + 1, start)):
        polls += [poll for poll in page if not poll.discarded]
        start = page[-1].id
    if not polls:
        say(ctx, asker, "poll.list.empty")
        return
    lines = [ctx.desk.texts.say(language, "poll.list.title")]
    for poll in polls[:PER_PAGE]:
        state = ctx.desk.texts.say(language, f"poll.state.{poll.state.value}")
        voters, question = ctx.work.ballots.voters(poll.id), results.short(poll)
        line = ctx.desk.texts.say(
            language, "poll.list.line", number=poll.id, state=state, count=voters, question=question
        )
        lines.append(line)
    if len(polls) > PER_PAGE:
        lines.append(ctx.desk.texts.say(language, "poll.list.more", number=polls[PER_PAGE - 1].id))
    tell(ctx, asker, "\n".join(lines))


def _close(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    refused = life.close_early(ctx, poll, asker.name)
    if refused:
        asking.refuse(ctx, asker, refused)
    else:
        say(ctx, asker, "poll.done.closed", number=poll.id)


def _cancel(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    refused = life.cancel(ctx, poll, asker.name)
    if refused:
        asking.refuse(ctx, asker, refused)
    else:
        say(ctx, asker, "poll.done.cancelled", number=poll.id)


def _extend(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    if any(post.native for post in ctx.work.poll_posts.of(poll.id)):
        asking.refuse(ctx, asker, Refused("native_end"))
        return
    language, zone = language_of(ctx, asker), zone_of(ctx, asker)
    length = seconds(rest)  # counted from its end; a point in time is seen from now
    until = read_time(rest, ctx.now, zone, language) if length is None else max(poll.closes_at, ctx.now) + length
    after = polling.extend(poll, until, ctx.now) if until else Refused("time_unclear", {"text": rest})
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    _changed(ctx, asker, poll, after, "extend")
    life.set_clocks(ctx, after)
    say(ctx, asker, "poll.done.extended", number=poll.id, time=said(after.closes_at, zone, language))


def _edit(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    """`edit 3 question "..."`, `edit 3 2 "..."`: a typing error."""
    what, _, text = rest.partition(" ")
    number = 0 if what.lower() in {"question", "问题"} else int(what) if what.isdecimal() and len(what) < 4 else -1
    words = text.strip().strip('"“”「」『』')
    if number < 0 or not words:
        say(ctx, asker, "command.usage", usage='/poll edit <id> <question|1|2|...> "..."')
        return
    voted = ctx.work.ballots.any(poll.id)
    after = polling.correct(poll, number, words, voted, ctx.now)
    if isinstance(after, Refused):
        asking.refuse(ctx, asker, after)
        return
    _changed(ctx, asker, poll, after, "correct", f"{number}: {words}")
    say(ctx, asker, "poll.done.corrected", number=poll.id)


def _changed(ctx: Context, asker: Asker, before: Poll, after: Poll, what: str, detail: str = "") -> None:
    ctx.work.polls.swap(before, after)
    ctx.work.polls.log(before.id, ctx.now, asker.name, what, detail)
    posting.changed(ctx, after)


def _results(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    if poll.state is State.CANCELLED:
        say(ctx, asker, "poll.cancelled")
        return
    if poll.state is State.SCHEDULED:
        say(ctx, asker, "poll.refused.not_open")
        return
    if not results_visible(poll):
        say(ctx, asker, "poll.refused.hidden")
        return
    tally = tally_of(ctx, poll, ranked=True)
    tell(ctx, asker, results.summary(ctx, poll, tally, language_of(ctx, asker)))


def _export(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    here = (asker.channel.platform, asker.channel.home.channel_id)
    if here not in {(one.platform, one.channel_id) for one in ctx.desk.cards}:
        say(ctx, asker, "poll.refused.export_place")
    elif poll.state is not State.CLOSED and (poll.question.hidden or poll.question.anonymous):
        say(ctx, asker, "poll.refused.hidden")
    else:
        ctx.work.timers.set(life.EXPORTS, f"{poll.name}|{asker.channel.platform}|{asker.channel.channel_id}", ctx.now)
        say(ctx, asker, "poll.done.exported", number=poll.id)


_BARE = Asked("?", ("1", "2"))
"""A poll that stands for another one, while what is to be changed of that is read."""


def _bare(asked: Asked) -> Asked:
    """What was read, without all that can be said of a poll that is asked again."""
    timeless = replace(asked, ends="", starts="", every="", places=(), remind=True)
    return replace(timeless, anonymous=False, hidden=False, fixed=False, native=False)


def _again(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    """The same question once more, with the times, places and plain flags that are given; others are refused."""
    if not asking.may_ask(ctx, asker):
        return
    asked = read(f'"?" "1" "2" {rest}')
    if isinstance(asked, Refused):
        asking.refuse(ctx, asker, asked)
        return
    if _bare(asked) != _BARE:
        say(ctx, asker, "command.usage", usage=f"/poll again {poll.id} [ends ...] [starts ...] [in #...] [hidden] ...")
        return
    question = poll.question
    shown = tuple(replace(one, number=at, by="") for at, one in enumerate(question.shown, 1))
    template = replace(
        question,
        options=shown,
        anonymous=question.anonymous or asked.anonymous,
        hidden=question.hidden or asked.hidden,
        fixed=question.fixed or asked.fixed,
        native=question.native or asked.native,
    )
    here = asked if asked.places else replace(asked, places=_places(ctx, poll))
    asking.make(ctx, asker, here, template)


def _places(ctx: Context, poll: Poll) -> tuple[str, ...]:
    mine = {(one.platform, one.channel_id) for one in poll.channels}
    return tuple(name.lower() for name, one in ctx.desk.named.items() if (one.platform, one.channel_id) in mine)


def _mine(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    voting.tell_mine(ctx, asker, poll)


def _receipt(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    record = ctx.work.polls.receipt(poll.id)
    if record is None:
        say(ctx, asker, "poll.receipt.none")
    else:
        tell(ctx, asker, escaped(record))


def _repost(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    """Post it once more where somebody looked and did not find it."""
    number = rest.lstrip("#")
    post = ctx.work.poll_posts.get(int(number)) if number.isdecimal() and len(number) <= 15 else None
    if post is None or post.poll_id != poll.id or poll.state is not State.OPEN or post.message_id:
        say(ctx, asker, "poll.no_such")
        return
    posting.repost(ctx, post)
    say(ctx, asker, "poll.done.reposted", number=poll.id)


def _history(ctx: Context, asker: Asker, poll: Poll, rest: str) -> None:
    language, zone, texts = language_of(ctx, asker), zone_of(ctx, asker), ctx.desk.texts
    lines = []
    for one in ctx.work.polls.history(poll.id):
        what = texts.say(language, f"poll.log.{one.what}") if texts.has(f"poll.log.{one.what}") else one.what
        who = safe(one.who) or "Herald"
        lines.append(f"{said(one.at, zone, language)} · {who} · {what} {safe(one.detail)}".rstrip())
    lines = lines[-30:] + [texts.say(language, key, **values) for key, values in results.signs(ctx, poll)]
    tell(ctx, asker, "\n".join(lines))


VERBS: Mapping[str, Verb] = {
    "close": _close, "cancel": _cancel, "extend": _extend, "edit": _edit, "results": _results, "export": _export,
    "again": _again, "mine": _mine, "receipt": _receipt, "repost": _repost, "history": _history, "reveal": _results,
    "drop": _drop,
}  # fmt: skip
FOR_ALL = frozenset({"results", "reveal", "mine", "receipt"})
"""What needs no right: hidden results stay hidden for all."""
_WORDS = {
    "列表": "list", "结束": "close", "关闭": "close", "取消": "cancel", "延长": "extend", "更正": "edit",
    "结果": "results", "公布": "reveal", "导出": "export", "再来": "again", "我的": "mine", "凭证": "receipt",
    "重发": "repost", "记录": "history", "起草": "draft", "移除": "drop",
}  # fmt: skip
