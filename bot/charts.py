"""A poll's result as a picture that can be read on a phone.

Drawn by matplotlib, which is imported with the first chart and kept; a chart takes some tenths of a second of processor
time, so callers leave it to a thread. Texts of people are data: no mathematics, no markup, and what none of our fonts
has is left out or replaced by a plain sign. One hue, and winners have an outline and a star besides, so that nothing
hangs on telling colours apart (Okabe and Ito, "Color Universal Design").
"""

from __future__ import annotations

import importlib.util
import io
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from babel.numbers import format_decimal, format_percent

if TYPE_CHECKING:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

WIDTH = 1080
"""Pixels: the width of a phone's screen, or a half of it."""
MARGIN, GAP, BAR, AIR = 56, 16, 44, 40
"""Pixels: around everything, between a label and its bar, a bar's height, and before the next label."""
QUESTION_LINES, LABEL_LINES = 18, 4
"""Lines after which a text ends in "…": the longest question and option that a poll may have are shown whole."""

INK, GREY, TRACK, PLAIN, STRONG = "#1a1a1a", "#5a5a5a", "#eceff1", "#56b4e9", "#0072b2"
WINNER = "★"
UNKNOWN = "▪"
"""Stands for a letter that none of our fonts has."""

_OURS, _SPARE = "herald-chart", "DejaVu Sans"
_EMOJI = re.compile("[\u200d\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f]")
_TOKENS = re.compile(
    # What is written without spaces breaks anywhere, but not before a closing sign and not after an opening one.
    r"[「『（《“‘【]*[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff][」』）》”’】，。、；：！？…]*"
    r"|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]+\s*|\s+"
)
# Matplotlib keeps caches that threads share; charts are rare enough to be made one after the other.
_ONE = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Style:
    size: int
    color: str

    @property
    def line(self) -> int:
        """Pixels from one line to the next."""
        return round(self.size * 1.35)

    def wide(self, text: str) -> float:
        """How many pixels wide a line of it is; a little less where letters are drawn closer together."""
        return self.size * sum(map(_advance, text))


_QUESTION, _SUBTITLE, _LABEL, _VALUE = _Style(50, INK), _Style(32, GREY), _Style(38, INK), _Style(36, INK)


def chart(
    question: str,
    bars: Sequence[tuple[str, int]],
    language: str,
    subtitle: str = "",
    winner: frozenset[int] = frozenset(),
    voters: int | None = None,
) -> bytes:
    """A PNG, `WIDTH` pixels wide and as high as it needs: the question, and a bar for each (label, count).

    `language` says how numbers are written, `winner` which bars won (positions from 0). Percentages are of `voters`
    where they may have chosen several options, else of all counts. Blocks; any thread may call it.
    """
    with _ONE:
        return _Drawing(question, bars, language, subtitle, winner, voters).png()


def readable(text: str, number: int | None = None) -> str:
    """A text as a chart shows it: one line, every sign in a font of ours.

    Emoji are left out where anything else is said. Where something had to be replaced, an option's `number` is put
    before it, so that options stay apart.
    """
    line = " ".join(unicodedata.normalize("NFC", text).split())
    known = " ".join("".join(_known(_EMOJI.sub("", line))).split())
    said = known or ", ".join(filter(None, map(_named, _EMOJI.findall(line))))
    if number is not None and (UNKNOWN in said or not said):
        return f"{number}. {said}".strip()
    return said


def value(count: int, whole: int, language: str) -> str:
    """What stands at a bar: "1,234 (56%)"; nothing that was chosen at all is 0%."""
    share = count / whole if whole else 0.0
    percent = (
        f"<{format_percent(0.01, locale=language)}" if 0 < share < 0.005 else format_percent(share, locale=language)
    )
    return f"{format_decimal(count, locale=language)} ({percent})"


def _known(text: str) -> Iterator[str]:
    for char in text:
        if ord(char) in _signs():
            yield char
        elif unicodedata.category(char)[0] in "LNPS":
            yield UNKNOWN  # marks and invisible signs are left out


def _named(emoji: str) -> str:
    return unicodedata.name(emoji, "").lower() if unicodedata.category(emoji) == "So" else ""


@cache
def _signs() -> frozenset[int]:
    """Every code point that can be drawn."""
    return frozenset(code for font in _fonts() for code in font.get_charmap() if chr(code).isprintable())


@cache
def _fonts() -> list[FT2Font]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    files = [findfont(FontProperties(family=[family]), fallback_to_default=False) for family in _families()]
    return [get_font(file) for file in files]


@lru_cache(maxsize=8192)
def _advance(char: str) -> float:
    """How wide a character is, in shares of the size of the letters. Laying out whole lines would take a second."""
    font = next((font for font in _fonts() if font.get_char_index(ord(char))), _fonts()[0])
    font.set_size(1000, 72)
    return float(font.load_char(ord(char)).linearHoriAdvance) / 65536 / 1000


@cache
def _families() -> list[str]:
    """Our fonts, the first that has a sign is used. Made known under a name of our own: a system's may hold less."""
    from matplotlib.font_manager import FontEntry, fontManager

    spec = importlib.util.find_spec("zhplot")  # not imported: it would change matplotlib's settings for everybody
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package zhplot, whose font the charts use, is not installed")
    file = Path(spec.submodule_search_locations[0]) / "fonts" / "NotoSansSC-Regular.ttf"
    fontManager.ttflist.append(FontEntry(fname=str(file), name=_OURS))
    return [_OURS, _SPARE]


