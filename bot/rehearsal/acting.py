"""Acts of a scenario's members, carried out through the control interface."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from bot.rehearsal.errors import StepFailed
from bot.rehearsal.expecting import Instant, Named, View, form_id, instant_message
from bot.rehearsal.looking import Looker, Memory
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
)
from bot.rehearsal.stage import Stage
from bot.rehearsal.values import Json

Person = dict[str, str | None]
"""Who acts: `platform`, `member`, `tenant`, and perhaps on what."""


class Actor:
    """Carries out acts, and keeps what they showed at once."""

    def __init__(self, scenario: Scenario, stage: Stage, memory: Memory, looker: Looker) -> None:
        self._scenario = scenario
        self._stage = stage
        self._memory = memory
        self._looker = looker
        self._forms: dict[str, list[str]] = {}
        self._acts: dict[type, Callable[..., Awaitable[None]]] = {
            Say: self._say,
            Command: self._command,
            Click: self._click,
            Submit: self._submit,
            Vote: self._vote,
            React: self._react,
            Edit: self._edit,
            Delete: self._delete,
            ChangeMember: self._member,
            Raw: self._pass_on,
            Fault: self._pass_on,
            Model: self._pass_on,
        }

    async def act(self, step: Step) -> None:
        """Carry out one act. Raises RehearsalError, and KeyError for a name that nothing has yet."""
        await self._acts[type(step)](step)

    def _person(self, by: str, platform: str) -> dict[str, str | None]:
        """Who acts there. A name that the scenario does not list is somebody new on that platform."""
        known = self._scenario.members.get(by)
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
        """Keep what an act showed at once, and the form that it opened."""
        shown = instant_message(answer, member) if isinstance(answer, Mapping) else None
        if shown is None:
            return
        self._memory.since.instants.append(Instant(platform, channel, member, shown))
        opened = form_id(shown) if shown.get("form") is not None else None
        if opened is not None:
            self._forms.setdefault(member, []).append(opened)
        if name is not None:
            self._memory.names[name] = Named(platform, channel, None, self._looker.tenant(member), form_id=opened)

    async def _say(self, step: Say) -> None:
        platform, _, channel = step.place.partition("/")
        who = self._person(step.by, platform)
        target = self._memory.names[step.reply_to].message_id if step.reply_to else None
        fields = {**who, "channel": channel, "text": step.text, "reply_to": target, "attachment": step.attachment}
        made = str((await self._stage.control.post("say", fields))["message_id"])
        self._memory.since.own.add((platform, made))
        if step.name:
            self._memory.names[step.name] = Named(platform, channel, made, who["tenant"], step.by, target)

    async def _command(self, step: Command) -> None:
        platform, _, channel = step.place.partition("/")
        fields = {**self._person(step.by, platform), "channel": channel, "text": step.text}
        answer = await self._stage.control.post("command", fields)
        if isinstance(answer, Mapping) and answer.get("message_id") is not None:
            self._memory.since.own.add((platform, str(answer["message_id"])))
        self._shown(answer, platform, channel, step.by, step.name)

    async def _click(self, step: Click) -> None:
        fields = {**self._at(step.by, step.on), "button": step.button}
        answer = await self._stage.control.post("click", fields)
        target = self._memory.names[step.on]
        self._shown(answer, target.platform, target.channel, step.by, step.name)

    async def _submit(self, step: Submit) -> None:
        platform, channel, form = await self._form(step)
        fields = {**self._person(step.by, platform), "form_id": form, "values": step.values}
        answer = await self._stage.control.post("submit", fields)
        if isinstance(answer, Mapping) and answer.get("message_id") is not None:
            self._memory.since.own.add((platform, str(answer["message_id"])))
        if not (isinstance(answer, Mapping) and answer.get("errors")):
            self._forms[step.by] = [known for known in self._forms.get(step.by, []) if known != form]
        self._shown(answer, platform, channel, step.by)

    async def _form(self, step: Submit) -> tuple[str, str, str]:
        if step.on is not None:
            target = self._memory.names[step.on]
            form = target.form_id or await self._form_in(target, step.by) or self._newest(step.by)
            return target.platform, target.channel, form
        instants = [i for i in self._memory.since.instants if i.member == step.by]
        known = self._scenario.members.get(step.by)
        platform = instants[-1].platform if instants else known.platform if known else ""
        return platform, instants[-1].channel if instants else "review", self._newest(step.by)

    async def _form_in(self, target: Named, member: str) -> str | None:
        """The newest form that the member sees in the channel where they acted."""
        view = View(target.platform, target.channel, member, self._looker.tenant(member))
        forms = [found for m in await self._looker.seen(view) if (found := form_id(m)) is not None]
        return forms[-1] if forms else None

    def _newest(self, member: str) -> str:
        if not self._forms.get(member):
            raise StepFailed(f"no form is open for {member}")
        return self._forms[member][-1]

    async def _vote(self, step: Vote) -> None:
        await self._stage.control.post("vote", {**self._at(step.by, step.on), "options": list(step.options)})

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
        known = self._scenario.members.get(step.by)
        platform = step.platform or (known.platform if known else None)
        if platform is None:
            raise StepFailed(f"say on which platform {step.by} is")
        more = step.model_dump(include={"name", "roles", "joined_at", "is_bot", "left"})
        fields = {
            "platform": platform,
            "member": step.by,
            "tenant": step.tenant or self._looker.tenant(step.by),
            **more,
        }
        await self._stage.control.post("member", fields)

    async def _pass_on(self, step: Raw | Fault | Model) -> None:
        await self._stage.control.post(type(step).__name__.lower(), step.model_dump())
