import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.chat import moments
from bot.chat.messages import Button, Card, Document, Field, Form, Line, Notice, Reply
from bot.domain.places import Channel, Member
from bot.integrations.slack.parse import read_metadata
from bot.integrations.slack.render import beside, modal, post, private, update
from bot.integrations.slack.text import decode

C1 = Channel("slack", "T1", "C1")
THREAD = Channel("slack", "T1", "C1", "1.000001")
HOSTILE = "<!channel> <@U1> *bold* :tada: & <http://x|y> @here"
BUTTONS = tuple(Button(f"Vote {number}", f"v1|{number}") for number in range(25))


def _texts(blocks: list[dict[str, Any]], kind: str = "section") -> list[str]:
    return [block["text"]["text"] for block in blocks if block["type"] == kind]


def _plain(value: Any) -> list[dict[str, Any]]:
    """All text objects in it."""
    if isinstance(value, list):
        return [found for item in value for found in _plain(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if isinstance(value.get("text"), str) and "type" in value else []
    return own + [found for item in value.values() for found in _plain(item)]


def _check(blocks: list[dict[str, Any]]) -> None:
    """By the SDK's own models: lengths, counts, styles."""
    for block in Block.parse_all(blocks):
        block.validate_json()
        for element in getattr(block, "elements", None) or []:
            element.validate_json()


@given(st.text())
def test_a_reply_arrives_as_it_was_approved(text: str) -> None:
    arguments = post(Reply(text, "1.000001"), C1, "d1")
    assert decode(arguments["text"]) == text
    assert "blocks" not in arguments


def test_a_reply_rings_nobody_and_fetches_nothing() -> None:
    arguments = post(Reply(HOSTILE, "1.000002"), C1, "d1")
    assert arguments == {
        "channel": "C1",
        "text": "&lt;!channel&gt; &lt;@U1&gt; *bold* :tada: &amp; &lt;http://x|y&gt; @here",
        "thread_ts": "1.000002",
        "mrkdwn": False,
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "metadata": {"event_type": "herald_delivery", "event_payload": {"id": "d1"}},
    }


def test_a_reply_to_a_message_in_a_thread_goes_to_its_root() -> None:
    assert post(Reply("x", "1.000002"), THREAD, "d1")["thread_ts"] == "1.000001"
    assert post(Line("x"), THREAD, "d1")["thread_ts"] == "1.000001"
    assert "thread_ts" not in post(Card("x"), C1, "d1")


def test_an_edit_takes_old_blocks_away_and_stays_inert() -> None:
    arguments = update(Reply(HOSTILE), C1, "1.000001")
    assert arguments["blocks"] == []
    assert arguments["parse"] == "none"
    assert arguments["link_names"] is False
    assert "<" not in arguments["text"]


LONG = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).flatmap(
    lambda text: st.integers(0, 400).map(lambda times: text * times)
)


@given(LONG, LONG, st.lists(st.text(max_size=200), max_size=12), st.integers(0, 25))
def test_any_card_is_within_slacks_limits_and_shows_the_draft_whole(
    comment: str, draft: str, details: list[str], count: int
) -> None:
    draft = draft[:3000]
    card = Card("header", comment, tuple(details), draft, ("waiting",), BUTTONS[:count])
    blocks = post(card, C1, "d1")["blocks"]
    _check(blocks)
    assert len(blocks) <= 50
    if draft:
        after = blocks[next(index for index, block in enumerate(blocks) if block["type"] == "divider") :]
        assert "".join(_texts(after)[:-1]) == draft


def test_a_card_in_its_order() -> None:
    card = Card("head", "comment", ("why", "sources"), "draft", ("open",), BUTTONS[:7])
    blocks = post(card, C1, "d1")["blocks"]
    assert [block["type"] for block in blocks] == [
        "header", "section", "context", "divider", "section", "section", "actions", "actions",
    ]  # fmt: skip
    assert _texts(blocks) == ["comment", "draft", "open"]


def test_a_long_comment_is_cut_and_says_so() -> None:
    (comment,) = _texts(post(Card("head", "长" * 4000), C1, "d1")["blocks"])
    assert comment == "长" * 2999 + "…"


def test_nothing_on_a_card_or_notice_is_markup() -> None:
    card = Card(HOSTILE, HOSTILE, (HOSTILE,), HOSTILE, (HOSTILE,), (Button(HOSTILE, "p"),))
    notice = Notice(HOSTILE, Member("slack", "T1", "U1"))
    for arguments in (post(card, C1, "d1"), update(card, C1, "1.000001"), private(notice)):
        objects = _plain(arguments["blocks"])
        assert objects
        assert all(found["type"] == "plain_text" and found["emoji"] is False for found in objects)
        assert "<" not in arguments["text"]


# ---- moments

CLOSES = moments.moment(1_795_370_400, "Sun 22 Nov 2026, 18:00 (UTC+8)")
DATE = {
    "type": "date",
    "timestamp": 1_795_370_400,
    "format": "{date_short_pretty} {time}",
    "fallback": "Sun 22 Nov 2026, 18:00 (UTC+8)",
}


def _rich(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The elements of all rich texts among the blocks."""
    sections = [section for block in blocks if block["type"] == "rich_text" for section in block["elements"]]
    return [element for section in sections for element in section["elements"]]


def test_a_moment_is_a_date_between_literal_texts() -> None:
    card = Card(f"Until {CLOSES}", details=("*x* <!here>", f"Closes {CLOSES}, 茶"), status=("open", f"since {CLOSES}"))
    arguments = post(card, C1, "d1")
    assert arguments["text"] == "Until Sun 22 Nov 2026, 18:00 (UTC+8)"
    assert [block["type"] for block in arguments["blocks"]] == ["rich_text"] * 3
    bold = {"style": {"bold": True}}
    assert _rich(arguments["blocks"]) == [
        {"type": "text", "text": "Until "} | bold, DATE | bold,
        {"type": "text", "text": "*x* <!here>\nCloses "}, DATE, {"type": "text", "text": ", 茶"},
        {"type": "text", "text": "open\nsince "}, DATE,
    ]  # fmt: skip


def test_lines_and_notices_show_moments_and_the_others_stay_as_they_were() -> None:
    line = post(Line(f"Until {CLOSES} & on"), C1, "d1")
    assert line["text"] == "Until Sun 22 Nov 2026, 18:00 (UTC+8) &amp; on"
    notice = private(Notice(f"Until {CLOSES}", Member("slack", "T1", "U1")))
    assert DATE in _rich(line["blocks"])
    assert DATE in _rich(notice["blocks"])
    assert notice["text"] == "Until Sun 22 Nov 2026, 18:00 (UTC+8)"
    assert "blocks" not in post(Line("Until then"), C1, "d1")
    assert update(Line("Until then"), C1, "1.000001")["blocks"] == []


def test_a_reply_is_never_looked_at() -> None:
    assert decode(post(Reply(f"x {CLOSES}"), C1, "d1")["text"]) == f"x {CLOSES}"


PIECES = st.lists(st.text(max_size=300) | st.just(CLOSES) | st.just(HOSTILE) | st.just("长" * 2500), max_size=8)


@given(PIECES.map("".join), PIECES, PIECES)
def test_any_text_with_moments_is_shown_and_none_of_it_is_markup(
    header: str, details: list[str], status: list[str]
) -> None:
    card = Card(header, details=tuple(details), status=tuple(status), buttons=BUTTONS[:22], stacked=True)
    notice = Notice("\n".join(status), Member("slack", "T1", "U1"), buttons=BUTTONS[:3])
    for arguments in (post(card, C1, "d1"), private(notice)):
        _check(json.loads(json.dumps(arguments["blocks"])))
        assert len(arguments["blocks"]) <= 50
        assert {found["type"] for found in _plain(arguments["blocks"])} <= {"plain_text", "text"}
        assert not any(mark in json.dumps(arguments, ensure_ascii=False) for mark in "\ue0f0\ue0f1")
    blocks = private(Notice("\n".join([CLOSES, *status]), Member("slack", "T1", "U1")))["blocks"]
    rich = _rich(blocks)
    assert all(len("".join(element.get("text", "") for element in _rich([block]))) <= 3000 for block in blocks)
    shown = "".join(element.get("text", element.get("fallback")) for element in rich)
    assert shown == moments.plain("\n".join([CLOSES, *status]))


def test_the_text_beside_a_file_is_no_markup() -> None:
    (block,) = beside(Document("a.png", "image/png", b"", f"{HOSTILE} {CLOSES}"))
    assert block["text"]["type"] == "plain_text"
    assert block["text"]["text"] == f"{HOSTILE} Sun 22 Nov 2026, 18:00 (UTC+8)"


# ---- buttons


def _row_lengths(card: Card) -> list[int]:
    return [len(block["elements"]) for block in post(card, C1, "d1")["blocks"] if block["type"] == "actions"]


OPTIONS = tuple(
    Button(f"{number} " + "an option that is as long as it may be " * 2, f"v1|{number}") for number in range(22)
)


def test_long_labels_stand_below_each_other() -> None:
    assert _row_lengths(Card("head", buttons=OPTIONS, stacked=True)) == [1] * 22
    assert _row_lengths(Card("head", buttons=OPTIONS)) == [5, 5, 5, 5, 2]


def test_stacked_buttons_share_rows_rather_than_be_too_many_blocks() -> None:
    many = tuple(Button(f"{number}", f"v1|{number}") for number in range(120))
    blocks = post(Card("head", "comment", buttons=many, stacked=True), C1, "d1")["blocks"]
    assert len(blocks) <= 50
    assert sum(_row_lengths(Card("head", "comment", buttons=many, stacked=True))) == 120


def test_a_poll_of_twenty_long_options_is_one_that_slack_takes() -> None:
    lines = tuple(f"{'█' * 20} {button.label}" for button in OPTIONS[:20])
    card = Card(
        "Q" * 300, "", (*lines, f"Closes {CLOSES}"), status=("Everybody can see it",), buttons=OPTIONS, stacked=True
    )
    blocks = post(card, C1, "d1")["blocks"]
    _check(json.loads(json.dumps(blocks)))
    assert len(blocks) <= 50
    labels = [
        element["text"]["text"] for block in blocks if block["type"] == "actions" for element in block["elements"]
    ]
    assert max(map(len, labels)) == 75
    assert len(set(labels)) == 22


def test_details_stand_below_each_other() -> None:
    (context,) = [
        block for block in post(Card("head", details=("a", "", "b")), C1, "d1")["blocks"] if block["type"] == "context"
    ]
    assert [element["text"] for element in context["elements"]] == ["a\n\nb"]


def test_a_notice_can_have_buttons() -> None:
    blocks = private(Notice("Publish?", Member("slack", "T1", "U1"), buttons=BUTTONS[:7]))["blocks"]
    assert [block["type"] for block in blocks] == ["section", "actions", "actions"]
    values = [element["value"] for block in blocks[1:] for element in block["elements"]]
    assert values == [button.payload for button in BUTTONS[:7]]


def test_buttons_carry_their_payload_under_ids_of_their_own() -> None:
    buttons = (
        Button("Approve", "v1|a", "primary"),
        Button("Reject", "v1|b", "danger"),
        Button("Open", url="https://x"),
    )
    row = post(Card("head", buttons=buttons), C1, "d1")["blocks"][-1]["elements"]
    assert [button.get("value") for button in row] == ["v1|a", "v1|b", None]
    assert [button.get("style") for button in row] == ["primary", "danger", None]
    assert row[2]["url"] == "https://x"
    assert len({button["action_id"] for button in row}) == 3


def _form(**changes: Any) -> Form:
    fields = (
        Field("text", "Text", "paragraph", "the draft", max_length=1500),
        Field("why", "Why", "choice", "tone", (("tone", "Tone"), ("fact", "Wrong fact"))),
        Field("note", "Note", required=False),
    )
    return Form("v1|x|edit|m", changes.get("title", "Edit the draft"), fields, "Save", "Cancel", "failed")


def test_a_modal_remembers_its_payload_and_place() -> None:
    view = modal(_form(), THREAD)
    opened = read_metadata(view["private_metadata"])
    assert opened is not None
    assert (opened.payload, opened.channel_id, opened.thread_id) == ("v1|x|edit|m", "C1", "1.000001")


def test_a_modal_is_one_that_slack_takes() -> None:
    view = modal(_form(title="A title that is far too long for Slack's windows"), C1)
    View(**json.loads(json.dumps(view))).validate_json()
    text, why, note = view["blocks"]
    assert len(view["title"]["text"]) == 24
    assert (text["element"]["initial_value"], text["element"]["max_length"]) == ("the draft", 1500)
    assert text["element"]["multiline"]
    assert why["element"]["initial_option"]["value"] == "tone"
    assert note["optional"]
    assert [block["block_id"] for block in view["blocks"]] == ["text", "why", "note"]
