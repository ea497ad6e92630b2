"""Commands: one grammar in all rooms, text twins of every button, and what the team asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.chat.events import CommandInvoked
from bot.domain.roles import Action, may
from bot.domain.text import cut
from bot.engine.registry import Registry
from bot.handlers import clocks, reviews
from bot.handlers.context import Asker, Context, language_of, say, tell
from bot.handlers.wording import shown
from bot.locales import choose
from bot.storage.drafts import StoredDraft
from bot.storage.people import LINK

UMBRELLA = "herald"
"""`/herald status` is `/status`: a way around commands that a platform keeps for itself."""
PER_PAGE = 5

_TWINS = {
    Action.APPROVE: ("<id>", ("批准", "通过")),
    Action.EDIT: ("<id> [text]", ("修改",)),
    Action.REDO: ("<id> [instruction]", ("重写",)),
    Action.REJECT: ("<id> [reason]", ("驳回",)),
    Action.CLAIM: ("<id>", ("认领",)),
    Action.ANSWER: ("<id> [text]", ("回复",)),
    Action.UNDO: ("<id>", ("撤销",)),
    Action.TAKEBACK: ("<id>", ("撤回",)),
    Action.CORRECT: ("<id> [text]", ("更正",)),
    Action.RETRY: ("<id>", ("重试",)),
    Action.SNOOZE: ("<id> [30m|2h|1d]", ("稍后", "搁置")),
    Action.ESCALATE: ("<id>", ("升级", "求助")),
}


def register(registry: Registry[Context]) -> None:
    """Handle commands."""
    registry.on(CommandInvoked)(invoked)
    for action, (usage, aliases) in _TWINS.items():
        opens = reviews.form_of(action)
        registry.command(action.value, f"help.{action.value}", usage, action, aliases, opens)(_twin(action))
    registry.command("draft", "help.draft", "<id|link> [instruction]", Action.REDO, ("起草",))(_draft)
    registry.command("inbox", "help.inbox", "[mine]", Action.VIEW, ("审核", "待办"))(_inbox)
    registry.command("status", "help.status", "[seen]", Action.VIEW, ("状态",))(_status)
    registry.command("pause", "help.pause", "", Action.PAUSE, ("暂停",))(_pause)
    registry.command("resume", "help.resume", "", Action.RESUME, ("恢复",))(_resume)
    registry.command("language", "help.language", "<en|zh>", None, ("语言",))(_language)
    registry.command(UMBRELLA, "help.herald", "<command>", None)(_help)
    registry.command("help", "help.help", "[command]", None, ("帮助", "start"))(_help)


def invoked(ctx: Context, event: CommandInvoked) -> None:
    """A command was typed."""
    asker = Asker.of(event)
    name, text = event.name, event.text.strip()
    if name == UMBRELLA:
        name, _, text = (text or "help").partition(" ")
    command = ctx.registry.find_command(name.lower())
    if command is None:
        say(ctx, asker, "command.unknown", name=shown(cut(name, 40)))
    elif command.action is not None and not may(ctx.roles, command.action):
        say(ctx, asker, "command.no_right", name=command.name)
    elif command.action is not None and event.private:
        say(ctx, asker, "command.private", name=command.name)
    else:
        command.run(ctx, replace(event, name=command.name, text=text.strip()))


def find_draft(ctx: Context, asker: Asker, text: str, name: str) -> tuple[StoredDraft, str] | None:
    """The draft whose number a command begins with, and the rest; tells the person when there is none."""
    number, _, rest = text.partition(" ")
    number = number.lstrip("#")
    if not number.isdecimal() or len(number) > 15:
        usage = ctx.registry.commands[name].usage
        say(ctx, asker, "command.usage", usage=f"/{name} {usage}")
        return None
    draft = ctx.work.drafts.get(int(number))
    if draft is None:
        say(ctx, asker, "command.no_draft", number=int(number))
        return None
    return draft, rest.strip()


def _twin(action: Action) -> Callable[[Context, CommandInvoked], None]:
    def run(ctx: Context, event: CommandInvoked) -> None:
        asker = Asker.of(event)
        found = find_draft(ctx, asker, event.text, action.value)
        if found is not None:
            draft, rest = found
            reviews.on_command(ctx, asker, reviews.matter_for(ctx, asker, draft), action, rest)

    return run


def _draft(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    target, _, instruction = event.text.partition(" ")
    comment = ctx.work.comments.by_url(target) if "://" in target else None
    if comment is not None:
        draft = ctx.work.drafts.of_comment(comment.id)
        if draft is None:
            new = ctx.work.drafts.add(comment.id, ctx.now) or 0
            clocks.begin(ctx, new, comment.id)
            ctx.work.timers.set("draft", str(new), ctx.now)
            say(ctx, asker, "done.drafting", number=new)
            return
        found: tuple[StoredDraft, str] | None = (draft, instruction)
    else:
        found = find_draft(ctx, asker, event.text, "draft")
    if found is not None:
        reviews.attempt(ctx, asker, reviews.matter_for(ctx, asker, found[0]), Action.REDO, found[1])


def _inbox(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    language = language_of(ctx, asker)
    mine = event.text.strip().lower() in {"mine", "我的"}
    drafts = ctx.work.drafts.open(PER_PAGE + 1, ctx.now, asker.member if mine else None)
    if not drafts:
        say(ctx, asker, "inbox.empty")
        return
    waiting = sum(ctx.work.drafts.counts().get(state, 0) for state in ("waiting", "uncertain", "failed"))
    lines = [ctx.desk.texts.say(language, "inbox.title", count=len(drafts) if mine else waiting)]
    lines += [_inbox_line(ctx, language, draft) for draft in drafts[:PER_PAGE]]
    tell(ctx, asker, "\n".join(lines))


def _inbox_line(ctx: Context, language: str, draft: StoredDraft) -> str:
    comment = ctx.work.comments.get(draft.comment_id)
    return ctx.desk.texts.say(
        language,
        "inbox.line",
        number=draft.id,
        state=ctx.desk.texts.say(language, f"state.{draft.ruled.state.value}"),
        ago=ctx.desk.texts.ago(language, ctx.now - comment.sent_at),
        text=cut(" ".join(shown(comment.text).split()), 80),
        url=comment.url or "",
    ).rstrip()


def _status(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    if event.text:
        _acknowledge(ctx, asker, event.text)
        return
    language = language_of(ctx, asker)
    texts = ctx.desk.texts
    events, drafts, replies = ctx.work.inbox.counts(), ctx.work.drafts.counts(), ctx.work.outbox.counts()
    sending = "status.paused" if ctx.work.facts.get("paused") else "status.sending"
    lines = [
        texts.say(language, sending, name=ctx.work.facts.get("paused") or ""),
        texts.say(language, "status.events", new=max(events.get("new", 0) - 1, 0), failed=events.get("failed", 0)),
        texts.say(language, "status.drafts", **{s: drafts.get(s, 0) for s in ("drafting", "waiting", "uncertain")}),
    ]
    for platform in sorted(ctx.desk.capabilities):
        mine = {state: count for (name, state), count in replies.items() if name == platform}
        counts = {s: mine.get(s, 0) for s in ("pending", "sent", "uncertain", "failed")}
        lines.append(texts.say(language, "status.platform", platform=platform.capitalize(), **counts))
    lines += _troubles(ctx, language)
    for cursor, at in ctx.work.inbox.seen()[:10]:
        lines.append(texts.say(language, "status.seen", cursor=cursor, ago=texts.ago(language, ctx.now - at)))
    lines += [texts.say(language, "status.gap", cursor=cursor) for cursor in ctx.work.inbox.gaps()[:10]]
    tell(ctx, asker, "\n".join(lines))


def _troubles(ctx: Context, language: str) -> list[str]:
    """Who cannot be reached, what platforms told us to wait for, and what waits for too long."""
    texts, now = ctx.desk.texts, ctx.now
    oldest = ctx.work.inbox.oldest()
    lines = [texts.say(language, "status.oldest", ago=texts.ago(language, now - oldest))] if oldest is not None else []
    for name, since in sorted(ctx.work.facts.beginning(LINK).items()):
        ago = texts.ago(language, now - float(since))
        lines.append(texts.say(language, "status.link", name=name.capitalize(), ago=ago))
    for platform in sorted(ctx.desk.capabilities):
        for block in ctx.work.blocks.of(platform, now)[:3]:
            left = texts.span(language, block.until - now)
            where = f"{platform}:{block.destination}" if block.destination else platform.capitalize()
            lines.append(texts.say(language, "status.block", where=where, time=left))
    return lines


def _acknowledge(ctx: Context, asker: Asker, word: str) -> None:
    """`/status seen`: somebody knows of the gaps, also of those that cannot be filled."""
    if word.lower() not in {"seen", "已知"}:
        say(ctx, asker, "command.usage", usage="/status [seen]")
    elif not may(ctx.roles, Action.RESUME):
        say(ctx, asker, "command.no_right", name="status seen")
    else:
        say(ctx, asker, "done.gaps_seen", count=ctx.work.inbox.acknowledge())


def _pause(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    ctx.work.facts.set("paused", event.member_name or str(event.member))
    say(ctx, asker, "done.pause")


def _resume(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    was = ctx.work.facts.get("paused")
    ctx.work.facts.forget("paused")
    ctx.work.outbox.rouse()
    say(ctx, asker, "done.resume" if was else "done.not_paused")


def _language(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    wanted = choose({"中文": "zh", "english": "en"}.get(event.text.lower(), event.text), ctx.desk.languages)
    if wanted is None:
        say(ctx, asker, "command.usage", usage="/language " + "|".join(ctx.desk.languages))
        return
    ctx.work.people.choose_language(event.member, wanted)
    say(ctx, asker, "done.language")


def _help(ctx: Context, event: CommandInvoked) -> None:
    asker = Asker.of(event)
    language = language_of(ctx, asker)
    texts = ctx.desk.texts
    one = ctx.registry.find_command(event.text.lstrip("/").lower()) if event.text else None
    allowed = [c for c in ctx.registry.commands.values() if c.action is None or may(ctx.roles, c.action)]
    lines = [texts.say(language, "help.title")]
    for command in [one] if one else allowed:
        aliases = " ".join(f"/{alias}" for alias in command.aliases)
        lines.append(
            f"/{command.name} {command.usage}".rstrip() + f" — {texts.say(language, command.summary)} {aliases}"
        )
    tell(ctx, asker, "\n".join(lines))
