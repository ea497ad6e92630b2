"""drand, a public randomness beacon, asked at several of its mirrors."""

from bot.integrations.drand.client import Drand, DrandConfig

__all__ = ["Drand", "DrandConfig"]
