"""Acts of a scenario's members, carried out through the control interface."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from bot.rehearsal.errors import StepFailed
from bot.rehearsal.expecting import Instant, Named, View, form_values, instant_message
from bot.rehearsal.looking import LOOK_SECONDS, Looker, Memory
from bot.rehearsal.scenario import (
    ChangeMember,
    Click,
    Command,
    Delete,
    Edit,
    Fault,
    Model,
    Raw,
    React,
    Say,
    Scenario,
    Step,
    Submit,
    Vote,
    VoteMany,
)
from bot.rehearsal.stage import Stage
from bot.rehearsal.tallying import Teller
from bot.rehearsal.values import Json

Person = dict[str, str | None]
"""Who acts: `platform`, `member`, `tenant`, and perhaps on what."""

_CHANGES = {"name", "roles", "joined_at", "created", "boosting", "blocked", "is_bot", "left"}
"""What a step may change of a member."""
FORM_SECONDS = 5.0
"""How long a form may take to open: on a platform without dialogs it is a message of the bot."""


class Actor:
    """Carries out acts, and keeps what they showed at once."""

    def __init__(self, scenario: Scenario, stage: Stage, memory: Memory, looker: Looker, teller: Teller) -> None:
        self._teller = teller
        self._scenario = scenario
        self._stage = stage
        self._memory = memory
        self._looker = looker
        self._last: dict[str, Named] = {}
        """Where each member acted last, with the form that this opened."""
        self._sent: set[tuple[str, str]] = set()
        self._acts: dict[type, Callable[..., Awaitable[None]]] = {
            Say: self._say,
            Command: self._command,
            Click: self._click,
            Submit: self._submit,
            Vote: self._vote,
            VoteMany: self._vote_many,
            React: self._react,
            Edit: self._edit,
            Delete: self._delete,
            ChangeMember: self._member,
            Raw: self._pass_on,
            Fault: self._fault,
            Model: self._pass_on,
        }

    async def act(self, step: Step) -> None:
        """Carry out one act. Raises RehearsalError, and KeyError for a name that nothing has yet."""
        await self._acts[type(step)](step)

    def _person(self, by: str, platform: str) -> dict[str, str | None]:
        """Who acts there. A name that the scenario does not list is somebody new on that platform."""
        known = self._scenario.member(by)
        if known and known.platform != platform:
            raise StepFailed(f"{by} is on {known.platform} and cannot act on {platform}")
        return {"platform": platform, "member": by, "tenant": known.tenant if known else None}

    def _at(self, by: str | None, on: str) -> dict[str, str | None]:
        """Who acts on which message."""
        target = self._memory.names[on]
        who = by or target.author
        if who is None:
            raise StepFailed(f"say with `by` who acts on {on}")
        if target.message_id is None:
            raise StepFailed(f"{on} is a form or a notice, not a message")
        place = {"channel": target.channel, "message_id": target.message_id}
        return {**self._person(who, target.platform), **place}

    def _shown(self, answer: Json, platform: str, channel: str, member: str, name: str | None = None) -> None:
        """Keep what an act showed at once, and the form that it opened or opens soon."""
        shown = instant_message(answer, member) if isinstance(answer, Mapping) else None
        if shown is not None:
            self._memory.since.instants.append(Instant(platform, channel, member, shown))
        form = shown.get("form") if shown is not None else None
        opened = Named(platform, channel, None, self._looker.tenant(member), form=form)
        self._last[member] = opened
        if name is not None:
            self._memory.names[name] = opened

    async def _say(self, step: Say) -> None:
        platform, _, channel = step.place.partition("/")
        who = self._person(step.by, platform)
        target = self._memory.names[step.reply_to].message_id if step.reply_to else None
        fields = {
            **who,
            "channel": channel,
            "text": self._memory.filled(step.text),
            "reply_to": target,
            "attachment": step.attachment,
        }
        made = str((await self._stage.control.post("say", fields))["message_id"])
        self._memory.since.own.add((platform, made))
        if step.name:
            self._memory.names[step.name] = Named(platform, channel, made, who["tenant"], step.by, target)

    async def _command(self, step: Command) -> None:
        platform, _, channel = step.place.partition("/")
        fields = {**self._person(step.by, platform), "channel": channel, "text": self._memory.filled(step.text)}
        answer = await self._stage.control.post("command", fields)
        self._own(platform, answer)
        self._shown(answer, platform, channel, step.by, step.name)

    async def _click(self, step: Click) -> None:
        button = self._memory.filled(step.button)
        fields = {**self._at(step.by, step.on), "button": button, "forged": step.forged}
        answer = await self._stage.control.post("click", fields)
        self._teller.clicked(step)
        target = self._memory.names[step.on]
        self._shown(answer, target.platform, target.channel, step.by, step.name)

    async def _submit(self, step: Submit) -> None:
        place, form = await self._form(step)
        given = {name: self._memory.filled(v) if isinstance(v, str) else v for name, v in step.values.items()}
        values = form_values(form, given)
        fields = {**self._person(step.by, place.platform), "form_id": str(form["id"]), "values": values}
        answer = await self._stage.control.post("submit", fields)
        self._own(place.platform, answer)
        if not (isinstance(answer, Mapping) and answer.get("errors")):
            self._sent.add((step.by, str(form["id"])))
        self._shown(answer, place.platform, place.channel, step.by)

    async def _form(self, step: Submit) -> tuple[Named, Json]:
        """The form that is meant, and where it is. Raises StepFailed where none opens in `FORM_SECONDS`."""
        place = self._memory.names[step.on] if step.on is not None else self._last.get(step.by)
        if place is None:
            raise StepFailed(f"{step.by} has done nothing yet that could have opened a form")
        loop = asyncio.get_running_loop()
        form, end = place.form, loop.time() + FORM_SECONDS
        while form is None:
            form = await self._newest_form(place, step.by)
            if form is None and loop.time() > end:
                raise StepFailed(f"no form is open for {step.by} in {place.platform}/{place.channel}")
            await asyncio.sleep(LOOK_SECONDS if form is None else 0)
        return place, form

    async def _newest_form(self, place: Named, member: str) -> Json:
        """The newest form that the member sees there and has not sent yet."""
        view = View(place.platform, place.channel, member, self._looker.tenant(member))
        forms = [m["form"] for m in await self._looker.seen(view) if m.get("form") is not None]
        return next((form for form in reversed(forms) if (member, str(form["id"])) not in self._sent), None)

    def _own(self, platform: str, answer: Json) -> None:
        """Remember a message that an act wrote as its member's own."""
        if isinstance(answer, Mapping) and answer.get("message_id") is not None:
            self._memory.since.own.add((platform, str(answer["message_id"])))

    async def _vote(self, step: Vote) -> None:
        await self._stage.control.post("vote", {**self._at(step.by, step.on), "options": list(step.options)})
        self._teller.voted(step)

    async def _vote_many(self, step: VoteMany) -> None:
        await self._teller.vote_many(step)

    async def _react(self, step: React) -> None:
        fields = {**self._at(step.by, step.on), "emoji": step.emoji, "remove": step.remove}
        await self._stage.control.post("react", fields)

    async def _edit(self, step: Edit) -> None:
        fields = self._at(step.by, step.on)
        await self._stage.control.post("edit", {**fields, "text": step.text})
        self._memory.since.own.add((str(fields["platform"]), str(fields["message_id"])))

    async def _delete(self, step: Delete) -> None:
        await self._stage.control.post("delete", self._at(step.by, step.on))

    async def _member(self, step: ChangeMember) -> None:
        known = self._scenario.member(step.by)
        platform = step.platform or (known.platform if known else None)
        if platform is None:
            raise StepFailed(f"say on which platform {step.by} is")
        more = step.model_dump(include=_CHANGES)
        more |= {key: self._stage.moment(more[key]) for key in ("joined_at", "created")}
        fields = {
            "platform": platform,
            "member": step.by,
            "tenant": step.tenant or self._looker.tenant(step.by),
            **more,
        }
        await self._stage.control.post("member", fields)

    async def _fault(self, step: Fault) -> None:
        """A `match` that is a channel's or a message's name stands for its id: what calls about it carry."""
        named = self._memory.names.get(step.match or "")
        match = named.message_id if named else self._stage.settings["channels"].get(step.match, step.match)
        fields = step.model_dump() | {"match": None if match is None else str(match)}
        await self._stage.control.post("fault", fields)

    async def _pass_on(self, step: Raw | Model) -> None:
        await self._stage.control.post(type(step).__name__.lower(), step.model_dump())
