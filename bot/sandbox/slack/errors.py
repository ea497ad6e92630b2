"""How a Slack method refuses."""

from __future__ import annotations

from bot.sandbox.frame import Json


class SlackError(Exception):
    """A refusal as Slack words it: HTTP 200 with `{"ok": false, "error": code}`.

    `messages` go into `response_metadata.messages`; `extra` into the answer itself.
    """

    def __init__(self, code: str, *messages: str, **extra: Json) -> None:
        super().__init__(code)
        self.code = code
        self.messages = messages
        self.extra = extra

    def body(self) -> dict[str, Json]:
        """The JSON answer."""
        body: dict[str, Json] = {"ok": False, "error": self.code, **self.extra}
        if self.messages:
            body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in self.messages]}
        return body
