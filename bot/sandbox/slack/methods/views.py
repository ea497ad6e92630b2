"""views.*."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method


@method("views.open", tier=Tier.FOUR)
def open_view(call: Call) -> dict[str, Json]:
    """Open a modal for whoever made the trigger."""
    return {"view": call.views.open(call.workspace, _trigger(call), call.args["view"]).wire()}


@method("views.push", tier=Tier.FOUR)
def push_view(call: Call) -> dict[str, Json]:
    """Put a modal on top of the open one."""
    return {"view": call.views.open(call.workspace, _trigger(call), call.args["view"], push=True).wire()}


@method("views.update", tier=Tier.FOUR)
def update_view(call: Call) -> dict[str, Json]:
    """Replace what an open modal shows."""
    view = call.views.find(call.args.get("view_id"), call.args.get("external_id"))
    return {"view": call.views.update(call.workspace, view, call.args["view"], call.args.get("hash")).wire()}


@method("views.publish", tier=Tier.FOUR)
def publish_view(call: Call) -> dict[str, Json]:
    """Show a member's home tab."""
    member = call.member("user_id")
    return {"view": call.views.publish(call.workspace, member.id, call.args["view"], call.args.get("hash")).wire()}


def _trigger(call: Call) -> str:
    if "trigger_id" not in call.args:
        raise SlackError("method_not_supported_in_sandbox", "interactivity pointers belong to workflow functions")
    return str(call.args["trigger_id"])
