"""How the app hears of anything: over its request URL where it has one for that, else over Socket Mode."""

from __future__ import annotations

from bot.sandbox.frame import Json
from bot.sandbox.slack.http_mode import KINDS, Ack, HttpMode
from bot.sandbox.slack.socket_mode import SocketMode

_PLACES = {wire: place for place, wire in KINDS.items()}


class Outlet:
    """Chooses between the two ways, by what is to be told."""

    def __init__(self, socket: SocketMode, http: HttpMode) -> None:
        self._socket = socket
        self._http = http

    def push(self, payload: Json) -> None:
        """Tell of an event."""
        if "events" in self._http.urls:
            self._http.push(payload)
        else:
            self._socket.push(payload)

    async def ask(self, kind: str, payload: Json, *, accepts_response: bool) -> Ack:
        """Tell of an interaction or command, and wait for the acknowledgement."""
        if _PLACES[kind] in self._http.urls:
            ack = await self._http.ask(kind, payload)
            return ack if ack.payload is None or accepts_response else Ack({})
        listening = bool(self._socket.connections.usable)
        answer = await self._socket.ask(kind, payload, accepts_response=accepts_response)
        return Ack(answer, "operation_timeout" if listening else "dispatch_failed")

    def tell(self, kind: str, payload: Json) -> None:
        """Tell of something that nobody waits for."""
        if _PLACES[kind] in self._http.urls:
            self._http.tell(kind, payload)
        else:
            self._socket.tell(kind, payload)

    def inject(self, event: Json) -> bool:
        """Push anything as it stands; False where nobody could hear it."""
        return self._http.inject(event) or self._socket.inject(event)
