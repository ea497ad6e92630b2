"""Herald: a self-hosted chat-ops bot for community teams."""

__version__ = "0.1.0"
