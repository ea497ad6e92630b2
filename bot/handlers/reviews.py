"""Decisions over drafts, whichever way they come: buttons, forms, prompts, commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.chat.events import ButtonPressed, CommandInvoked, FormSubmitted
from bot.chat.messages import Field, Form
from bot.domain.delivery import Urgency
from bot.domain.review import Actor, Attempt, Changed, DraftState, Effect, Refusal, View, decide
from bot.domain.roles import Action, may
from bot.domain.text import cut
from bot.drafting.guards import Unusable, clean_human
from bot.engine.registry import Control, Pressed, Registry
from bot.handlers import clocks
from bot.handlers.cards import record, refresh
from bot.handlers.context import Asker, Context, language_of, say
from bot.handlers.payloads import new_id
from bot.handlers.replies import apply
from bot.handlers.wording import shown
from bot.locales import Value
from bot.storage.comments import StoredComment
from bot.storage.drafts import StoredDraft
from bot.storage.outbox import Order

WRITES = frozenset({Action.EDIT, Action.ANSWER, Action.CORRECT})
"""Actions whose text becomes the reply."""
FORMS = WRITES | {Action.REDO, Action.REJECT}
"""Actions that ask for something first."""
REASONS = ("wrong_fact", "tone", "not_needed", "legal", "duplicate", "something_else")


@dataclass(frozen=True, slots=True)
class Matter:
    """A draft with its comment, and how the person who decides saw it."""

    draft: StoredDraft
    comment: StoredComment
    view: View
    card_id: int | None = None


def register(registry: Registry[Context]) -> None:
    """Handle the buttons of cards, and their forms."""
    for action in set(Action) - {Action.VIEW, Action.POLL, Action.PAUSE, Action.RESUME}:
        if action in FORMS:
            registry.control(action.value, Control(pressed, submitted, opened, errors))
        else:
            registry.control(action.value, Control(pressed))


def pressed(ctx: Context, event: ButtonPressed, button: Pressed) -> None:
    """A button of a card."""
    asker = Asker.of(event)
    matter = _allowed(ctx, asker, button)
    if matter is None:
        return
    action = Action(button.word)
    if action not in FORMS:
        attempt(ctx, asker, matter, action)
        return
    refusal = check(ctx, asker, matter, action)
    if refusal is not None:
        refuse(ctx, asker, matter, refusal)
    elif not ctx.desk.forms(event.channel.platform):
        _prompt(ctx, asker, matter, event.payload, action, event.message_id)


def submitted(ctx: Context, event: FormSubmitted, button: Pressed) -> None:
    """A filled-in form."""
    asker = Asker.of(event)
    matter = _allowed(ctx, asker, button)
    if matter is not None:
        enter(ctx, asker, matter, Action(button.word), event.values)


def opened(ctx: Context, event: ButtonPressed, button: Pressed) -> Form | None:
    """The form that a press opens."""
    asker, action, matter = Asker.of(event), Action(button.word), _matter_of(ctx, button)
    if matter is None or not may(ctx.roles, action) or check(ctx, asker, matter, action):
        return None
    return form(ctx, asker, matter, action, event.payload)


def errors(ctx: Context, event: FormSubmitted, button: Pressed) -> Mapping[str, str]:
    """What is wrong with a text that would become the reply."""
    matter = _matter_of(ctx, button)
    if matter is None or button.word not in WRITES:
        return {}
    cleaned = clean_human(event.values.get("text", ""), *ctx.desk.cap(matter.comment.channel.platform))
    if not isinstance(cleaned, Unusable):
        return {}
    language = language_of(ctx, Asker.of(event))
    return {"text": ctx.desk.texts.say(language, f"draft.unusable.{cleaned.reason}", **dict(cleaned.args))}


def form_of(action: Action) -> Callable[[Context, CommandInvoked], Form | None] | None:
    """What opens the form of an action whose command (`/edit 12`) has no text; None for actions without a form."""
    if action not in FORMS or action is Action.REJECT:
        return None

    def opens(ctx: Context, event: CommandInvoked) -> Form | None:
        asker = Asker.of(event)
        number, _, rest = event.text.strip().lstrip("#").partition(" ")
        if rest or not number.isdecimal() or len(number) > 15 or not may(ctx.roles, action):
            return None
        draft = ctx.work.drafts.get(int(number))
        if draft is None or not ctx.work.cards.of_draft(draft.id):
            return None
        matter = matter_for(ctx, asker, draft)
        if check(ctx, asker, matter, action):
            return None
        return form(ctx, asker, matter, action, _payload(ctx, asker, matter, action))

    return opens


def _matter_of(ctx: Context, button: Pressed) -> Matter | None:
    stored = ctx.work.cards.view(button.view)
    draft = ctx.work.drafts.get(stored.card.draft_id) if stored else None
    if stored is None or draft is None:
        return None
    comment = ctx.work.comments.get(draft.comment_id)
    return Matter(draft, comment, stored.view, stored.card.id)


def _allowed(ctx: Context, asker: Asker, button: Pressed) -> Matter | None:
    """What a button is about; tells the person when it is nothing, or not for them."""
    matter, action = _matter_of(ctx, button), Action(button.word)
    if matter is None:
        say(ctx, asker, "review.invalid_button")
    elif not may(ctx.roles, action):
        say(ctx, asker, "review.no_right", action=_verb(ctx, asker, action))
        return None
    return matter


def _verb(ctx: Context, asker: Asker, action: Action) -> str:
    return ctx.desk.texts.say(language_of(ctx, asker), f"button.{action.value}")


def check(ctx: Context, asker: Asker, matter: Matter, action: Action) -> Refusal | None:
    """Whether this could be decided now; nothing is changed."""
    tried = Attempt(action, Actor(asker.member, asker.name), matter.view)
    outcome = decide(matter.draft.ruled, matter.comment.ruled, tried, ctx.desk.rules, ctx.now)
    return outcome if isinstance(outcome, Refusal) else None


def enter(ctx: Context, asker: Asker, matter: Matter, action: Action, values: Mapping[str, str]) -> None:
    """Decide with what somebody filled in."""
    text = values.get("text", "").strip()
    if action in WRITES:
        cleaned = clean_human(text, *ctx.desk.cap(matter.comment.channel.platform))
        if isinstance(cleaned, Unusable):
            say(ctx, asker, f"draft.unusable.{cleaned.reason}", dict(cleaned.args))
            return
        text = cleaned.text
    if action is Action.ANSWER and ctx.desk.rules.four_eyes:
        action = Action.EDIT  # somebody else has to approve what one person wrote
    if action is Action.REJECT:
        text = reason_text(ctx, asker, values.get("reason", ""), text)
    attempt(ctx, asker, matter, action, text)


def reason_text(ctx: Context, asker: Asker, chosen: str, note: str) -> str:
    """The reason for a rejection in words: the chosen one, the note, or both."""
    label = ctx.desk.texts.say(language_of(ctx, asker), f"reason.{chosen}") if chosen in REASONS else ""
    return cut(": ".join(part for part in (label, note) if part), 500)


def attempt(
    ctx: Context, asker: Asker, matter: Matter, action: Action, text: str = "", seconds: float | None = None
) -> None:
    """Make a decision stick, or tell the person why it does not."""
    tried = Attempt(action, Actor(asker.member, asker.name), matter.view, text, seconds)
    outcome = decide(matter.draft.ruled, matter.comment.ruled, tried, ctx.desk.rules, ctx.now)
    if isinstance(outcome, Refusal):
        refuse(ctx, asker, matter, outcome)
        return
    refusal = _carry_out(ctx, matter.draft, outcome)
    if refusal is not None:
        refuse(ctx, asker, matter, refusal)
        return
    # A Conflict takes the whole unit back, effects included; the event is then handled again and sees the new state.
    ctx.work.drafts.swap(matter.draft.ruled, outcome.draft, ctx.now)
    ctx.work.drafts.decided(outcome.draft, tried, asker.channel, ctx.now)
    if action in {Action.REDO, Action.EDIT, Action.APPROVE, Action.ANSWER}:
        ctx.work.drafts.settle_flag(matter.draft, "comment_edited")
    _announce(ctx, asker, matter, tried, outcome)


def _carry_out(ctx: Context, draft: StoredDraft, outcome: Changed) -> Refusal | None:
    for effect in outcome.effects:
        if effect in {Effect.SNOOZE, Effect.ESCALATE}:
            clocks.apply(ctx, effect, outcome.draft)
            continue
        refusal = apply(ctx, effect, draft, outcome.draft.text, outcome.draft.version)
        if refusal is not None:
            return refusal
    return None


def _announce(ctx: Context, asker: Asker, matter: Matter, tried: Attempt, outcome: Changed) -> None:
    word = tried.action.value
    if tried.action is Action.CLAIM and outcome.draft.claimed_by is None:
        word = "release"
    elif tried.action is Action.ANSWER and outcome.draft.state is DraftState.WAITING:
        word = "edit"  # four eyes: it waits for somebody else
    elif tried.action is Action.SNOOZE and not outcome.draft.snoozed_until:
        word = "wake"
    told: dict[str, Value] = {
        "name": asker.name,
        "reason": shown(outcome.draft.reason),
        "seconds": round(ctx.desk.undo_seconds),
        "text": shown(cut(tried.text, 200)),
        "number": matter.draft.id,
    }
    if word == "snooze":
        told["time"] = ctx.desk.texts.span(language_of(ctx, asker), outcome.draft.snoozed_until - ctx.now)
    refresh(ctx, matter.draft.id, rebind=_seen_anew(matter, outcome))
    record(ctx, matter.draft.id, f"line.{word}", told)
    say(ctx, asker, f"done.{word}", told, toast=True)


def _seen_anew(matter: Matter, outcome: Changed) -> int | None:
    """Whoever has taken the draft back has looked at the card as it is."""
    return matter.card_id if Effect.CANCEL_REPLY in outcome.effects else None


def refuse(ctx: Context, asker: Asker, matter: Matter, refusal: Refusal) -> None:
    """Tell one person privately why nothing happened; what they had not seen they are shown now."""
    args: dict[str, Value] = dict(refusal.args)
    language = language_of(ctx, asker)
    if isinstance(at := args.get("at"), float):
        args["ago"] = ctx.desk.texts.ago(language, ctx.now - at)
    for name in ("before", "after", "text"):
        if name in args:
            args[name] = shown(cut(str(args[name]), 600))
    args["number"] = matter.draft.id
    say(ctx, asker, refusal.key, args)
    if refusal.rebind:
        refresh(ctx, matter.draft.id, rebind=matter.card_id)


def form(ctx: Context, asker: Asker, matter: Matter, action: Action, payload: str) -> Form:
    """The form that asks for what an action needs."""
    language = language_of(ctx, asker)
    texts = ctx.desk.texts
    cap, _ = ctx.desk.cap(matter.comment.channel.platform)
    label = texts.say(language, f"form.{action.value}.text")
    if action in WRITES:
        value = "" if action is Action.ANSWER else matter.draft.ruled.text
        fields: tuple[Field, ...] = (Field("text", label, "paragraph", value, max_length=cap),)
    elif action is Action.REDO:
        fields = (Field("text", label, "text", required=False, max_length=300),)
    else:
        choices = tuple((word, texts.say(language, f"reason.{word}")) for word in REASONS)
        chosen = Field("reason", texts.say(language, "form.reject.reason"), "choice", choices=choices, required=False)
        fields = (chosen, Field("text", label, "text", required=False, max_length=300))
    return Form(
        payload,
        texts.say(language, f"form.{action.value}.title", number=matter.draft.id),
        fields,
        submit=texts.say(language, "form.submit"),
        cancel=texts.say(language, "form.cancel"),
        failed=texts.say(language, "form.failed"),
    )


def _prompt(ctx: Context, asker: Asker, matter: Matter, payload: str, action: Action, message_id: str | None) -> None:
    """Ask by message where forms do not open: the person answers by replying to it."""
    language = language_of(ctx, asker)
    number = ctx.work.prompts.add(asker.channel, asker.member, payload, "text", ctx.now)
    text = ctx.desk.texts.say(language, f"prompt.{action.value}", number=matter.draft.id, name=asker.name)
    extra = {
        "member": str(asker.member),
        "name": asker.name,
        "prompt": number,
        "placeholder": ctx.desk.texts.say(language, f"form.{action.value}.text"),
    }
    key = new_id()
    order = Order(key, "prompt", key, asker.channel, Urgency.ANSWER, reply_to=message_id, text=text, extra=extra)
    ctx.work.outbox.add(order)
    say(ctx, asker, "done.asked", toast=True)


def on_command(ctx: Context, asker: Asker, matter: Matter, action: Action, text: str) -> None:
    """The text twin of a button; asks for what is missing where the button would."""
    if action in FORMS and not text and action is not Action.REJECT:
        refusal = check(ctx, asker, matter, action)
        if refusal is not None:
            refuse(ctx, asker, matter, refusal)
        elif not ctx.desk.forms(asker.channel.platform):
            payload = _payload(ctx, asker, matter, action)
            _prompt(ctx, asker, matter, payload, action, None)
        elif not asker.reply:  # typed as a plain message: nothing could be opened
            usage = ctx.registry.commands[action.value].usage
            say(ctx, asker, "command.usage", usage=f"/{action.value} {usage}")
        return
    if action in FORMS:
        enter(ctx, asker, matter, action, {"text": text})
    elif action is Action.SNOOZE and text:
        seconds = clocks.span(text)
        if seconds is None:
            say(ctx, asker, "command.span", text=shown(cut(text, 40)))
        else:
            attempt(ctx, asker, matter, action, seconds=seconds)
    else:
        attempt(ctx, asker, matter, action)


def _payload(ctx: Context, asker: Asker, matter: Matter, action: Action) -> str:
    """A payload for somebody who typed a command, bound to a card of the draft also where their room has none."""
    key = new_id()
    card_id = matter.card_id or ctx.work.cards.of_draft(matter.draft.id)[0].id
    ctx.work.cards.show(key, card_id, matter.draft.id, matter.view, ctx.now)
    return ctx.desk.signer.make(key, action, asker.channel)


def matter_for(ctx: Context, asker: Asker, draft: StoredDraft) -> Matter:
    """A draft as somebody who types its number sees it: by the card in their channel, else as it is now."""
    comment = ctx.work.comments.get(draft.comment_id)
    for card in ctx.work.cards.of_draft(draft.id):
        same = (card.channel.platform, card.channel.channel_id) == (asker.channel.platform, asker.channel.channel_id)
        latest = ctx.work.cards.latest_view(card.id) if same else None
        if latest is not None:
            return Matter(draft, comment, latest.view, card.id)
    return Matter(draft, comment, View(draft.ruled.version, comment.ruled.hash, comment.text))


def reopen(ctx: Context, comment: StoredComment) -> None:
    """The comment is no longer what an approved reply answers: hold the reply back, and ask again."""
    draft = ctx.work.drafts.of_comment(comment.id)
    if draft is None:
        return
    if draft.ruled.state is DraftState.APPROVED:
        system = Attempt(Action.UNDO, Actor(comment.author, ""), View(draft.ruled.version, ""))
        outcome = decide(draft.ruled, comment.ruled, system, ctx.desk.rules, ctx.now)
        if isinstance(outcome, Changed) and _carry_out(ctx, draft, outcome) is None:
            ctx.work.drafts.swap(draft.ruled, outcome.draft, ctx.now)
            record(ctx, draft.id, "line.held")
    refresh(ctx, draft.id)
