"""`/poll draft SENTENCE`: a poll made from a sentence, shown as a preview like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from bot.domain.places import Channel, Member
from bot.domain.poll_words import Asked
from bot.domain.polls import MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, Kind
from bot.domain.text import cut
from bot.drafting.poll_drafter import MAX_SENTENCE, PollDrafter, Sketch
from bot.engine.registry import Registry
from bot.handlers.context import Asker, Context, language_of, say
from bot.handlers.payloads import new_id
from bot.handlers.polls import asking
from bot.storage.people import Facts
from bot.storage.store import Store
from bot.storage.timers import Timer

TIMER = "poll_draft"


@dataclass(frozen=True, slots=True)
class Sketcher:
    """Makes polls from sentences, off the loop."""

    store: Store
    drafter: PollDrafter

    def register(self, registry: Registry[Context]) -> None:
        """Have it happen when it is due."""
        registry.timer(TIMER, self.sketch)

    async def sketch(self, timer: Timer) -> Callable[[Context], None]:
        """Draft, then show the preview to whoever asked."""
        stored = await self.store.read(lambda connection: Facts(connection).get(_fact(timer.key)))
        if stored is None:
            return lambda _: None
        asked = json.loads(stored)
        sketch = await self.drafter.draft(asked["sentence"], asked["language"])
        return lambda ctx: _show(ctx, timer.key, asked, sketch)


def begin(ctx: Context, asker: Asker, sentence: str) -> None:
    """Remember who asked for what, and have it drafted."""
    if not sentence.strip():
        say(ctx, asker, "command.usage", usage="/poll draft ...")
        return
    name, channel = new_id(), asker.channel
    place = [channel.platform, channel.tenant, channel.channel_id, channel.thread_id, channel.parent_id]
    asked = {
        "sentence": sentence.strip()[:MAX_SENTENCE], "language": language_of(ctx, asker), "member": str(asker.member),
        "name": asker.name, "channel": place, "reply": dict(asker.reply), "locale": asker.locale,
    }  # fmt: skip
    ctx.work.facts.set(_fact(name), json.dumps(asked))
    ctx.work.timers.set(TIMER, name, ctx.now)


def _show(ctx: Context, name: str, asked: dict[str, object], sketch: Sketch) -> None:
    if ctx.work.facts.get(_fact(name)) is None:
        return
    ctx.work.facts.forget(_fact(name))
    channel, reply = asked["channel"], asked["reply"]
    asker = Asker(
        Member.parse(str(asked["member"])),
        str(asked["name"]),
        Channel(*channel) if isinstance(channel, list) else Channel("", "", ""),
        {str(key): str(value) for key, value in reply.items()} if isinstance(reply, dict) else {},
        str(asked["locale"]) if asked["locale"] else None,
    )
    question = sketch.question
    if sketch.topic:
        question = ctx.desk.texts.say(str(asked["language"]), "poll.draft.question", topic=sketch.question)
    options = tuple(cut(one, MAX_OPTION) for one in sketch.options[:MAX_OPTIONS])
    kind = Kind.SINGLE if options else Kind.OPEN
    asking.make(ctx, asker, Asked(cut(question, MAX_QUESTION), options, kind))


def _fact(name: str) -> str:
    return f"poll_draft:{name}"
