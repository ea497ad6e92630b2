"""Interactions: how they begin, the callback within three seconds, and follow-ups for fifteen minutes.

Source: developer documentation, "Receiving and Responding to Interactions".
"""

from __future__ import annotations

import secrets

from bot.sandbox.discord import components as parts
from bot.sandbox.discord import views
from bot.sandbox.discord.backend import Backend, reference_to
from bot.sandbox.discord.calls import Call, Reply, handles
from bot.sandbox.discord.compose import amend, compose
from bot.sandbox.discord.errors import ApiError, FormErrors, invalid_form, missing_permissions, unknown
from bot.sandbox.discord.model import Channel, Flag, Interaction, Message, User
from bot.sandbox.frame import KEPT_MESSAGES, Json

COMMAND, COMPONENT, MODAL_SUBMIT = 2, 3, 5
MESSAGE, DEFER, DEFER_UPDATE, UPDATE, MODAL = 4, 5, 6, 7, 9
ANSWER_SECONDS = 3.0
TOKEN_SECONDS = 900.0

_WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ORIGINAL = _WEBHOOK + "/messages/@original"
_FOLLOW_UP = _WEBHOOK + "/messages/{message_id}"


def begin(
    backend: Backend,
    kind: int,
    user: User,
    channel: Channel,
    data: dict[str, Json],
    cause: Interaction | Message | None,
) -> Interaction:
    """A member acts. `cause` is the message with the button, or the interaction that opened the form."""
    made = Interaction(backend.world.snowflake(), secrets.token_urlsafe(96), kind, user, channel, backend.now(), data)
    owners = {"0": channel.guild.id if channel.guild else "0"}
    made.metadata = {"id": made.id, "type": kind, "user": views.user(user), "authorizing_integration_owners": owners}
    if isinstance(cause, Message):
        made.source = cause
        made.metadata["interacted_message_id"] = cause.id
    elif cause is not None:
        made.source = cause.source
        made.metadata["triggering_interaction_metadata"] = cause.metadata
    known = backend.interactions
    while known and (
        (oldest := next(iter(known.values()))).created < backend.now() - TOKEN_SECONDS or len(known) >= KEPT_MESSAGES
    ):
        del known[oldest.token]
        backend.forms.pop(oldest.id, None)
    known[made.token] = made
    body = views.interaction(backend.world, made)
    if backend.world.interactions_url:
        backend.deliver(made, body)
    else:
        backend.dispatch(channel, "INTERACTION_CREATE", body)
    return made


def heard(backend: Backend, channel: Channel) -> bool:
    """Whether the bot is there to hear of an interaction in that channel."""
    guild_id = int(channel.guild.id) if channel.guild else 0
    return bool(backend.world.interactions_url) or backend.hub.listening(guild_id)


@handles("POST", "/interactions/{interaction_id}/{interaction_token}/callback")
def callback(call: Call) -> Reply:
    """Create Interaction Response: once, within three seconds."""
    backend = call.backend
    it = backend.interactions.get(call.path["interaction_token"])
    if it is None or it.id != call.path["interaction_id"] or backend.now() - it.created > ANSWER_SECONDS:
        raise unknown("interaction")
    if it.answer is not None:
        raise ApiError(400, 40060, "Interaction has already been acknowledged.")
    kind = call.body["type"]
    resource = _answer(call, it, kind, call.body.get("data") or {})
    it.answer = kind
    it.answered.set()
    backend.frame.changed.set()
    if not call.query.get("with_response"):
        return 204, None
    return 200, {"interaction": _shown(it)} | ({"resource": resource} if resource else {})


def _answer(call: Call, it: Interaction, kind: int, data: Json) -> Json:
    """Do what the callback asks for; the `resource` of the answer, if it has one."""
    if kind in (MESSAGE, DEFER):
        it.original = _send(call, it, data, loading=kind == DEFER)
        return {"type": MESSAGE, "message": views.message(call.world, it.original)} if kind == MESSAGE else None
    if kind in (DEFER_UPDATE, UPDATE) and it.source:
        it.original = it.source
        if kind == UPDATE:
            amend(call.backend, it.source, data, call.uploads)
            return {"type": UPDATE, "message": views.message(call.world, it.source)}
        return None
    if kind == MODAL and it.kind != MODAL_SUBMIT:
        it.modal = _form(data)
        call.backend.forms[it.id] = it
        return None
    if kind == 12:
        raise missing_permissions("the local server starts no activities")
    raise invalid_form(["type"], "BASE_TYPE_CHOICES", f"An interaction of type {it.kind} has no answer of this type.")


