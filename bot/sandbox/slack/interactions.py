"""Buttons, forms and slash commands, as the client handles them.

A control call answers what the person sees at once: it waits for the app's acknowledgement (at most `ACK_SECONDS`),
and after it until a form opens, a private message comes or the pressed message changes, at most `SETTLE_SECONDS`.
What comes later is found by looking at the channel.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from bot.sandbox.frame import ControlError, Json
from bot.sandbox.slack import buttons, forms
from bot.sandbox.slack.arguments import Arguments
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.people import People, common
from bot.sandbox.slack.responses import ResponseUrls
from bot.sandbox.slack.state import APP_ID, Member, Message, make_id
from bot.sandbox.slack.text import escape
from bot.sandbox.slack.views import Trigger, View, Views

SETTLE_SECONDS = 0.3
DISMISS = "$close"
"""A form submitted with this one key is closed instead."""
NO_COMMAND = "{} is not a valid command. In Slack, messages that begin with a slash are taken for commands."
TROUBLE = "We had some trouble connecting. Try again?"
_POLL_SECONDS = 0.01

Call = Mapping[str, Json]


class Interactions:
    """Turns clicks, submitted forms and typed commands into envelopes, and the app's answers into what people see."""

    def __init__(self, core: Core, people: People, views: Views, responses: ResponseUrls, checks: Arguments) -> None:
        self._core = core
        self._people = people
        self._views = views
        self._responses = responses
        self._checks = checks

    async def command(self, call: Call) -> Json:
        """A slash command. Raises ControlError for a text that is not one."""
        place, person = self._people.acting(call)
        word, _, rest = str(call["text"]).strip().partition(" ")
        if not word.startswith("/") or len(word) == 1:
            raise ControlError(f"a slash command begins with a slash and a word: {call['text']!r}")
        if not self._core.app.has_command(word):
            return {"toast": self._core.read(place, self._core.notice(place, person.id, NO_COMMAND.format(word)))}
        trigger = self._views.trigger(place.workspace, person.id, place.channel)
        since = place.workspace.next_ts()
        ack = await self._core.outlet.ask(
            "slash_commands", self._command(place, person, trigger, word, rest), accepts_response=True
        )
        if ack.payload is None:
            self._core.notice(place, person.id, f"{word} failed with the error “{ack.why}”")
        else:
            self._answer_command(place, person, word, ack.payload)
            await self._settle(trigger, since)
        return self._shown(trigger, since)

    async def click(self, call: Call) -> Json:
        """A button or menu option, of a message or of the open modal."""
        place, person = self._people.acting(call)
        view = self._views.visible(place.workspace, person.id)
        target = view if view and view.id == str(call["message_id"]) else self._message(place, person, call)
        blocks = target.body["blocks"] if isinstance(target, View) else target.blocks or []
        press = buttons.find(blocks, str(call["button"]), place.reader().text)
        trigger = self._views.trigger(place.workspace, person.id, place.channel)
        since = place.workspace.next_ts()
        payload = {
            "type": "block_actions",
            **common(place),
            "user": self._people.user(place, person),
            "trigger_id": trigger.id,
            **self._about(place, person, target),
            "actions": [press.wire(since)],
        }
        ack = await self._core.outlet.ask("interactive", payload, accepts_response=False)
        if ack.payload is None:
            return {"toast": "This app is not responding."}
        await self._settle(trigger, since, target if isinstance(target, Message) else None)
        return self._shown(trigger, since)

    async def submit(self, call: Call) -> Json:
        """Fill in the open form and send it; answers `errors` by block id, or what is seen afterwards."""
        view = self._views.find(str(call["form_id"]))
        person = view.workspace.find_member(str(call["member"])) if view else None
        if not view or not person or self._views.visible(view.workspace, person.id) is not view:
            raise ControlError(f"{call['member']} has no open form {call['form_id']}")
        if DISMISS in call["values"]:
            return self._dismiss(view, person)
        values = forms.fill_in(view.body["blocks"], call["values"], lambda name: _resolve(view, name))
        errors = forms.refusals(view.body["blocks"], values)
        if errors:
            return {"errors": errors}
        trigger = self._views.trigger(view.workspace, person.id, view.channel)
        since = view.workspace.next_ts()
        payload = self._submission(view, person, values) | {"trigger_id": trigger.id, "response_urls": []}
        ack = await self._core.outlet.ask("interactive", payload, accepts_response=True)
        errors = self._conclude(view, ack.payload)
        if errors:
            return {"errors": errors}
        await self._settle(trigger, since)
        return self._shown(trigger, since)

    def form(self, view: View) -> dict[str, Json]:
        """An open modal as the control interface tells it."""
        reader = Place(view.workspace, view.channel or next(iter(view.workspace.channels.values()))).reader()
        blocks = view.body["blocks"]
        listed = forms.fields(blocks, forms.initial_values(blocks), reader)
        return {"id": view.id, "title": reader.text(view.body["title"]), "fields": listed}

    def _command(self, place: Place, person: Member, trigger: Trigger, word: str, rest: str) -> dict[str, Json]:
        workspace = place.workspace
        return {
            "token": make_id("verification", APP_ID),
            "team_id": workspace.id,
            "team_domain": workspace.domain,
            "channel_id": place.channel.id,
            "channel_name": place.channel.name or "directmessage",
            "user_id": person.id,
            "user_name": person.key.lower(),
            "command": word,
            # The manifest's `should_escape` is off: names stay as typed, the three reserved characters do not.
            "text": escape(rest.strip()),
            "api_app_id": APP_ID,
            "is_enterprise_install": "false",
            "response_url": self._responses.give(place, person.id),
            "trigger_id": trigger.id,
        }

    def _answer_command(self, place: Place, person: Member, word: str, ack: dict[str, Json]) -> None:
        if not ack:
            return
        try:
            self._responses.respond(place, person.id, ack)
        except SlackError as error:
            self._core.notice(place, person.id, f"{word} failed with the error “{error.code}”")

    def _message(self, place: Place, person: Member, call: Call) -> Message:
        message = place.channel.messages.get(str(call["message_id"]))
        if not message or message.private_to not in (None, person.id):
            raise ControlError(f"{person.name} sees no message {call['message_id']} in {place.channel.name}")
        return message

    def _about(self, place: Place, person: Member, target: Message | View) -> dict[str, Json]:
        if isinstance(target, View):
            wire = target.wire()
            return {"container": {"type": "view", "view_id": target.id}, "view": wire}
        container: dict[str, Json] = {"type": "message", "message_ts": target.ts, "channel_id": place.channel.id}
        container["is_ephemeral"] = bool(target.private_to)
        if target.thread_ts:
            container["thread_ts"] = target.thread_ts
        about: dict[str, Json] = {
            "container": container,
            "channel": {"id": place.channel.id, "name": place.channel.name or "directmessage"},
            "state": {"values": forms.initial_values(target.blocks or [])},
            "response_url": self._responses.give(place, person.id, target),
        }
        # The app gets no copy of a message that only the person sees.
        wire = place.channel.wire(target, place.workspace.id)
        return about if target.private_to else {**about, "message": wire}

    def _submission(self, view: View, person: Member, values: forms.Values) -> dict[str, Json]:
        place = Place(view.workspace, view.channel or next(iter(view.workspace.channels.values())))
        user = self._people.user(place, person)
        return {"type": "view_submission", **common(place), "user": user, "view": view.wire(values)}

    def _dismiss(self, view: View, person: Member) -> Json:
        everything = bool(view.body.get("clear_on_close"))
        self._views.close(view, everything=everything)
        if view.body.get("notify_on_close"):
            payload = self._submission(view, person, forms.initial_values(view.body["blocks"]))
            self._core.outlet.tell("interactive", payload | {"type": "view_closed", "is_cleared": everything})
        self._core.changed()
        return {}

    def _conclude(self, view: View, ack: dict[str, Json] | None) -> dict[str, str]:
        """Do what the acknowledgement says; the errors that the form shows."""
        if ack is None:
            return {"": TROUBLE}
        action = ack.get("response_action")
        try:
            if action == "errors":
                return self._field_errors(view, ack)
            if action == "update":
                self._checks.check_view(ack.get("view"))
                self._views.update(view.workspace, view, ack["view"])
            elif action == "push":
                self._checks.check_view(ack.get("view"))
                self._views.show(view.workspace, view.member, view.channel, ack["view"], push=True)
            elif action in (None, "clear"):
                self._views.close(view, everything=action == "clear")
            else:
                return {"": TROUBLE}
        except SlackError:
            return {"": TROUBLE}
        return {}

    @staticmethod
    def _field_errors(view: View, ack: dict[str, Json]) -> dict[str, str]:
        errors = ack.get("errors")
        known = {block["block_id"] for block in view.body["blocks"] if block["type"] == "input"}
        # Slack shows errors below input blocks only; one for anything else is an app's mistake.
        if not isinstance(errors, dict) or not errors or not errors.keys() <= known:
            return {"": TROUBLE}
        return {block_id: str(text) for block_id, text in errors.items()}

    async def _settle(self, trigger: Trigger, since: str, pressed: Message | None = None) -> None:
        self._core.changed()
        end, revision = time.monotonic() + SETTLE_SECONDS, pressed.revision if pressed else 0
        while time.monotonic() < end and not trigger.opened.is_set():
            if any(True for _ in self._core.private_since(trigger.workspace, trigger.member, since)):
                return
            if pressed and pressed.revision != revision:
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _shown(self, trigger: Trigger, since: str) -> dict[str, Json]:
        shown: dict[str, Json] = {}
        view = self._views.visible(trigger.workspace, trigger.member)
        if view and (trigger.view is view or view.touched > since):
            shown["form"] = self.form(view)
        notices = list(self._core.private_since(trigger.workspace, trigger.member, since))
        return shown | ({"toast": "\n".join(reversed(notices))} if notices else {})


def _resolve(view: View, name: str) -> str:
    member = view.workspace.find_member(name)
    channel = view.workspace.find_channel(name)
    return (member and member.id) or (channel and channel.id) or name
