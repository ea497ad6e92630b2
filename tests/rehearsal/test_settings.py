"""The bot's settings in a rehearsal, and TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.rehearsal.config import bot_settings, merged, sample_settings
from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.toml_text import to_toml

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_PLAIN = st.one_of(_TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
_VALUE = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4)),
    max_leaves=20,
)


@given(st.dictionaries(_TEXT, _VALUE, max_size=6))
def test_what_is_written_as_toml_is_read_back(settings: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(settings)) == settings


def test_toml_leaves_out_what_is_none_and_refuses_what_json_cannot_hold() -> None:
    assert tomllib.loads(to_toml({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}
    with pytest.raises(TypeError, match="cannot be written"):
        to_toml({"a": object()})


def test_tables_merge_deeply_and_lists_replace() -> None:
    under = {"languages": ["en"], "review": {"channels": ["a"], "undo_seconds": 10}, "keep": 1}
    over = {"languages": ["zh", "en"], "review": {"channels": ["b", "c"]}}
    expected = {"languages": ["zh", "en"], "review": {"channels": ["b", "c"], "undo_seconds": 10}, "keep": 1}
    assert merged(under, over) == expected
    assert under["review"] == {"channels": ["a"], "undo_seconds": 10}


def test_the_bot_gets_the_sandbox_channels_and_only_the_scenarios_people() -> None:
    sample = {"roles": {"admin": ["slack:T9:U9"]}, "channels": {"slack/old": "C9"}, "review": {"undo_seconds": 10}}
    channels: dict[str, str | int] = {
        "slack/community": "C1", "slack/review": "C2", "telegram/community": -1, "telegram/review": -2,
    }  # fmt: skip
    settings = bot_settings(
        sample, channels, ("telegram",), {"approver": ["telegram:7:8"]}, {"review": {"undo_seconds": 1}}
    )
    assert settings["roles"] == {"approver": ["telegram:7:8"]}
    assert settings["channels"] == {"telegram/community": -1, "telegram/review": -2}
    assert settings["watch"] == {"channels": ["telegram/community"]}
    assert settings["review"] == {"undo_seconds": 1, "channels": ["telegram/review"]}


def test_the_samples_knowledge_is_found_from_everywhere(tmp_path: Path) -> None:
    (tmp_path / "config" / "knowledge").mkdir(parents=True)
    sample = tmp_path / "config" / "herald.example.toml"
    for relative in ("knowledge", "config/knowledge"):
        sample.write_text(f'[knowledge]\npath = "{relative}"\n')
        assert sample_settings(sample)["knowledge"]["path"] == str(tmp_path / "config" / "knowledge")


def test_a_sample_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(RehearsalError, match="is missing"):
        sample_settings(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = [")
    with pytest.raises(RehearsalError, match="cannot read"):
        sample_settings(tmp_path / "bad.toml")
