"""What a member sees in the local Slack: messages as they read them, and the form before them."""

from __future__ import annotations

from bot.sandbox.frame import Json, Seen, SeenCache
from bot.sandbox.slack import buttons
from bot.sandbox.slack.core import Core, Place
from bot.sandbox.slack.interactions import Interactions
from bot.sandbox.slack.state import Member, Message
from bot.sandbox.slack.views import Views


class Looks:
    """Shows channels to members."""

    def __init__(self, core: Core, views: Views, interactions: Interactions) -> None:
        self._core = core
        self._views = views
        self._interactions = interactions
        self._cache = SeenCache()

    def seen(self, place: Place, member: str | None) -> list[Seen]:
        """The channel's messages as a member reads them, and their open modal last."""
        person = place.workspace.find_member(member) if member else None
        if place.channel.is_private and (member and (not person or person.id not in place.channel.members)):
            return []
        viewers = {None, person.id} if person else {None}
        listed = [self._look(place, m) for m in place.channel.messages.values() if m.private_to in viewers]
        return listed + (self._open_form(place, person) if person else [])

    def _look(self, place: Place, message: Message) -> Seen:
        key = (place.workspace.id, place.channel.id, message.ts)
        parts = (message, message.revision, place.workspace.names)
        return self._cache.look(key, parts, lambda: self._seen(place, message))

    def _seen(self, place: Place, message: Message) -> Seen:
        reader, names = place.reader(), place.workspace.name_of
        pressable = buttons.presses(message.blocks or [])
        direct = next((who for who in place.channel.members if who != place.workspace.bot.id), None)
        private_to = message.private_to or (direct if place.channel.kind == "im" else None)
        return Seen(
            id=message.ts,
            author=message.username or names(message.user) or message.user,
            text=self._core.read(place, message),
            reply_to=message.thread_ts,
            private_to=names(private_to) if private_to else None,
            buttons=tuple({"id": press.id, "label": reader.text(press.label)} for press in pressable),
            files=[_file(file) for file in message.files] if message.files else None,
        )

    def _open_form(self, place: Place, person: Member) -> list[Seen]:
        view = self._views.visible(place.workspace, person.id)
        if not view or view.channel not in (None, place.channel):
            return []
        reader = place.reader()
        text = "\n".join([reader.text(view.body["title"]), *reader.blocks(view.body["blocks"])])
        pressable = buttons.presses(view.body["blocks"])
        shown = tuple({"id": press.id, "label": reader.text(press.label)} for press in pressable)
        form = self._interactions.form(view)
        bot = place.workspace.bot.name
        return [Seen(view.id, bot, text, private_to=person.name, buttons=shown, form=form)]


def _file(file: dict[str, Json]) -> dict[str, Json]:
    """A file as the control interface tells it; people read its title, and its name when they save it."""
    return {
        "id": file["id"],
        "name": file["name"],
        "title": file["title"],
        "type": file["mimetype"],
        "size": file["size"],
    }
