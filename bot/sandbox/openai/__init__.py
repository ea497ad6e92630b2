"""A local OpenAI-compatible server: chat completions, with answers that `/control/model` sets."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from bot.sandbox.frame import Fault, Faults, Frame, Json


class OpenAIServer:
    """Chat completions and the list of models."""

    name = "openai"

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.faults = Faults()

    def routes(self) -> list[web.RouteDef]:
        """The server's routes."""
        return []

    def environment(self) -> dict[str, str]:
        """Address, key and model for a bot."""
        return {
            "HERALD_OPENAI__BASE_URL": self._frame.base + "/v1",
            "HERALD_OPENAI__API_KEY": "sk-sandbox-0123456789",
            "HERALD_OPENAI__MODEL": "sandbox-mini",
        }

    def add_rule(self, rule: Mapping[str, Json]) -> None:
        """What to answer from now on."""

    async def fault(self, fault: Fault) -> None:
        """Take on a fault."""
        self.faults.add(fault)

    async def close(self) -> None:
        """Nothing stays open."""
