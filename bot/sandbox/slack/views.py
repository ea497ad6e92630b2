"""Triggers and the modals that they open: docs.slack.dev/surfaces/modals, reference/methods/views.open."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from dataclasses import dataclass, field

from bot.sandbox.frame import KEPT_MESSAGES, Clock, Json
from bot.sandbox.slack import blockkit
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.forms import initial_values
from bot.sandbox.slack.state import APP_ID, Channel, Workspace, make_id

TRIGGER_SECONDS = 3.0
STACK_LIMIT = 3


@dataclass(eq=False)
class Trigger:
    """What a person did that lets the app open one modal, within `TRIGGER_SECONDS` by the frame's clock."""

    id: str
    workspace: Workspace
    member: str
    channel: Channel | None
    at: float
    view: View | None = None
    used: bool = False
    opened: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False)
class View:
    """An open modal, or a member's home tab.

    `body` is the app's view with the ids that it left out; `touched` is the time stamp of its last change.
    """

    id: str
    workspace: Workspace
    member: str
    channel: Channel | None
    body: dict[str, Json]
    root: str
    previous: str | None
    touched: str
    revision: int = 1

    @property
    def hash(self) -> str:
        """Changes with every update."""
        return f"{self.revision}.{self.id[1:9].lower()}"

    def wire(self, values: Json = None) -> dict[str, Json]:
        """The view object; `values` are the state that the person left."""
        texts = {"private_metadata": "", "callback_id": "", "external_id": "", "close": None, "submit": None}
        flags = {"clear_on_close": False, "notify_on_close": False}
        ids = {"id": self.id, "team_id": self.workspace.id, "app_id": APP_ID, "bot_id": self.workspace.bot_id}
        stack = {"root_view_id": self.root, "previous_view_id": self.previous, "hash": self.hash}
        own = {**texts, **flags, **self.body, **ids, **stack, "app_installed_team_id": self.workspace.id}
        state = values if values is not None else initial_values(self.body["blocks"])
        return {**own, "state": {"values": state}}


class Views:
    """The open modals of all members, each member's as a stack with the visible one last, and the home tabs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count(1)
        self._triggers: OrderedDict[str, Trigger] = OrderedDict()
        self._stacks: dict[tuple[str, str], list[View]] = {}
        self._homes: dict[tuple[str, str], View] = {}

    def trigger(self, workspace: Workspace, member: str, channel: Channel | None) -> Trigger:
        """A new trigger for something that the member just did."""
        number = next(self._numbers)
        identity = f"{number}.{int(self._clock.now())}.{make_id('', workspace.id, str(number)).lower()}"
        trigger = Trigger(identity, workspace, member, channel, self._clock.now())
        self._triggers[identity] = trigger
        if len(self._triggers) > KEPT_MESSAGES:
            self._triggers.popitem(last=False)
        return trigger

    def open(self, workspace: Workspace, trigger_id: str, body: Json, *, push: bool = False) -> View:
        """Exchange a trigger for a modal; `push` puts it on the member's stack. Raises SlackError."""
        trigger = self._exchange(workspace, trigger_id)
        view = self.show(trigger.workspace, trigger.member, trigger.channel, body, push=push)
        trigger.view = view
        trigger.opened.set()
        return view

    def show(
        self, workspace: Workspace, member: str, channel: Channel | None, body: Json, *, push: bool = False
    ) -> View:
        """Show a modal to a member. Raises SlackError where the stack is full or the external id is taken."""
        stack = self._stacks.setdefault((workspace.id, member), []) if push else []
        if len(stack) >= STACK_LIMIT:
            raise SlackError("push_limit_reached")
        self._check_kind(body, "modal")
        self._check_external(workspace, body, None)
        identity = make_id("V", workspace.id, str(next(self._numbers)))
        root, previous = (stack[0].root, stack[-1].id) if stack else (identity, None)
        view = View(identity, workspace, member, channel, _completed(body), root, previous, workspace.next_ts())
        stack.append(view)
        self._stacks[(workspace.id, member)] = stack
        return view

    def update(self, workspace: Workspace, view: View | None, body: Json, given_hash: str | None = None) -> View:
        """Replace what an open view shows. Raises SlackError."""
        if not view or view.workspace is not workspace:
            raise SlackError("not_found")
        if given_hash and given_hash != view.hash:
            raise SlackError("hash_conflict")
        self._check_kind(body, view.body["type"])
        self._check_external(workspace, body, view)
        view.body = _completed(body)
        view.revision += 1
        view.touched = workspace.next_ts()
        return view

    def publish(self, workspace: Workspace, member: str, body: Json, given_hash: str | None = None) -> View:
        """Show a member's home tab. Raises SlackError."""
        self._check_kind(body, "home")
        home = self._homes.get((workspace.id, member))
        if home:
            return self.update(workspace, home, body, given_hash)
        identity = make_id("V", workspace.id, "home", member)
        view = View(identity, workspace, member, None, _completed(body), identity, None, workspace.next_ts())
        self._homes[(workspace.id, member)] = view
        return view

    def find(self, view_id: str | None = None, external_id: str | None = None) -> View | None:
        """A view that is open, by either id."""
        everything = itertools.chain(self._homes.values(), *self._stacks.values())
        for view in everything:
            if view.id == view_id or (external_id and view.body.get("external_id") == external_id):
                return view
        return None

    def visible(self, workspace: Workspace, member: str) -> View | None:
        """The modal that a member has before them."""
        stack = self._stacks.get((workspace.id, member))
        return stack[-1] if stack else None

    def close(self, view: View, *, everything: bool = False) -> None:
        """Close a modal, and with `everything` those beneath it too."""
        stack = self._stacks.get((view.workspace.id, view.member), [])
        if everything:
            stack.clear()
        elif view in stack:
            stack.remove(view)

    def _exchange(self, workspace: Workspace, trigger_id: str) -> Trigger:
        trigger = self._triggers.get(trigger_id)
        if not trigger or trigger.workspace is not workspace:
            raise SlackError("invalid_trigger_id")
        if self._clock.now() - trigger.at > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        trigger.used = True
        return trigger

    def _check_external(self, workspace: Workspace, body: dict[str, Json], own: View | None) -> None:
        taken = self.find(external_id=body.get("external_id"))
        if taken and taken is not own and taken.workspace is workspace:
            raise SlackError("duplicate_external_id")

    @staticmethod
    def _check_kind(body: dict[str, Json], kind: str) -> None:
        if body["type"] != kind:
            raise SlackError("invalid_arguments", f"must be a view of type `{kind}` [json-pointer:/view/type]")


def _completed(body: dict[str, Json]) -> dict[str, Json]:
    return {**body, "blocks": blockkit.complete(body["blocks"])}
