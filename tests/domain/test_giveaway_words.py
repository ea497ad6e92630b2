"""What is read of a typed giveaway, in both languages and any order that people use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.giveaway_words import Asked, read
from bot.domain.giveaways import Refused

DAY = 86400.0


def found(text: str) -> Asked:
    asked = read(text)
    assert isinstance(asked, Asked), (text, asked)
    return asked


HEADS: dict[str, dict[str, Any]] = {
    "2d 3w Tea": {"ends": "2d", "winners": 3},
    "2d 3 Tea": {"ends": "2d", "winners": 3},
    "2d Tea": {"ends": "2d"},
    "Tea": {},
    "30m 2 winners: Tea": {"ends": "30m", "winners": 2},
    "1 winner Tea": {"winners": 1},
    "3 winners 2d Tea": {"ends": "2d", "winners": 3},
    "2 days 3 hours 3w Tea": {"ends": "2 days 3 hours", "winners": 3},
    "1d 12h 2w Tea": {"ends": "1d 12h", "winners": 2},
    "2d,3w,Tea": {"ends": "2d", "winners": 3},
    "3w Tea": {"winners": 3},
    "3w 2w Tea": {"ends": "3w", "winners": 2},
    "3w 2 Tea": {"ends": "3w", "winners": 2},
    "3 weeks Tea": {"ends": "3 weeks"},
    "tomorrow 18:00 3w Tea": {"ends": "tomorrow 18:00", "winners": 3},
    "until friday 9am 2 winners Tea": {"ends": "friday 9am", "winners": 2},
    "ends 2d 3w Tea": {"ends": "2d", "winners": 3},
    "dec 24 18:00 3w Tea": {"ends": "dec 24 18:00", "winners": 3},
    "24 dec 18:00 3w Tea": {"ends": "24 dec 18:00", "winners": 3},
    "2026-12-01 09:00 10w Tea": {"ends": "2026-12-01 09:00", "winners": 10},
    "8 pm 3w Tea": {"ends": "8 pm", "winners": 3},
    "Tea for 3 winners": {"winners": 3},
    "Tea 3w": {"winners": 3},
    "#general @telegram 2d 3w Tea": {"ends": "2d", "winners": 3, "places": ("#general", "@telegram")},
    '2d 3w "Tea"': {"ends": "2d", "winners": 3},
    '2d "Tea" 3w': {"ends": "2d", "winners": 3},
    '"Tea" 3w ends 2d': {"ends": "2d", "winners": 3},
    '"Tea" ends 3w': {"ends": "3w"},
    "“Tea” 结束 3个小时后": {"ends": "3个小时后"},
    '"Tea" 3w staff': {"winners": 3, "staff": True},
    '"Tea" ends tomorrow 9am winners 3': {"ends": "tomorrow 9am", "winners": 3},
    '"tomorrow 9am" 3w Tea': {"ends": "tomorrow 9am", "winners": 3},
    '"tomorrow 9am" 3 "Tea"': {"ends": "tomorrow 9am", "winners": 3},
    '3w "Tea"': {"winners": 3},
    '"Tea" 3w': {"winners": 3},
    "in #tea 'Tea' until 2d": {"ends": "2d", "places": ("#tea",)},
    "2天 3名 Tea": {"ends": "2天", "winners": 3},
    "2天3名 Tea": {"ends": "2天", "winners": 3},
    "２天，３名，Tea": {"ends": "2天", "winners": 3},
    "半小时 两位 Tea": {"ends": "半小时", "winners": 2},
    "2天后截止 十二人 Tea": {"ends": "2天后", "winners": 12},
    "2天 共3个中奖者 Tea": {"ends": "2天", "winners": 3},
    "3个小时 2名 Tea": {"ends": "3个小时", "winners": 2},
    "明天18点 3个 “Tea”": {"ends": "明天18点", "winners": 3},
    "明天18点截止 抽3名 Tea": {"ends": "明天18点", "winners": 3},
    "截止明天18点 3名 Tea": {"ends": "明天18点", "winners": 3},
    "下周五晚上8点 3名 Tea": {"ends": "下周五晚上8点", "winners": 3},
    "12月1日 18:00 3名 Tea": {"ends": "12月1日 18:00", "winners": 3},
    "“明天18点” 3名 Tea": {"ends": "明天18点", "winners": 3},
    "Tea 明天18点截止 3名": {"ends": "明天18点", "winners": 3},
    "Tea 明天 18点 开奖": {"ends": "明天 18点"},
    "Tea 2天后 截止": {"ends": "2天后"},
}


@pytest.mark.parametrize("text", HEADS)
def test_time_winners_and_prize(text: str) -> None:
    assert found(text) == Asked("Tea", **HEADS[text])


PRIZES = [
    "A box of tea, 250 g",
    "Staff mug",
    "Book about tea",
    "The end of the world",
    "Tea from 2 farms",
    "Only the best tea",
    "iPhone 15",
    "Role playing game",
    "Closed beta key",
    "12% off",
    "Tickets for 2 people",
    "5个苹果",
    "一箱茶叶说明书",
    "开奖直播间的茶",
    "地址不限的茶",
    "Ａ级茶 ×2",
    "Ben's tea",
    "Messages in a bottle",
    "茶",
    "𝕿ea 🍵",
]
"""Prizes of which some words could be flags."""


@pytest.mark.parametrize("prize", PRIZES)
def test_a_prize_without_quotes_goes_on_until_the_first_flag(prize: str) -> None:
    alone = found(f"2d 3w {prize}")
    assert (alone.prize, alone.ends, alone.winners) == (prize, "2d", 3)
    assert alone == Asked(prize, 3, "2d")
    assert found(f"2d 3w {prize} in #tea member 7d") == Asked(prize, 3, "2d", places=("#tea",), member_seconds=7 * DAY)
    assert found(f"2天 3名 {prize}，入群满7天") == Asked(prize, 3, "2天", member_seconds=7 * DAY)
    assert found(f'2d 3w "{prize}" staff') == Asked(prize, 3, "2d", staff=True)


def test_a_word_of_time_without_a_time_is_no_flag() -> None:
    assert found("3w The end of the world") == Asked("The end of the world", 3)
    assert found("3w The end of the world end tomorrow") == Asked("The end of the world", 3, "tomorrow")


def test_only_so_many_words_of_a_prize_are_tried_as_flags() -> None:
    """So many words that could begin the flags; behind them it takes one that surely does."""
    words = " ".join(f"staff {letter}" for letter in "abcdefghij")
    assert found(f"2d {words[: -len(' staff j')]} staff") == Asked(words[: -len(" staff j")], 1, "2d", staff=True)
    assert found(f"2d {words} staff") == Asked(f"{words} staff", 1, "2d")
    assert found(f"2d {words} staff in #tea") == Asked(f"{words} staff", 1, "2d", places=("#tea",))


FLAGS: dict[str, dict[str, Any]] = {
    "in #General": {"places": ("#general",)},
    "#general and @telegram slack/tea <#C1|tea> <#123>": {
        "places": ("#general", "@telegram", "slack/tea", "#tea", "#123")
    },
    "在 #general": {"places": ("#general",)},
    "starts tomorrow 9:00": {"starts": "tomorrow 9:00"},
    "明天9点开始": {"starts": "明天9点"},
    "开始 明天 9点": {"starts": "明天 9点"},
    "role @VIP": {"roles": ("@VIP",)},
    'role <@&123> role "Tea Friends" role <@&123>': {"roles": ("<@&123>", "Tea Friends")},
    "role discord:G1:role:R1": {"roles": ("discord:G1:role:R1",)},
    "需要角色 <!subteam^S1|@tea>": {"roles": ("<!subteam^S1|@tea>",)},
    "bonus @VIP +2": {"bonuses": (("@VIP", 2),)},
    'bonus @VIP +2 bonus "Tea Friends" 3 tickets bonus @x x4': {
        "bonuses": (("@VIP", 2), ("Tea Friends", 3), ("@x", 4))
    },
    "加成 @老友 ＋2张": {"bonuses": (("@老友", 2),)},
    "cap 5": {"cap": 5},
    "最多5张票": {"cap": 5},
    "member 7d": {"member_seconds": 7 * DAY},
    "member for 2 weeks": {"member_seconds": 14 * DAY},
    "入群满一周": {"member_seconds": 7 * DAY},
    "account 30d": {"account_seconds": 30 * DAY},
    "account: half an hour": {"account_seconds": 1800.0},
    "账号满30天": {"account_seconds": 30 * DAY},
    "messages 5 in 7d": {"messages": 5, "messages_seconds": 7 * DAY},
    "5 messages in the last 2 weeks": {"messages": 5, "messages_seconds": 14 * DAY},
    "7天内发言5条": {"messages": 5, "messages_seconds": 7 * DAY},
    "最近7天内至少发言五条": {"messages": 5, "messages_seconds": 7 * DAY},
    "poll 12": {"poll": 12},
    "参与投票 #12": {"poll": 12},
    "boosted": {"boosted": True},
    "服务器助力": {"boosted": True},
    "linked": {"linked": True},
    "绑定账号": {"linked": True},
    "cooldown 30d": {"cooldown_seconds": 30 * DAY},
    "cooldown none": {"cooldown_seconds": 0.0},
    "冷却30天": {"cooldown_seconds": 30 * DAY},
    "allow @anna, @bob and <@123>": {"allow": ("@anna", "@bob", "<@123>")},
    "block <@!7> discord:G1:7 in @telegram": {"block": ("<@!7>", "discord:G1:7"), "places": ("@telegram",)},
    'allow "Bob B" block @x': {"allow": ("Bob B",), "block": ("@x",)},
    "黑名单 @甲、@乙": {"block": ("@甲", "@乙")},
    "alternates 5": {"alternates": 5},
    "5 alternates": {"alternates": 5},
    "候补5人": {"alternates": 5},
    "5名候补": {"alternates": 5},
    "alternates 0": {"alternates": 0},
    "claim 24h": {"claim_seconds": DAY},
    "claim 0": {"claim_seconds": 0.0},
    "领奖24小时": {"claim_seconds": DAY},
    "none": {"offline": True},
    "offline": {"offline": True},
    "离线": {"offline": True},
    'sponsor "Acme Inc"': {"sponsor": "Acme Inc"},
    "sponsor Acme": {"sponsor": "Acme"},
    "赞助 “茶叶店”": {"sponsor": "茶叶店"},
    "picture https://x.example/a,b.png?c=1": {"picture": "https://x.example/a,b.png?c=1"},
    "picture <https://x.example/a.png|x.example>": {"picture": "https://x.example/a.png"},
    'image "https://x.example/a.png"': {"picture": "https://x.example/a.png"},
    "图片 https://x.example/a.png": {"picture": "https://x.example/a.png"},
    'about "A fine tea: in #tea, staff"': {"about": "A fine tea: in #tea, staff"},
    "说明 “今年的新茶”": {"about": "今年的新茶"},
    "address": {"address": True},
    "需要地址": {"address": True},
    "staff": {"staff": True},
    "团队可参加": {"staff": True},
    "comments": {"contest": True},
    'comments in #general keyword "tea time" from yesterday 9:00': {
        "contest": True,
        "places": ("#general",),
        "keyword": "tea time",
        "since": "yesterday 9:00",
    },
    "评论 关键词 茶 从昨天9点开始 在 #general": {
        "contest": True,
        "places": ("#general",),
        "keyword": "茶",
        "since": "昨天9点",
    },
}
HOW = ['2d 3w "Tea" {}', "2d 3w Tea {}", "2d 3w Tea, {}", '2d 3w {} "Tea"', "2天 3名 “Tea”，{}"]


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("how", HOW)
def test_every_flag_wherever_it_stands(flag: str, how: str) -> None:
    head = {"ends": "2天" if "天 " in how else "2d", "winners": 3}
    assert found(how.format(flag)) == Asked("Tea", **(head | FLAGS[flag]))


def test_chinese_flags_need_no_spaces() -> None:
    asked = found("2天 3名 一箱茶 入群满7天账号满30天候补5人7天内发言5条离线需要地址")
    assert asked == Asked(
        "一箱茶", 3, "2天", member_seconds=7 * DAY, account_seconds=30 * DAY, alternates=5, messages=5,
        messages_seconds=7 * DAY, offline=True, address=True,
    )  # fmt: skip


def test_everything_at_once() -> None:
    text = (
        '2d 3w "Tea" in #a @telegram starts 1h role @VIP bonus @Old +2 cap 5 member 7d account 30d messages 5 in 7d'
        ' poll 12 boosted linked cooldown 30d block @x alternates 5 claim 24h offline sponsor "S" about "A" address'
        " staff picture https://x.example/a.png"
    )
    assert found(text) == Asked(
        "Tea", 3, "2d", "1h", ("#a", "@telegram"), ("@VIP",), (("@Old", 2),), 5, 7 * DAY, 30 * DAY, 5, 7 * DAY, 12,
        True, True, 30 * DAY, (), ("@x",), 5, DAY, True, "S", "https://x.example/a.png", "A", True, True,
    )  # fmt: skip


def test_texts_are_tidied() -> None:
    assert found('2d 3w "  A\n  box "  about "a\t b"') == Asked("A box", 3, "2d", about="a b")
    assert found("2d\n3w\nA  box\n") == Asked("A box", 3, "2d")


@given(st.lists(st.sampled_from(sorted(FLAGS)), max_size=6, unique=True))
def test_flags_together_say_what_they_say_alone(chosen: list[str]) -> None:
    """In any order; only those that say the same thing twice are refused."""
    wanted: dict[str, Any] = {}
    many = {"places", "roles", "bonuses", "allow", "block"}
    for flag in chosen:
        for name, value in FLAGS[flag].items():
            if name in wanted and name not in many:
                assert isinstance(read('2d 3w "Tea" ' + " ".join(chosen)), Refused)
                return
            wanted[name] = (*wanted.get(name, ()), *value) if name in many else value
    wanted = {
        name: tuple(dict.fromkeys(value)) if name in many - {"bonuses"} else value for name, value in wanted.items()
    }
    asked = read('2d 3w "Tea" ' + " ".join(chosen))
    if isinstance(asked, Refused):
        assert asked.why in {"bonus_twice", "flag_twice"}
    else:
        assert asked == Asked("Tea", 3, "2d", **wanted)
