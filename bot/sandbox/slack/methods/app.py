"""The methods about the app itself: api.test, auth.test, apps.connections.open, team.info, bots.info."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.errors import SlackError
from bot.sandbox.slack.limits import Tier
from bot.sandbox.slack.methods.registry import Call, method
from bot.sandbox.slack.state import APP_ID


@method("api.test", tier=Tier.FOUR, caller="anyone")
def api_test(call: Call) -> dict[str, Json]:
    """Echo the arguments; an `error` argument comes back as that error."""
    args = {name: value for name, value in call.args.items() if name != "token"}
    if "error" in args:
        raise SlackError(str(args["error"]), args=args)
    return {"args": args}


@method("auth.test", tier=Tier.SPECIAL)
def auth_test(call: Call) -> dict[str, Json]:
    """Who the token is."""
    bot = call.workspace.bot
    names = {"team": call.workspace.domain, "user": bot.key, "team_id": call.workspace.id, "user_id": bot.id}
    url = f"https://{call.workspace.domain}.slack.com/"
    return {"url": url, **names, "bot_id": call.workspace.bot_id, "is_enterprise_install": False}


@method("apps.connections.open", tier=Tier.ONE, caller="app", scope="connections:write")
def connections_open(call: Call) -> dict[str, Json]:
    """A websocket address for Socket Mode."""
    return {"url": call.core.socket.connections.ticket()}


@method("team.info", tier=Tier.THREE, scope="team:read")
def team_info(call: Call) -> dict[str, Json]:
    """The token's workspace; others are not visible."""
    if call.args.get("team") not in (None, "", call.workspace.id):
        raise SlackError("team_not_found")
    domain = call.workspace.domain
    url = f"https://{domain}.slack.com/"
    return {"team": {"id": call.workspace.id, "name": domain, "domain": domain, "url": url, "icon": {}}}


@method("bots.info", tier=Tier.THREE, scope="users:read")
def bots_info(call: Call) -> dict[str, Json]:
    """A bot by its B id."""
    if call.args.get("bot") not in (None, "", call.workspace.bot_id):
        raise SlackError("bot_not_found")
    bot = call.workspace.bot
    return {
        "bot": {
            "id": call.workspace.bot_id,
            "app_id": APP_ID,
            "user_id": bot.id,
            "name": bot.name,
            "deleted": False,
            "updated": 0,
            "icons": {},
        }
    }