class _Drawing:
    """One picture. Coordinates are pixels from the upper left corner."""

    def __init__(
        self,
        question: str,
        bars: Sequence[tuple[str, int]],
        language: str,
        subtitle: str,
        winner: frozenset[int],
        voters: int | None,
    ) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        # At 72 dots an inch, points are pixels.
        self._figure: Figure = Figure(figsize=(WIDTH / 72, 1), dpi=72, facecolor="white")
        self._canvas: FigureCanvasAgg = FigureCanvasAgg(self._figure)
        self._winner = winner
        self._question = self._wrapped(readable(question), _QUESTION, QUESTION_LINES)
        self._subtitle = self._wrapped(readable(subtitle), _SUBTITLE, LABEL_LINES)
        self._labels = [self._label(position, label) for position, (label, _) in enumerate(bars)]
        self._counts = [max(0, count) for _, count in bars]
        whole = sum(self._counts) if voters is None else voters
        self._values = [value(count, whole, language) for count in self._counts]

    def png(self) -> bytes:
        """Draw it."""
        height = self._height()
        self._figure.set_size_inches(WIDTH / 72, height / 72)
        y = self._lines(self._question, _QUESTION, MARGIN, height)
        y = self._lines(self._subtitle, _SUBTITLE, y + GAP, height) if self._subtitle else y
        room = max((_VALUE.wide(value) for value in self._values), default=0.0)
        longest = WIDTH - 2 * MARGIN - 2 * GAP - room
        for position, label in enumerate(self._labels):
            y = self._lines(label, _LABEL, y + AIR, height) + GAP // 2
            self._bar(position, y, longest, height)
            y += BAR
        out = io.BytesIO()
        self._canvas.print_png(out, metadata={"Software": None})  # type: ignore[no-untyped-call]  # matplotlib ships no types for it
        # Figure, canvas and texts hold themselves and the picture (5 MB for each 1,000 pixels of height) until the next
        # collection, which may be long after: so they let go of it now.
        for artist in (*self._figure.get_children(), self._canvas):
            vars(artist).clear()
        return out.getvalue()

    def _height(self) -> int:
        texts = len(self._question) * _QUESTION.line
        texts += GAP + len(self._subtitle) * _SUBTITLE.line if self._subtitle else 0
        return 2 * MARGIN + texts + sum(AIR + len(label) * _LABEL.line + GAP // 2 + BAR for label in self._labels)

    def _label(self, position: int, label: str) -> list[str]:
        mark = f"{WINNER} " if position in self._winner else ""
        return self._wrapped(mark + readable(label, position + 1), _LABEL, LABEL_LINES)

    def _bar(self, position: int, y: float, longest: float, height: int) -> None:
        won, count = position in self._winner, self._counts[position]
        length = longest * count / max(1, *self._counts)
        self._box(y, longest, height, color=TRACK)
        if count:
            self._box(y, max(length, 6), height, color=STRONG if won else PLAIN, edge=INK if won else None)
        self._text(self._values[position], _VALUE, MARGIN + longest + 2 * GAP, y + BAR / 2, height, middle=True)

    def _box(self, y: float, length: float, height: int, *, color: str, edge: str | None = None) -> None:
        from matplotlib.patches import Rectangle

        corner = (MARGIN, height - y - BAR)
        line = {"edgecolor": edge, "linewidth": 4} if edge else {"linewidth": 0}
        # Without a transform of its own an artist of a figure is in shares of it; this one is in pixels.
        box = Rectangle(corner, length, BAR, facecolor=color, transform=None, **line)
        self._figure.add_artist(box)

    def _lines(self, lines: Sequence[str], style: _Style, y: float, height: int) -> float:
        """Write them from `y` on; where the next thing may begin."""
        for line in lines:
            self._text(line, style, MARGIN, y + style.line / 2, height, middle=True)
            y += style.line
        return y

    def _text(self, text: str, style: _Style, x: float, y: float, height: int, *, middle: bool) -> None:
        self._figure.text(
            x / WIDTH,
            1 - y / height,
            text,
            color=style.color,
            fontsize=style.size,
            fontfamily=_families(),
            va="center_baseline" if middle else "top",
            parse_math=False,
            usetex=False,
        )

    def _wrapped(self, text: str, style: _Style, most: int) -> list[str]:
        lines = wrap(text, WIDTH - 2 * MARGIN, style.wide)
        if len(lines) <= most:
            return lines
        last = lines[most - 1]
        while last and style.wide(last + "…") > WIDTH - 2 * MARGIN:
            last = last[:-1]
        return [*lines[: most - 1], last + "…"]


def wrap(text: str, room: float, wide: Callable[[str], float]) -> list[str]:
    """The text in lines of at most `room`, as `wide` measures them; words longer than that are broken."""
    lines, line = [], ""
    for token in _TOKENS.findall(text):
        if line and wide((line + token).rstrip()) > room:
            lines.append(line.rstrip())
            line = ""
        line += token
        while wide(line.rstrip()) > room and len(line) > 1:
            fitting = next(end for end in range(len(line) - 1, 0, -1) if end == 1 or wide(line[:end]) <= room)
            lines.append(line[:fitting])
            line = line[fitting:]
    return [*lines, line.rstrip()] if line.strip() else lines
