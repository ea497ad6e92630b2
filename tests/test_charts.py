"""Result charts, by their properties: what is on them, how long the bars are, and that no letter is missing."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.charts import PLAIN, STRONG, UNKNOWN, WIDTH, chart, readable, value, wrap
from bot.domain.polls import MAX_OPTION, MAX_OPTIONS, MAX_QUESTION

QUESTION = "我们明年在哪里见面？请从「龙井」、茉莉花茶和“盖碗茶”里选——结果周日公布！①②③，《茶经》：1,234 杯…"
TEA = [("杭州西湖边的茶馆", 10), ("成都", 5), ("线上", 0)]


def picture(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image.convert("RGB")


def longest(image: Image.Image, color: str) -> list[int]:
    """The bars of this colour from above: how many pixels long each is."""
    wanted = tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))
    data = image.tobytes()
    lengths, inside = [], False
    for y in range(image.height):
        row = [tuple(data[at : at + 3]) for at in range(3 * y * image.width, 3 * (y + 1) * image.width, 3)]
        length = row.count(wanted)
        if length > 1 and not inside:
            lengths.append(length)
        inside = length > 1
    return lengths


def ink(image: Image.Image) -> int:
    """How many pixels are not white."""
    return sum(count for count, color in image.getcolors(1 << 24) or [] if color != (255, 255, 255))


def test_a_chart_is_as_wide_as_a_phone_and_as_high_as_its_bars() -> None:
    few, many = picture(chart(QUESTION, TEA, "zh")), picture(chart(QUESTION, TEA * 3, "zh"))
    assert (few.width, many.width) == (WIDTH, WIDTH)
    assert many.height - few.height == 6 * (few.height - picture(chart(QUESTION, TEA[:2], "zh")).height)
    assert ink(few) > 10_000


def test_bars_are_as_long_as_their_counts() -> None:
    (ten, five) = longest(picture(chart("Where?", TEA, "en")), PLAIN)
    assert ten == pytest.approx(2 * five, abs=2)
    assert ten > WIDTH / 2


def test_winners_are_marked_by_more_than_their_colour() -> None:
    image = picture(chart("Where?", TEA, "en", winner=frozenset({0})))
    assert len(longest(image, STRONG)) == 1
    assert len(longest(image, PLAIN)) == 1
    plain = picture(chart("Where?", TEA, "en"))
    assert longest(plain, STRONG) == []
    dark = (26, 26, 26)
    counts = [{color: n for n, color in one.getcolors(1 << 24) or []}[dark] for one in (image, plain)]
    assert counts[0] > counts[1] + 2 * WIDTH  # an outline


def test_a_chart_without_votes_or_options_is_a_chart() -> None:
    assert longest(picture(chart("Where?", [("A", 0), ("B", 0)], "en", "nobody")), PLAIN) == []
    assert picture(chart("Where?", [], "zh")).width == WIDTH
    assert picture(chart("", [("", 1)], "zh")).width == WIDTH


def test_every_letter_of_a_chinese_question_is_there() -> None:
    assert readable(QUESTION) == QUESTION
    chart(QUESTION, TEA, "zh", QUESTION)  # matplotlib warns of each letter that is missing, and warnings are errors


@settings(max_examples=25)
@given(st.text(max_size=60), st.lists(st.tuples(st.text(max_size=40), st.integers(0, 10**9)), max_size=3))
def test_any_text_of_people_can_be_drawn(question: str, bars: list[tuple[str, int]]) -> None:
    assert picture(chart(question, bars, "en", winner=frozenset({0}))).width == WIDTH


@pytest.mark.parametrize("text", [r"$\frac{$", "$_$", "50 $ or 60 $?", r"\$x^2$", "<b>&amp;", "{x}", "%s"])
def test_texts_are_no_formulas(text: str) -> None:
    assert readable(text) == text
    once, twice = ink(picture(chart(text, [], "en"))), ink(picture(chart(f"{text} {text}", [], "en")))
    assert once > 0
    assert twice == pytest.approx(2 * once, rel=0.1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tea 🍵 please", "Tea please"),
        ("👍", "thumbs up sign"),
        ("👍🏽", "thumbs up sign"),
        ("👩‍👩‍👧", "woman, woman, girl"),
        ("a\n\tb\u202ec\u200b", "a bc"),
        ("cafe\u0301", "café"),
        ("한 Tea", f"{UNKNOWN} Tea"),
        ("ไทย", UNKNOWN * 3),
        ("", ""),
    ],
)
def test_what_no_font_has_is_left_out_or_replaced(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_options_that_cannot_be_written_stay_apart() -> None:
    assert [readable(text, number) for number, text in enumerate(["한", "국", "\u200b", "茶"], 1)] == [
        f"1. {UNKNOWN}", f"2. {UNKNOWN}", "3.", "茶",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "whole", "said"),
    [(1234, 2468, "1,234 (50%)"), (0, 0, "0 (0%)"), (3, 3, "3 (100%)"), (1, 10_000, "1 (<1%)"), (2, 3, "2 (67%)")],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_counts_and_shares(count: int, whole: int, said: str, language: str) -> None:
    assert value(count, whole, language) == said


def test_shares_are_of_the_voters_where_they_chose_several() -> None:
    assert chart("Q", [("A", 5), ("B", 5)], "en", voters=5) != chart("Q", [("A", 5), ("B", 5)], "en")
    assert chart("Q", [("A", 5), ("B", 5)], "en", voters=10) == chart("Q", [("A", 5), ("B", 5)], "en")


@given(st.text(st.sampled_from("ab 茶，。「」“” x"), max_size=80), st.integers(2, 12))
def test_lines_are_short_enough_and_nothing_gets_lost(text: str, room: int) -> None:
    lines = wrap(" ".join(text.split()), room, lambda line: float(len(line)))
    assert all(0 < len(line) <= room for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_lines_break_between_words_and_before_no_closing_sign() -> None:
    def wide(line: str) -> float:
        return float(sum(1 + (char > "\u2e80") for char in line))

    assert wrap("one two three", 8, wide) == ["one two", "three"]
    assert wrap("龙井茶，好喝。", 6, wide) == ["龙井", "茶，好", "喝。"]
    assert wrap("extraordinary tea", 5, wide) == ["extra", "ordin", "ary", "tea"]


def test_the_longest_poll_fits_and_longer_texts_end_in_an_ellipsis() -> None:
    option = "茶" * MAX_OPTION
    whole = picture(chart("茶" * MAX_QUESTION, [(option, 1)] * MAX_OPTIONS, "zh", winner=frozenset({0})))
    assert whole.width + whole.height <= 10_000  # what Telegram takes as a picture
    shorter = picture(chart("茶" * (MAX_QUESTION - 20), [(option, 1)] * MAX_OPTIONS, "zh", winner=frozenset({0})))
    assert shorter.height < whole.height  # nothing was cut yet
    cut = [picture(chart("茶" * length, [("茶" * length, 1)], "zh")).height for length in (1000, 2000)]
    assert cut[0] == cut[1]


def test_pictures_made_at_once_are_the_same() -> None:
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(chart(QUESTION, TEA, "zh"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(made) == {chart(QUESTION, TEA, "zh")}
    assert len(made) == 4


def test_a_picture_leaves_no_memory_behind() -> None:
    from matplotlib.backends.backend_agg import RendererAgg

    gc.collect()
    gc.disable()
    try:
        chart("Where?", TEA, "en")
        assert not [one for one in gc.get_objects() if isinstance(one, RendererAgg)]
    finally:
        gc.enable()


def test_nothing_is_imported_before_the_first_chart_and_nothing_is_changed_by_it() -> None:
    code = (
        "import sys, bot.app, bot.cli, bot.charts\n"
        "assert not {'matplotlib', 'numpy', 'PIL', 'zhplot'} & set(sys.modules)\n"
        "bot.charts.chart('茶', [('A', 1)], 'zh')\n"
        "assert not {'matplotlib.pyplot', 'zhplot'} & set(sys.modules)\n"
        "import matplotlib\n"
        "assert 'Noto Sans SC' not in matplotlib.rcParams['font.sans-serif']\n"
    )
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
