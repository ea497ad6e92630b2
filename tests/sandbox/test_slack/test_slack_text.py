"""Slack's wire form of text, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.slack.text import Reader, compose, readable

IDS = {"@ana": "U0000000AN", "@小明": "U0000000XM", "#general": "C000000GEN", "@approver": "S0000000AP"}
NAMES = {identity: word[1:] for word, identity in IDS.items()}


@given(st.text())
def test_what_is_typed_is_what_is_read(typed: str) -> None:
    wire, _ = compose(typed, IDS.get)
    assert readable(wire, NAMES.get) == typed


@given(st.text())
def test_no_typed_text_can_forge_a_reference(typed: str) -> None:
    wire, elements = compose(typed.replace("@", "").replace("#", "").replace("http", ""), IDS.get)
    assert "<" not in wire
    assert ">" not in wire
    assert all(element["type"] == "text" for element in elements)


@pytest.mark.parametrize(
    ("typed", "wire"),
    [
        ("hi @ana!", "hi <@U0000000AN>!"),
        ("@小明你好", "<@U0000000XM>你好"),
        ("see #general", "see <#C000000GEN|general>"),
        ("@approver please", "<!subteam^S0000000AP|@approver> please"),
        ("@here", "<!here>"),
        ("mail me@ana.org", "mail me@ana.org"),
        ("(https://x.io/a?b=1&c=2).", "(<https://x.io/a?b=1&amp;c=2>)."),
        ("<@U0000000AN>", "&lt;@U0000000AN&gt;"),
    ],
)
def test_references_are_made_as_the_client_makes_them(typed: str, wire: str) -> None:
    assert compose(typed, IDS.get)[0] == wire


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("<https://x.io|the page>", "the page https://x.io"),
        ("<https://x.io>", "https://x.io"),
        ("<@U0000000AN|old>", "@ana"),
        ("<@U404>", "@U404"),
        ("<!everyone> &amp;lt;", "@everyone &lt;"),
        ("<!date^1392734382^{date} at {time}|then>", "February 18th, 2014 at 2:39 PM"),
        ("<!date^1392734382^{date_num} {time_secs}|then>", "2014-02-18 2:39:42 PM"),
        ("<!date^1392734382^{date_short}^https://x.io|then>", "Feb 18, 2014 https://x.io"),
        ("<!date^1392734382^{date_long}, {ago}|then>", "Tuesday, February 18th, 2014, 3 days ago"),
        ("<!date^1392961111^{date_short_pretty}|then>", "today"),
        ("<!date^1393041600^{date_pretty}|then>", "tomorrow"),
        ("<!date^1392734382^{weekday}|then>", "then"),
        ("<!date^1392734382^|then>", "then"),
        ("<!date^soon^{date}|then>", "then"),
        ("<!date^99999999999999^{date}|then>", "then"),
        ("<!date^soon^{date}>", "<!date^soon^{date}>"),
        ("<!date|then>", "then"),
    ],
)
def test_wire_text_is_read_by_names_and_labels(wire: str, read: str) -> None:
    assert readable(wire, NAMES.get, now=1_393_000_000.0) == read


def test_blocks_of_every_kind_flatten_to_lines() -> None:
    item = {"type": "rich_text_section", "elements": [{"type": "user", "user_id": "U0000000AN"}]}
    blocks = [
        {"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [item, item]}]},
        {"type": "divider"},
        {"type": "image", "alt_text": "a cat", "image_url": "https://x.io/c.png"},
        {"type": "markdown", "text": "**bold**"},
        {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}, {"type": "raw_text", "text": "b"}]]},
    ]
    assert Reader(NAMES.get).blocks(blocks) == ["• @ana\n• @ana", "a cat", "**bold**", "a | b"]


def test_plain_text_stays_as_it_was_written() -> None:
    written = "<!channel> <@U0000000AN> &amp; <https://x.io|the page>"
    plain, markup = {"type": "plain_text", "text": written}, {"type": "mrkdwn", "text": written}
    blocks = [
        {"type": "header", "text": plain},
        {"type": "context", "elements": [plain, {"type": "image", "alt_text": "a <b> & c", "image_url": "x"}]},
        {"type": "section", "text": markup},
    ]
    assert Reader(NAMES.get).blocks(blocks) == [
        written,
        f"{written} a <b> & c",
        "@channel @ana & the page https://x.io",
    ]
