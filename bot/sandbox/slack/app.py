"""What the app's manifest says: which commands there are, which events it hears, and what its bot may do.

Source: docs.slack.dev, "App manifest reference". Until a manifest is given, every command and every event is the app's,
and its bot has the scopes of all methods that are played here.
"""

from __future__ import annotations

from bot.sandbox.frame import ControlError, Json

_MESSAGES = {"channel": "message.channels", "group": "message.groups", "im": "message.im", "mpim": "message.mpim"}


class App:
    """The app as it is configured."""

    def __init__(self) -> None:
        self._commands: frozenset[str] | None = None
        self._events: frozenset[str] = frozenset()
        self.scopes: frozenset[str] | None = None
        """The bot's scopes; None without a manifest."""

    def configure(self, manifest: Json) -> dict[str, Json]:
        """Take a manifest; answers the commands, events and scopes that it names. Raises ControlError."""
        try:
            listed = manifest["features"].get("slash_commands") or []
            commands = [str(one["command"]) for one in listed]
            events = [str(one) for one in manifest["settings"].get("event_subscriptions", {}).get("bot_events") or []]
            scopes = [str(one) for one in manifest["oauth_config"]["scopes"]["bot"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise ControlError(f"this is no app manifest: {error!r}") from error
        if wrong := [one for one in commands if not one.startswith("/") or not 2 <= len(one) <= 32 or " " in one]:
            raise ControlError(f"a slash command begins with a slash and has at most 32 characters: {wrong[0]!r}")
        self._commands, self._events, self.scopes = frozenset(commands), frozenset(events), frozenset(scopes)
        return {"commands": sorted(commands), "events": sorted(events), "scopes": sorted(scopes)}

    def has_command(self, word: str) -> bool:
        """Whether the slash command is one of its own."""
        return self._commands is None or word in self._commands

    def hears(self, event: dict[str, Json]) -> bool:
        """Whether it subscribes to events of that kind."""
        kind = str(event["type"])
        wanted = _MESSAGES.get(str(event.get("channel_type")), kind) if kind == "message" else kind
        return self._commands is None or wanted in self._events
