"""Why an operation on an installation was not done."""

from __future__ import annotations

from collections.abc import Mapping

from bot.locales import Catalogue, Value


class OperationFault(Exception):
    """An operation was refused or failed, and nothing was changed. `key` is a catalogue key, `args` its blanks."""

    def __init__(self, key: str, **args: Value) -> None:
        super().__init__(Catalogue().say("en", key, **args))
        self.key = key
        self.blanks: Mapping[str, Value] = args

    def words(self, language: str) -> str:
        """What happened and what to do about it."""
        return Catalogue().say(language, self.key, **self.blanks)
