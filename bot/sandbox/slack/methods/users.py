"""users.* and usergroups.*."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method, page
from bot.sandbox.slack.state import usergroup


@method("users.info", tier=Tier.FOUR, scope="users:read")
def info(call: Call) -> dict[str, Json]:
    """One member."""
    locale = {"locale": "en-US"} if call.args.get("include_locale") else {}
    return {"user": call.member().wire(call.workspace.id) | locale}


@method("users.list", tier=Tier.TWO, scope="users:read")
def list_users(call: Call) -> dict[str, Json]:
    """All members, those who left among them (`deleted`)."""
    everyone = [member.wire(call.workspace.id) for member in call.workspace.members.values()]
    listed, following = page(everyone, call.args, max(1, min(len(everyone), 1000)))
    return {"members": listed, "cache_ts": 0, "response_metadata": {"next_cursor": following}}


@method("usergroups.list", tier=Tier.TWO, scope="usergroups:read")
def list_groups(call: Call) -> dict[str, Json]:
    """The workspace's user groups."""
    users = bool(call.args.get("include_users"))
    return {"usergroups": [usergroup(call.workspace, handle, users=users) for handle in call.workspace.usergroups]}


@method("usergroups.users.list", tier=Tier.TWO, scope="usergroups:read")
def group_users(call: Call) -> dict[str, Json]:
    """The members of one user group."""
    for handle, identity in call.workspace.usergroups.items():
        if identity == call.args["usergroup"]:
            return {"users": usergroup(call.workspace, handle, users=True)["users"]}
    raise SlackError("no_such_subteam")
