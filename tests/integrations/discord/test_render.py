"""From our messages to Discord's JSON, without a network."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.chat.messages import Button, Card, Document, Field, FieldErrors, Form, Line, NativePoll, Reply
from bot.chat.moments import moment
from bot.chat.ports import Refused
from bot.domain.places import Channel
from bot.integrations.discord import render
from bot.integrations.discord.markdown import cut, literal, quoted, shortened, spoken, units

HERE = Channel("discord", "1", "2")
MARKUP = (
    r"[a](b) <@1> <@&1> <#1> <t:1> <t:1:R> <:x:1> <a:x:1> </cmd:1> <id:guide> <https://a.b> :smile: "
    r"**b** __u__ _i_ *i* ~~s~~ ||s|| `c` ```c``` \* \\ @everyone @here https://a.b/_c_ 12:30:45 ¯\_(ツ)_/¯"
)
LINES = "# h\n## h\n### h\n-# small\n- item\n  - item\n* item\n+ item\n> q\n>>> q\n1. one\n 7. seven"

# What Discord's clients give a meaning to, where it is not escaped.
ACTIVE = re.compile(
    r"(?P<pair>\*|`|~~|\|\||(?<!\w)_|_(?!\w))"
    r"|<(?:@[!&]?\d+|#\d+|t:-?\d+(?::\w)?|a?:\w+:\d+|/[^>]+:\d+|id:\w+|\w+:/[^>]+)>"
    r"|\[[^\]]*\]\([^)]*\)"
    r"|:[^\s:]+:|@everyone|@here|\w+://\S"
    r"|^\s*(?:#{1,3}\s|-#\s|-\s|>\s|>>>\s|\d+\.\s)",
    re.MULTILINE,
)
ESCAPE = re.compile(r"\\([^0-9A-Za-z\s])")
text_like = st.text(
    st.sampled_from(list("ab1 \n\t.:/<>@#-+*_~|`[]()\\!&ひ🍵")) | st.characters(codec="utf-8"), max_size=200
)


def shown(markdown: str) -> str:
    """What a reader sees: each escaped character as itself."""
    return ESCAPE.sub(r"\1", markdown)


def alive(markdown: str) -> str | None:
    """Markup that a client would act upon."""
    found = ACTIVE.search(ESCAPE.sub("\u2021", markdown))
    return found.group() if found else None


@given(text_like)
def test_a_reader_sees_exactly_the_text(text: str) -> None:
    assert shown(literal(text)) == text
    assert alive(literal(text)) is None
    assert len(literal(text)) <= 2 * len(text)
    assert units(literal(text)) <= 2 * len(text)


@pytest.mark.parametrize("text", [*MARKUP.split(" "), *LINES.split("\n"), MARKUP, LINES])
def test_no_markup_is_left_alive(text: str) -> None:
    assert shown(literal(text)) == text
    assert alive(literal(text)) is None


def test_plain_text_is_left_alone() -> None:
    plain = "Hello, is it 5 < 6 at 12:30? a-b, c | d ~ 3 (yes) [1] e@f.org #tag\n茶什么时候补货？🍵"
    assert literal(plain) == plain


def test_addresses_can_be_clicked_where_that_is_wanted() -> None:
    text = "*see* https://a.example/b_c_d?e=*f*, <https://g.example>"
    told = literal(text, links=True)
    assert "https://a.example/b_c_d?e=*f*" in told
    assert told.startswith("\\*see\\* ")
    assert "\\<https://g.example" in told


def description(card: Card) -> str:
    return "\n\n".join(str(embed.get("description", "")) for embed in render.embeds(card))


def total(card: Card) -> int:
    return sum(units(str(e.get("title", ""))) + units(str(e.get("description", ""))) for e in render.embeds(card))


def test_a_card_has_its_parts_in_order() -> None:
    card = Card("*head*", "one\n# two", ("details",), "draft", ("status",), tone="good")
    [embed] = render.embeds(card)
    assert embed["title"] == "\\*head\\*"
    assert embed["description"] == "> one\n> \\# two\n\ndetails\n\ndraft\n\nstatus"
    assert embed["color"] != render.embeds(Card("x", tone="bad"))[0]["color"]


def test_empty_parts_are_left_out() -> None:
    assert render.embeds(Card("head", draft="d"))[0]["description"] == "d"
    assert "description" not in render.embeds(Card("head"))[0]


@given(
    st.text(min_size=1, max_size=600),
    st.text(max_size=6000) | st.just("\n" * 5000) | st.just("*" * 6000),
    st.lists(st.text(max_size=120), max_size=3),
    text_like.map(lambda text: text * 9) | st.sampled_from(["*" * 1800, "🍵" * 1800, "- x\n" * 450]),
    st.lists(st.text(max_size=100), max_size=3),
)
def test_every_card_fits_and_only_the_comment_is_cut(
    header: str, comment: str, details: list[str], draft: str, status: list[str]
) -> None:
    draft = draft[: render.MAX_DRAFT]
    card = Card(header, comment, tuple(details), draft, tuple(status))
    embeds = render.embeds(card)
    assert total(card) <= render.MESSAGE_EMBEDS
    assert all(units(str(e.get("description", ""))) <= render.DESCRIPTION for e in embeds)
    assert all(units(str(e.get("title", ""))) <= render.TITLE for e in embeds)
    whole = description(card)
    assert literal(draft) in whole
    assert all(spoken(line, links=True) in whole for line in [*details, *status])


def test_a_long_comment_is_cut_with_an_ellipsis_and_fills_the_room() -> None:
    card = Card("head", "long " * 2000, ("details",), "draft", ("status",))
    [embed] = render.embeds(card)
    shown_whole = str(embed["description"])
    assert "…\n\ndetails\n\ndraft\n\nstatus" in shown_whole
    assert render.DESCRIPTION - 2 <= len(shown_whole) <= render.DESCRIPTION


def test_a_draft_that_could_not_be_shown_whole_is_refused() -> None:
    with pytest.raises(Refused):
        render.embeds(Card("head", draft="*" * 5000))


STAMP = re.compile(r"<t:\d{1,12}:f> \(<t:\d{1,12}:R>\)")


@given(st.lists(st.tuples(text_like, st.integers(0, 10**11)), max_size=4), text_like)
def test_only_moments_become_time_stamps(parts: list[tuple[str, int]], end: str) -> None:
    """Whatever people wrote beside them, and whatever stands between the marks."""
    whole = "".join(text + moment(at, f"<t:{at}:R> {end}") for text, at in parts) + end
    markdown = spoken(whole)
    assert STAMP.findall(markdown) == [f"<t:{at}:f> (<t:{at}:R>)" for _, at in parts]
    assert alive(STAMP.sub("", markdown)) is None or alive(STAMP.sub("at", markdown)) is None


@given(text_like, st.integers(1, 60), st.sampled_from(["", "\\", "x"]))
def test_a_time_stamp_is_not_cut_in_two(text: str, room: int, before: str) -> None:
    part = cut(spoken(f"{before}{moment(1795327200, 'Sun')}{text}"), room)
    assert units(part) <= room
    assert "<" not in part or part.startswith(f"{before and literal(before)}<t:1795327200:f>")
    assert re.search(r"(?<!\\)<t(?::\d*)?(?::\w)?(?!>|:|\d)(?:…|$)", part) is None


def test_a_time_stamp_stands_in_no_title() -> None:
    at = moment(1795327200, "Sun 22 Nov, 18:00 (UTC+8)")
    [embed] = render.embeds(Card(f"Closes {at}", f"not {at}", (f"at {at}",), f"draft {at}", (f"till {at}",)))
    assert embed["title"] == "Closes Sun 22 Nov, 18:00 (UTC+8)"
    *_, details, _, status = str(embed["description"]).split("\n\n")
    stamp = "<t:1795327200:f> (<t:1795327200:R>)"
    assert (details, status, str(embed["description"]).count("<t:")) == (f"at {stamp}", f"till {stamp}", 4)
    assert render.told(f"at {at}")["content"] == "at <t:1795327200:f> (<t:1795327200:R>)"
    [long] = render.told("*" * 3000 + at)["embeds"]  # type: ignore[misc]
    assert "<t:" not in long["description"]
    [short] = render.told("*" * 1500 + at)["embeds"] or [{}]  # type: ignore[misc]
    assert short["description"].endswith(":R>)")


@given(st.text(max_size=300), st.integers(1, 50))
def test_shortening_keeps_the_beginning(text: str, room: int) -> None:
    cut = shortened(text, room)
    assert units(cut) <= room or cut == "…"
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


@given(text_like | st.text("a*_\\\n", min_size=20), st.integers(1, 60))
def test_cut_text_shows_the_beginning_and_stays_inert(text: str, room: int) -> None:
    part = cut(literal(text), room)
    assert units(part) <= room
    assert part == literal(text) or (part.endswith("…") and text.startswith(shown(part[:-1])))
    assert alive(part) is None
    assert units(cut(quoted(text), room)) <= room


def test_quoting_marks_every_line() -> None:
    assert quoted("a\n\n> b") == "> a\n> \n> \\> b"


def test_a_reply_goes_out_as_it_is() -> None:
    text = MARKUP + "\n" + LINES
    body = render.message(Reply(text, "77"), HERE, "key-1")
    assert body["content"] == text
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}
    assert body["flags"] == 4
    assert (body["nonce"], body["enforce_nonce"]) == ("key-1", True)
    assert body["message_reference"] == {"message_id": "77", "channel_id": "2", "fail_if_not_exists": False}


@pytest.mark.parametrize(
    "outgoing", [Reply("x"), Line("x"), Line("x" * 3000), Card("x"), Document("a", "b/c", b"", "x")]
)
def test_an_edit_names_every_part_and_mentions_nobody(outgoing: Any) -> None:
    body = render.content(outgoing)
    assert {"content", "embeds", "components", "attachments", "allowed_mentions"} <= set(body)
    assert body["allowed_mentions"] == {"parse": [], "replied_user": False}


def test_a_line_is_shown_literally_and_a_long_one_in_an_embed() -> None:
    assert render.told("*x*")["content"] == "\\*x\\*"
    long = render.told("*" * 3000)
    assert long["content"] == ""
    [embed] = long["embeds"]  # type: ignore[misc]
    assert len(embed["description"]) <= render.DESCRIPTION
    assert embed["description"].endswith("…")


def test_buttons_stand_in_rows_of_five() -> None:
    buttons = [Button("x" * 200, f"p{at}", "danger") for at in range(6)] + [Button("open", url="https://a.example")]
    first, second = render.rows(buttons)
    assert len(first["components"]) == 5  # type: ignore[arg-type]
    assert second["components"][1] == {"type": 2, "style": 5, "label": "open", "url": "https://a.example"}  # type: ignore[index]
    assert first["components"][0]["custom_id"] == "p0"  # type: ignore[index]
    assert len(first["components"][0]["label"]) == 80  # type: ignore[index]
    with pytest.raises(Refused):
        render.rows([Button("x", f"p{at}") for at in range(26)])


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [1]), (5, [1] * 5), (6, [2, 2, 2]), (10, [2] * 5), (12, [3, 3, 3, 3]), (25, [5] * 5)]
)
def test_stacked_buttons_share_rows_only_where_rows_run_out(count: int, rows: list[int]) -> None:
    made = render.rows([Button("x", f"p{at}") for at in range(count)], stacked=True)
    assert [len(row["components"]) for row in made] == rows  # type: ignore[arg-type]
    assert [one["custom_id"] for row in made for one in row["components"]] == [f"p{at}" for at in range(count)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "hours"), [(-5.0, 1), (1.0, 1), (3600.0, 1), (3601.0, 2), (768 * 3600.0 + 1, 768)])
def test_a_poll_lasts_whole_hours_and_not_too_few(seconds: float, hours: int) -> None:
    body = render.message(NativePoll("Q", ("a", "b"), seconds, multiple=True), HERE, "k")
    assert body["poll"]["duration"] == hours  # type: ignore[index]
    assert body["poll"]["allow_multiselect"] is True  # type: ignore[index]
    assert (body["nonce"], body["enforce_nonce"], "content" in body) == ("k", True, False)


@pytest.mark.parametrize("promise", [{"hidden": True}, {"correct": 0}, {"revoting": False}])
def test_a_poll_that_discord_would_not_keep_is_refused(promise: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        render.message(NativePoll("Q", ("a", "b"), 60.0, **promise), HERE, "k")
    assert not (render.POLLS.hides or render.POLLS.quiz or render.POLLS.fixes)


def test_a_form_keeps_within_discord_s_limits() -> None:
    fields = (
        Field("a", "l" * 60, "paragraph", value="v" * 5000, max_length=9000),
        Field("b", "pick", "choice", value="2", choices=tuple((str(n), "c" * 120) for n in range(30))),
    )
    modal = render.modal(Form("p", "t" * 60, fields, "ok", "no", "failed"))
    box, pick = (label["component"] for label in modal["components"])  # type: ignore[attr-defined]
    assert len(str(modal["title"])) == 45
    assert (len(box["value"]), box["max_length"]) == (4000, 4000)
    assert len(pick["options"]) == 25
    assert [option["value"] for option in pick["options"] if option.get("default")] == ["2"]


def test_what_is_wrong_with_a_form_is_told_to_one_person() -> None:
    body = render.faults(FieldErrors({"a": "too *long*", "b": "missing"}))
    assert body["content"] == "too \\*long\\*\nmissing"
    assert body["flags"] == 64


def test_a_hint_calls_only_its_member() -> None:
    body = render.hint("see @everyone", "5", "k")
    assert body["content"] == "<@5> see \\@everyone"
    assert body["allowed_mentions"] == {"users": ["5"], "replied_user": False}
