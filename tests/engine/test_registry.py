"""Handlers by what they handle."""

from __future__ import annotations

import pytest

from bot.chat.events import CommandInvoked, MessageDeleted
from bot.domain.roles import Action
from bot.engine.registry import Command, Control, Kind, Nothing, Registry


def handler(_: object, __: object) -> None:
    return None


def test_a_command_is_found_by_its_name_and_its_aliases() -> None:
    registry: Registry[object] = Registry()
    assert registry.command("pause", "summary", "usage", Action.PAUSE, ("stop", "暂停"), None)(handler) is handler
    registry.command("help", "about")(handler)
    pause = Command("pause", handler, "summary", "usage", Action.PAUSE, ("stop", "暂停"), None)
    assert [registry.find_command(name) for name in ("pause", "stop", "暂停")] == [pause] * 3
    assert registry.find_command("help") == Command("help", handler, "about", "", None, (), None)
    assert registry.find_command("play") is None


def test_a_command_keeps_its_form() -> None:
    def form(_: object, __: CommandInvoked) -> None:
        return None

    registry: Registry[object] = Registry()
    registry.command("poll", "summary", form=form)(handler)
    assert registry.commands["poll"].form is form


def test_an_event_and_a_word_have_one_handler() -> None:
    registry: Registry[object] = Registry()
    assert registry.on(MessageDeleted)(handler) is handler
    with pytest.raises(ValueError, match="MessageDeleted has a handler"):
        registry.on(MessageDeleted)(handler)
    control: Control[object] = Control(lambda *_: None)
    registry.control("vote", control)
    with pytest.raises(ValueError, match="the word vote is taken"):
        registry.control("vote", Control(lambda *_: None))
    assert registry.events == {MessageDeleted: handler}
    assert registry.find_control("a.x", "vote") is control
    other: Control[object] = Control(lambda *_: None)
    registry.control("vote", other, prefix="w.")
    assert registry.find_control("w.x", "vote") is other
    assert registry.find_control("p.x", "vote") is registry.find_control("x", "vote") is control
    assert registry.find_control("w.x", "none") is None


def test_what_goes_out_may_be_repeated_and_quoted_unless_told_otherwise() -> None:
    def prepare(_: object, __: object) -> Nothing:
        return Nothing()

    def outcome(_: object, __: object, ___: object) -> None:
        return None

    registry: Registry[object] = Registry()
    registry.outgoing("card", prepare)
    registry.outgoing("reply", prepare, outcome, once=True, private=True)
    assert registry.kinds == {"card": Kind(prepare, None, False, False), "reply": Kind(prepare, outcome, True, True)}


def test_a_timer_has_its_handler() -> None:
    async def due(_: object) -> object:
        raise AssertionError

    registry: Registry[object] = Registry()
    registry.timer("close", due)  # type: ignore[arg-type]
    assert registry.timers == {"close": due}
