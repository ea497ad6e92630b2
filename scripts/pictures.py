"""Make the pictures in docs anew, from what the program itself shows: `python -m scripts.pictures`.

The messages are those of `bot.handlers` over a database in memory, drawn as `docs/card.svg` is; the charts are those of
a poll's result. A test holds the files against what this makes.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from bot.app import make_desk, make_registry
from bot.charts import wrap
from bot.chat.beacons import BeaconRound
from bot.chat.messages import Card
from bot.chat.moments import plain
from bot.domain import fdraw, giving
from bot.domain.fdraw_tree import root_of
from bot.domain.giveaways import Entry, EntryState, Giveaway, Offer, Refused, Requirements
from bot.domain.giveaways import State as Stands
from bot.domain.places import Channel, Member
from bot.domain.polls import Option, Poll, Question, State
from bot.domain.tally import Tally
from bot.handlers.context import Context
from bot.handlers.giveaways import entering, publishing
from bot.handlers.giveaways import panel as giveaway_panel
from bot.handlers.giveaways import results as giveaway_results
from bot.handlers.giveaways.naming import address
from bot.handlers.polls import panel, results
from bot.locales import Catalogue
from bot.outside import make_beacon
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
HASH = re.compile("[0-9a-f]{32}")
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


Part = tuple[str, float, int, Sequence[str]]
"""A style, its size, the step from line to line, and texts."""


def poll_card(language: str) -> str:
    """The card as SVG."""
    card, _ = rendered(language)
    return picture(language, TITLES[language], card)


def parts_of(message: Card | str) -> tuple[Part, ...]:
    """What a message consists of, from top to bottom."""
    if isinstance(message, str):
        first, *others = message.split("\n")
        return ("text", 15.0, 26, (first,)), ("small", 12.5, 19, others)
    details = tuple(part for one in message.details for part in one.split("\n"))
    return ("head", 15.0, 28, (message.header,)), ("text", 15.0, 23, details), ("small", 12.5, 19, message.status)


def picture(language: str, title: str, *messages: Card | str) -> str:
    """Messages below each other, as SVG."""
    inside, top = list[str](), 16
    for message in messages:
        elements, bottom = box(message, top)
        inside += elements
        top = bottom + 12
    height = top + 4
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    drawn = "\n".join(f"    {line}" for line in inside)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">
  <title id="title">{title}</title>
  <style>
{STYLE}
  </style>
  <rect class="ground" width="{WIDTH}" height="{height}" rx="12"/>
  <g lang="{language}">
{drawn}
  </g>
</svg>
"""


def box(message: Card | str, top: int) -> tuple[list[str], int]:
    """A message's elements, and where it ends."""
    lines, y = [], top + 36.0
    for style, size, step, texts in parts_of(message):
        for text in texts:
            face = size * (1.2 if HASH.search(text) else 1.0)  # digits are wider than most
            for line in wrap(plain(text), ROOM, lambda one, face=face: wide(one, face)):  # type: ignore[misc]
                lines.append(f'<text class="{style}" x="{LEFT}" y="{y:g}">{html.escape(line, quote=False)}</text>')
                y += step
        y += 6
    shown = list(buttons(message, y - 14)) if isinstance(message, Card) else []
    lines += [line for _, line in shown]
    height = round(max((bottom for bottom, _ in shown), default=y - 26)) + 20 - top
    card = f'<rect class="card" x="16" y="{top}" width="{WIDTH - 32}" height="{height}" rx="10"/>'
    bar = f'<rect class="bar" x="16" y="{top + 10}" width="6" height="{height - 20}" rx="3"/>'
    return [card, bar, *lines], top + height


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


# ---- giveaways

PRIZES = {
    "en": ("A box of spring oolong", "Ten teas from the first harvest, packed by hand."),
    "zh": ("一箱春茶", "头采的十款茶，手工装箱。"),
}
ENTRANTS = {
    "en": "Mei Oskar Priya Tomás Ingrid Kwame Leila Jonas Sora Aoife Mateo Hana Nils Zofia Ravi Elif Noor".split(),
    "zh": "小满 阿岩 青禾 木子 南风 栗子 知秋 小鹿 云朵 半夏 石头 晚晚 阿布 七月 春和 豆包 子衿 长安".split(),
}
CROWD = {"slack": 97, "discord": 168, "telegram": 83}
GIVEAWAY_TITLES = {
    "giveaway-card": {
        "en": "A giveaway's card with who may enter and its buttons, and below it how it will be drawn",
        "zh": "抽奖卡片：参加条件和按钮；下面一条是如何开奖",
    },
    "giveaway-ticket": {
        "en": "What 🎫 My ticket tells one person: how many tickets, the code, the number on the list, the chance",
        "zh": "“我的奖券”告诉本人的内容：张数、奖券码、名单上的编号、中奖机会",
    },
    "giveaway-result": {
        "en": "The result of a giveaway: winners with their tickets, numbers, and the beacon's value",
        "zh": "抽奖结果：中奖者和奖券编号、人数、信标的值",
    },
}


