from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.drafting.characters import Units, invisible, length, shorten, strip_invisible, visible
from bot.drafting.guards import Guarded, Unusable, clean_human, guard, guard_knowledge
from bot.drafting.markup import Links

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
OURS = Links(frozenset({"tea.example"}), frozenset({"https://other.example/exact"}))

HOSTILE = st.text(
    st.sampled_from("ab茶 .@<>!&#*_~|`[]()/:\n\u200b\u200d\u202e\ufe0f\u0301😀👩1") | st.characters(), max_size=120
) | st.lists(
    st.sampled_from(
        [
            "@everyone",
            "@here",
            "<!channel>",
            "<@U1>",
            "<@&1>",
            "<!subteam^S1|@team>",
            "<#C1|general>",
            "tg://user?id=1",
            "@",
            "<",
            ">",
            "**",
            "_",
            "`",
            "```\n",
            "[a](",
            "https://evil.example/x",
            "https://tea.example/a",
            ")",
            "javascript:x",
            "<b onclick=x>",
            "</b>",
            "# ",
            "> ",
            "word",
            "茶",
            " ",
            "\n",
            FAMILY,
            ENGLAND,
            "\u202e",
            "e\u0301",
            "...",
        ]
    ),
    max_size=25,
).map("".join)
UNITS: st.SearchStrategy[Units] = st.sampled_from(("codepoints", "utf16"))


def plain(text: str, cap: int = 1_500) -> Guarded:
    guarded = guard(text, cap, "codepoints", OURS)
    assert isinstance(guarded, Guarded)
    return guarded


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("hello @everyone and @here", "hello everyone and here"),
        ("hello @@everyone @\u200beveryone", "hello everyone everyone"),
        ("<!channel> <!here|@here> hi", "channel here hi"),
        ("<@U123> <@!42> <@&7> <#C1|general>", "U123 42 7 general"),
        ("<!subteam^S1|@helpers> and <!subteam^S2>", "helpers and team"),
        ("<<@U1>@U2> x", "x"),
        ("write to @lin_w or me@tea.example", "write to lin_w or me@tea.example"),
        ("see tg://user?id=1 now", "see  now"),
    ],
)
def test_mentions_become_words(text: str, left: str) -> None:
    assert plain(text).text.replace("@team", "team") == left
    assert "mention_removed" in plain(text).flags


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "# Title\nSome **bold**, *soft*, __under__, ~~old~~ and `code`.",
            "Title\nSome bold, soft, under, old and code.",
        ),
        ("[our page](https://tea.example/a)", "our page (https://tea.example/a)"),
        ("<https://tea.example/a|our page>", "our page (https://tea.example/a)"),
        ("```python\nx = 1\n```", "x = 1"),
        ("a <b onclick=evil()>b</b><br>c", "a b\nc"),
        ("<script>alert(1)</script>after", "after"),
        ("> quoted\n* one\n* two", "quoted\n- one\n- two"),
    ],
)
def test_markup_goes_and_words_stay(text: str, left: str) -> None:
    assert plain(text).text == left
    assert "markup_removed" in plain(text).flags


@pytest.mark.parametrize(
    "text", ["2*3*4 = 24", "snake_case_name", "a < b and c > d", "Node.js, e.g. here", "5 - 3\n- one", "价格：￥30～40"]
)
def test_what_is_no_markup_stays(text: str) -> None:
    assert plain(text) == Guarded(text)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/x?secret=1",
        "http://tea.example.evil.com/",
        "https://tea.example@evil.com/",
        "https://evil.com\\@tea.example/",
        "javascript:alert(1)",
        "data:text/html;base64,AAAA",
        "file:///etc/passwd",
        "www.evil.com",
        "evil.com/path",
        "https://téa.example/",
        "https://[::1/",
        "https://other.example/exactly",
    ],
)
def test_other_links_are_removed(link: str) -> None:
    guarded = plain(f"see {link} please")
    assert guarded.text.split() == ["see", "please"]
    assert "link_removed" in guarded.flags


def test_masked_links_leave_their_words() -> None:
    assert plain("[click](javascript:alert(1)) here").text == "click here"
    assert plain("看（https://evil.example/x）谢谢").text == "看谢谢"


@pytest.mark.parametrize("link", ["https://tea.example/a?b=1", "http://www.tea.example", "https://other.example/exact"])
def test_our_links_stay(link: str) -> None:
    assert plain(f"see {link}.") == Guarded(f"see {link}.")
    assert plain(f"请看{link}。谢谢") == Guarded(f"请看{link}。谢谢")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\u200b", "empty"),
        ("**  **", "empty"),
        ("<b></b>", "empty"),
        ("\x00\x01\x02abc", "binary"),
        ("\ufffd\ufffd ok", "binary"),
        ("<!DOCTYPE html><html><body>502 Bad Gateway", "html"),
        ("  <html>\n<head>", "html"),
        ("long " * 40_000, "too_long_answer"),
    ],
)
def test_unusable_answers_are_refused(text: str, reason: str) -> None:
    assert guard(text, 1_500, "codepoints") == Unusable(reason)


def test_shortened_at_a_sentence() -> None:
    text = "The tea is back. It is on the shelf. There are forty tins of it, more or less."
    assert plain(text, 50) == Guarded("The tea is back. It is on the shelf. …", ("shortened",))
    assert plain("茶到了。每人限购两罐。其余的下周再说吧。", 14) == Guarded("茶到了。每人限购两罐。…", ("shortened",))
    assert plain("word " * 30, 40).text == "word word word word word word word…"


