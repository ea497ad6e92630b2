"""Make the pictures of polls in docs anew, from what the program itself shows: `python -m scripts.pictures`.

The cards are `bot.handlers.polls.panel.card` over a database in memory, drawn as `docs/card.svg` is; the charts are
those of the result. A test holds the files against what this makes.
"""

from __future__ import annotations

import asyncio
import html
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from bot.app import make_desk, make_registry
from bot.charts import wrap
from bot.chat.messages import Card
from bot.chat.moments import plain
from bot.domain.places import Channel, Member
from bot.domain.polls import Option, Poll, Question, State
from bot.domain.tally import Tally
from bot.handlers.context import Context
from bot.handlers.polls import panel, results
from bot.locales import Catalogue
from bot.settings import Settings
from bot.storage.columns import metadata
from bot.storage.work import Work

DOCS = Path(__file__).parents[1] / "docs"
ASKED = {
    "en": ("Where do we meet in spring?", ("Hangzhou, by the lake", "Chengdu", "Online, whenever it suits")),
    "zh": ("春天去哪儿聚？", ("杭州西湖边", "成都", "线上，时间灵活")),
}
TITLES = {
    "en": "The card of an anonymous poll: three options with bars, who can see what, and a button for each option",
    "zh": "匿名投票的卡片：三个选项及进度条、谁能看到什么，每个选项一个按钮",
}
VOTES = {"slack": (58, 40, 11), "discord": (41, 37, 22), "telegram": (29, 17, 8)}
"""By platform, for each option."""
NOW = 1795255200.0  # 21 November 2026, 10:00 UTC
ROOMS = tuple(Channel(platform, "T", platform) for platform in VOTES)


def poll_of(language: str) -> Poll:
    """The poll that is shown."""
    text, options = ASKED[language]
    question = Question(text, tuple(Option(at, one) for at, one in enumerate(options, 1)), anonymous=True)
    host = Member("slack", "T", "ana")
    return Poll(
        1, "a.picture", question, State.OPEN, host, "Ana", language, ROOMS, NOW, opened_at=NOW, closes_at=NOW + 86400.0
    )


def rendered(language: str) -> tuple[Card, Tally]:
    """The card and the tally of the poll with its votes, as the program makes them."""
    poll, engine = poll_of(language), sa.create_engine("sqlite://")
    zone = {"en": "Europe/Berlin", "zh": "Asia/Shanghai"}[language]
    desk = make_desk(Settings.model_validate({"languages": [language], "timezone": zone}), {}, b"k" * 32)
    with engine.connect() as connection:
        metadata.create_all(connection)
        work = Work(connection, NOW)
        number = work.polls.add(poll)
        for place, votes in VOTES.items():
            for option, count in enumerate(votes, 1):
                for voter in range(count):
                    work.ballots.put(number, f"{place} {option} {voter}", (option,), f"{place}:{place}", None, None)
        ctx = Context(work, desk, make_registry())
        shown = panel.card(ctx, poll, ROOMS[0]), panel.tally_of(ctx, poll)
    engine.dispose()
    return shown


# ---- the card as a picture

WIDTH, LEFT, ROOM, BUTTON, GAP = 640, 44, 560, 32, 8
STYLE = """    text { font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans SC", "PingFang SC", \
"Microsoft YaHei", sans-serif; fill: #1f2328; }
    .ground { fill: #eef1f4; }
    .card { fill: #ffffff; stroke: #d0d7de; }
    .bar { fill: #d4a72c; }
    .head { font-size: 15px; font-weight: 600; }
    .text { font-size: 15px; }
    .small { font-size: 12.5px; fill: #59636e; }
    .button { fill: #f6f8fa; stroke: #d0d7de; }
    .label { font-size: 13px; text-anchor: middle; }"""


def wide(text: str, size: float) -> float:
    """About how many pixels wide a text is in the fonts that readers have."""
    return sum(size * (1.0 if unicodedata.east_asian_width(one) in "WF" else 0.54) for one in text)


def poll_card(language: str) -> str:
    """The card as SVG."""
    card, _ = rendered(language)
    lines, y = [], 52.0
    for style, size, step, texts in (
        ("head", 15.0, 28, (card.header,)),
        ("text", 15.0, 23, tuple(part for one in card.details for part in one.split("\n"))),
        ("small", 12.5, 19, card.status),
    ):
        for text in texts:
            for line in wrap(plain(text), ROOM, lambda one, size=size: wide(one, size)):  # type: ignore[misc]
                lines.append(f'<text class="{style}" x="{LEFT}" y="{y:g}">{html.escape(line, quote=False)}</text>')
                y += step
        y += 6
    drawn = list(buttons(card, y - 14))
    lines += [line for _, line in drawn]
    height = round(max(bottom for bottom, _ in drawn)) + 36
    inside = "\n".join(f"    {line}" for line in lines)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">
  <title id="title">{TITLES[language]}</title>
  <style>
{STYLE}
  </style>
  <rect class="ground" width="{WIDTH}" height="{height}" rx="12"/>
  <g lang="{language}">
    <rect class="card" x="16" y="16" width="{WIDTH - 32}" height="{height - 32}" rx="10"/>
    <rect class="bar" x="16" y="26" width="6" height="{height - 52}" rx="3"/>
{inside}
  </g>
</svg>
"""


def buttons(card: Card, top: float) -> Iterator[tuple[float, str]]:
    """Each button's elements with where it ends, in rows as wide as the card."""
    x = float(LEFT)
    for button in card.buttons:
        width = round(wide(button.label, 13)) + 28
        if x > LEFT and x + width > LEFT + ROOM:
            x, top = float(LEFT), top + BUTTON + GAP
        label = html.escape(button.label, quote=False)
        box = f'<rect class="button" x="{x:g}" y="{top:g}" width="{width}" height="{BUTTON}" rx="6"/>'
        yield top + BUTTON, box
        yield top + BUTTON, f'<text class="label" x="{x + width / 2:g}" y="{top + 21:g}">{label}</text>'
        x += width + GAP


def poll_result(language: str) -> bytes:
    """The chart of the result as PNG."""
    _, tally = rendered(language)
    return asyncio.run(results.pictures(Catalogue(), poll_of(language), tally, (language,)))[language]


def main() -> None:
    """Write all of them."""
    for language in ASKED:
        (DOCS / f"poll-card.{language}.svg").write_text(poll_card(language), encoding="utf-8")
        (DOCS / f"poll-result.{language}.png").write_bytes(poll_result(language))


if __name__ == "__main__":
    main()