def giveaway_of(language: str, seed: bytes, round_of: Callable[[float], int]) -> Giveaway:
    """The giveaway that is shown, just opened."""
    prize, about = PRIZES[language]
    needs = Requirements(member_seconds=7 * 86400.0)
    offer = Offer(prize, 3, 10, about, requirements=needs, claim_seconds=2 * 86400.0)
    host, chain, commit = Member("slack", "T", "ana"), fdraw.QUICKNET, fdraw.commitment(seed)
    made = Giveaway(
        7, "w.picture-Tea-1", offer, Stands.SCHEDULED, host, "Ana", language, ROOMS, NOW, commit, chain, opens_at=NOW,
        closes_at=NOW + 2 * 86400.0,
    )  # fmt: skip
    return sure(giving.open(made, NOW, round_of))


def sure(found: Giveaway | Refused) -> Giveaway:
    """What was not refused."""
    if isinstance(found, Refused):
        raise TypeError(found)
    return found


def enter_all(work: Work, giveaway: Giveaway, language: str) -> Entry:
    """Fill the list; the entry that is shown."""
    names, last = ENTRANTS[language], None
    for platform, count in CROWD.items():
        for at in range(count):
            salt = hashlib.sha256(f"{platform} {at}".encode()).digest()[:16]
            member = Member(platform, "T", f"U{at}")
            ticket = fdraw.ticket_of(giveaway.name, address(member), salt)
            kept_out = platform == "discord" and at % 24 == 0
            last = Entry(
                giveaway.id, str(member), member, names[salt[0] % len(names)], f"{platform}:{platform}", ticket, salt,
                1, EntryState.REFUSED if kept_out else EntryState.IN, "member_since" if kept_out else "", at=NOW + at,
            )  # fmt: skip
            work.entries.change(work.entries.get(last.giveaway_id, last.person), last)
    found = work.entries.get(giveaway.id, "discord:T:U1")
    assert found
    return found


def giveaway_pictures(language: str) -> dict[str, str]:
    """Announcement, ticket and result as SVG, by the names of their files."""
    zone = {"en": "Europe/Berlin", "zh": "Asia/Shanghai"}[language]
    settings = Settings.model_validate({"languages": [language], "timezone": zone})
    beacon = make_beacon(settings)
    assert beacon
    desk = make_desk(settings, {}, b"k" * 32, beacon)
    desk = replace(desk, named={f"{one.platform}/community": one for one in ROOMS})
    seed = hashlib.sha256(b"a picture").digest()
    giveaway, engine = giveaway_of(language, seed, beacon.round_at), sa.create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        work = Work(connection, NOW)
        giveaway = replace(giveaway, id=work.giveaways.add(giveaway, seed))
        mine = enter_all(work, giveaway, language)
        ctx, view = Context(work, desk, make_registry()), giveaway_panel.View(language, zone)
        card = giveaway_panel.card(ctx, giveaway, ROOMS[0])
        promise = giveaway_panel.promise(ctx, giveaway, view)
        ticket = "\n".join(entering.ticket_lines(ctx, giveaway, mine, language))
        result = drawn(ctx, giveaway, seed)
    engine.dispose()
    shown = {"giveaway-card": (card, promise), "giveaway-ticket": (ticket,), "giveaway-result": (result,)}
    return {name: picture(language, GIVEAWAY_TITLES[name][language], *some) for name, some in shown.items()}


def drawn(ctx: Context, opened: Giveaway, seed: bytes) -> Card:
    """The result's card, after a freeze and a draw as they are."""
    closed = sure(giving.close(opened, opened.closes_at))
    frozen = sure(giving.freeze(closed, opened.closes_at, lambda at: 0))
    public = replace(frozen, published_at=opened.closes_at + 1)
    ctx.work.giveaways.swap(opened, public)
    entries = ctx.work.entries.list_page(opened.id, "", 1000)
    terms, weight = publishing.terms_of(public), sum(one for _, one in entries)
    freeze = fdraw.Freeze(terms, len(entries), weight, root_of(entries).hex())
    ctx.work.giveaways.freeze(opened.id, freeze.text, freeze.root, freeze.entries, freeze.weight)
    signature = hashlib.sha384(b"a picture").digest()
    value = hashlib.sha256(signature)
    order = fdraw.select(entries, fdraw.draw_key(seed, freeze.hash, value.digest()), terms.count)
    found = BeaconRound(public.chain, public.round, signature.hex(), value.hexdigest(), True)
    giveaway_results.drawn(ctx, public.name, found, order)
    shown = ctx.work.giveaways.get(opened.id)
    assert shown
    return giveaway_results._card(ctx, shown, ROOMS[0])


def main() -> None:
    """Write all of them."""
    for language in ASKED:
        (DOCS / f"poll-card.{language}.svg").write_text(poll_card(language), encoding="utf-8")
        (DOCS / f"poll-result.{language}.png").write_bytes(poll_result(language))
        for name, image in giveaway_pictures(language).items():
            (DOCS / f"{name}.{language}.svg").write_text(image, encoding="utf-8")


if __name__ == "__main__":
    main()