def _form(data: Json) -> dict[str, Json]:
    """A modal with its components numbered; raises error 50035 for what a form cannot have."""
    form, seen = FormErrors(), set()
    for path, component in parts.walk(data["components"], ("data", "components")):
        custom_id = component.get("custom_id")
        if custom_id in seen:
            form.add((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated")
        seen.update({custom_id} - {None})
        if component["type"] == 4:
            _check_input(path, component, form)
    if len(data["components"]) > 5:
        form.add(["data", "components"], "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    form.check()
    return {**data, "components": parts.stored(data["components"])}


def _check_input(path: tuple[str | int, ...], component: dict[str, Json], form: FormErrors) -> None:
    least, most = component.get("min_length") or 0, component.get("max_length") or 4000
    if path[-1] != "component" and not component.get("label"):
        form.add((*path, "label"), "BASE_TYPE_REQUIRED", "This field is required")
    if least > most:
        form.add((*path, "min_length"), "NUMBER_TYPE_MAX", "min_length cannot be larger than max_length")
    if len(component.get("value") or "") > most:
        form.add((*path, "value"), "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length.")


def _send(call: Call, it: Interaction, data: Json, *, loading: bool = False, parent: Message | None = None) -> Message:
    """A new message that answers or follows the interaction, for one person alone if it is flagged ephemeral."""
    backend = call.backend
    if loading:
        message = backend.new_message(it.channel, call.world.bot)
        message.flags = (data.get("flags") or 0) & Flag.EPHEMERAL | Flag.LOADING
    else:
        message = compose(backend, it.channel, data, call.uploads, flags=Flag.EPHEMERAL)
    message.private_to = it.user if message.flags & Flag.EPHEMERAL else None
    application = call.world.application_id
    message.interaction = {"application_id": application, "webhook_id": application}
    message.interaction["interaction_metadata"] = it.metadata
    parent = parent or it.source
    if parent and parent.id in it.channel.messages:
        message.kind, message.reference = 19, reference_to(parent)
        message.interaction["interaction_metadata"] = it.metadata | (
            {"original_response_message_id": parent.id} if parent is it.original else {}
        )
    elif it.kind == COMMAND:
        message.kind = 20
    it.messages[message.id] = message
    backend.publish(message)
    return message


def _shown(it: Interaction) -> dict[str, Json]:
    shown: dict[str, Json] = {"id": it.id, "type": it.kind, "channel_id": it.channel.id}
    if it.channel.guild:
        shown["guild_id"] = it.channel.guild.id
    if it.original:
        shown["response_message_id"] = it.original.id
        shown["response_message_loading"] = bool(it.original.flags & Flag.LOADING)
        shown["response_message_ephemeral"] = it.original.private_to is not None
    return shown


def _of_webhook(call: Call) -> Interaction:
    """The interaction whose token is in the path; raises 10015 and 50027."""
    if call.path["webhook_id"] != call.world.application_id:
        raise unknown("Webhook")
    it = call.backend.interactions.get(call.path["webhook_token"])
    if it is None or call.backend.now() - it.created > TOKEN_SECONDS:
        raise ApiError(401, 50027, "Invalid Webhook Token")
    if it.answer is None:
        raise unknown("Webhook")
    return it


@handles("POST", _WEBHOOK)
def follow_up(call: Call) -> Reply:
    """Create Followup Message. The first one after a deferral becomes the deferred answer, as Discord still does."""
    it, body = _of_webhook(call), call.body or {}
    if it.original and it.original.flags & Flag.LOADING:
        amend(call.backend, it.original, body, call.uploads)
        return 200, views.message(call.world, it.original)
    if body.get("username") or body.get("avatar_url") or body.get("thread_name"):
        raise missing_permissions("an interaction's follow-up cannot change its author or open a thread")
    message = _send(call, it, body, parent=it.original)
    return 200, views.message(call.world, message)


def _original(call: Call) -> Message:
    it = _of_webhook(call)
    if it.original is None or it.original.id not in it.channel.messages:
        raise unknown("Message")
    return it.original


def _sent(call: Call) -> Message:
    it = _of_webhook(call)
    own = it.messages | ({it.original.id: it.original} if it.original else {})
    message = own.get(call.path["message_id"])
    if message is None or message.id not in it.channel.messages:
        raise unknown("Message")
    return message


@handles("GET", _ORIGINAL)
def get_original(call: Call) -> Reply:
    """Get Original Interaction Response."""
    return 200, views.message(call.world, _original(call))


@handles("PATCH", _ORIGINAL)
def edit_original(call: Call) -> Reply:
    """Edit Original Interaction Response."""
    message = _original(call)
    amend(call.backend, message, call.body or {}, call.uploads)
    return 200, views.message(call.world, message)


@handles("DELETE", _ORIGINAL)
def delete_original(call: Call) -> Reply:
    """Delete Original Interaction Response."""
    call.backend.remove(_original(call))
    return 204, None


@handles("GET", _FOLLOW_UP)
def get_follow_up(call: Call) -> Reply:
    """Get Followup Message."""
    return 200, views.message(call.world, _sent(call))


@handles("PATCH", _FOLLOW_UP)
def edit_follow_up(call: Call) -> Reply:
    """Edit Followup Message."""
    message = _sent(call)
    amend(call.backend, message, call.body or {}, call.uploads)
    return 200, views.message(call.world, message)


@handles("DELETE", _FOLLOW_UP)
def delete_follow_up(call: Call) -> Reply:
    """Delete Followup Message."""
    call.backend.remove(_sent(call))
    return 204, None