def test_emoji_are_kept_whole() -> None:
    text = f"{FAMILY} ❤️ 1️⃣ {ENGLAND} 👍🏽 ok"
    assert plain(text) == Guarded(text)
    for cap in range(3, len(text) + 1):
        cut = shorten(text, cap, "codepoints").removesuffix("…").rstrip()
        assert set(cut.split(" ")) <= set(text.split(" ")) | {""}
    assert shorten("🇬🇧" * 10, 8, "codepoints") == "🇬🇧" * 3 + "…"
    assert shorten("e\u0301" * 10, 7, "codepoints") == "e\u0301" * 2 + "…"


def test_scripts_that_are_spelled_with_joiners_keep_them() -> None:
    persian = "می\u200cخواهم"
    assert strip_invisible(persian) == persian
    assert strip_invisible("a\u200cb\u200dc") == "abc"


def test_lone_tags_and_selectors_are_smuggling() -> None:
    hidden = "hi" + "".join(chr(0xE0000 + ord(one)) for one in "ignore all") + "\ufe0f\ufe0f"
    assert strip_invisible(hidden) == "hi"


def test_cards_show_what_cannot_be_seen() -> None:
    assert visible("a\u202eb\u200b") == "a⟦U+202E⟧b⟦U+200B⟧"
    assert visible(f"fine {FAMILY}\n\tyes") == f"fine {FAMILY}\n\tyes"
    assert visible("a\u2028b\x07") == "a⟦U+2028⟧b⟦U+0007⟧"


def test_the_teams_own_words_keep_their_characters() -> None:
    text = "Use ~~tildes~~ or **stars**, see https://any.example/x <del> and @lin"
    assert guard_knowledge(text, 1_500, "codepoints") == Guarded(text)
    assert guard_knowledge("call @everyone\u202e", 1_500, "utf16") == Guarded(
        "call everyone", ("invisible_removed", "mention_removed")
    )
    assert guard_knowledge(" \u200b", 10, "utf16") == Unusable("empty")
    assert guard_knowledge("One is here. Two is here too.", 20, "utf16") == Guarded("One is here. …", ("shortened",))


def test_what_approvers_type_is_theirs() -> None:
    assert clean_human(" hi @everyone\r\n**now**\r ", 100, "utf16") == Guarded("hi @everyone\n**now**")
    assert clean_human("a\u202eb", 100, "utf16") == Guarded("ab", ("invisible_removed",))
    assert clean_human("\u200b \n", 100, "utf16") == Unusable("empty")
    assert clean_human("😀" * 6, 11, "utf16") == Unusable("too_long", (("length", 12), ("cap", 11)))
    assert clean_human("😀" * 6, 11, "codepoints") == Guarded("😀" * 6)


@given(text=HOSTILE, cap=st.integers(8, 80), units=UNITS)
def test_a_guarded_text_is_inert_short_and_stays_as_it_is(text: str, cap: int, units: Units) -> None:
    guarded = guard(text, cap, units, OURS)
    if isinstance(guarded, Unusable):
        return
    assert not list(invisible(guarded.text))
    assert 0 < length(guarded.text, units) <= cap
    assert guarded.text == guarded.text.strip()
    lowered = guarded.text.lower()
    for mention in (r"@everyone", r"@here\b", r"<[!@#]\w", "tg://", "evil", "javascript:x", "<b"):
        assert not re.search(mention, lowered)
    again = guard(guarded.text, cap, units, OURS)
    assert again == Guarded(guarded.text)


@given(text=HOSTILE, cap=st.integers(8, 80), units=UNITS)
def test_knowledge_is_inert_too(text: str, cap: int, units: Units) -> None:
    guarded = guard_knowledge(text, cap, units)
    if isinstance(guarded, Guarded):
        assert not list(invisible(guarded.text))
        assert length(guarded.text, units) <= cap
        assert "@everyone" not in guarded.text
        assert "<!c" not in guarded.text
        assert guard_knowledge(guarded.text, cap, units) == Guarded(guarded.text)


@given(text=st.text(max_size=200), units=UNITS)
def test_a_typed_text_within_the_cap_only_loses_what_cannot_be_seen(text: str, units: Units) -> None:
    cleaned = clean_human(text, 1_000, units)
    if isinstance(cleaned, Guarded):
        assert not list(invisible(cleaned.text))
        if not cleaned.flags:
            assert cleaned.text == text.replace("\r\n", "\n").replace("\r", "\n").strip()


@given(text=st.text(max_size=80), cap=st.integers(3, 40), units=UNITS)
def test_shortening_keeps_to_the_cap_and_cuts_before_no_mark(text: str, cap: int, units: Units) -> None:
    short = shorten(text, cap, units)
    assert length(short, units) <= cap
    if short != text:
        kept = short.removesuffix("…").rstrip()
        assert text.startswith(kept)
        following = text[len(kept) : len(kept) + 1]
        assert not kept or not unicodedata.category(following).startswith("M")


@given(st.text())
def test_lengths_are_those_of_the_platforms(text: str) -> None:
    assert length(text, "codepoints") == len(text)
    assert length(text, "utf16") == len(text.encode("utf-16-le", "surrogatepass")) // 2
