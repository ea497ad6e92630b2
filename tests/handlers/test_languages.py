"""Every text that handlers say, in both languages, in the language of whoever reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from engine.world import failing, on_reply

from bot.chat.messages import OpenForm
from bot.chat.ports import Incoming, Position, Refused, Unclear
from bot.drafting.drafter import Drafted, EmbeddedDrafter, NeedsHuman, Request
from bot.locales import LANGUAGES, Catalogue

from .house import House, channel, living
from .trouble import troubled

CHINESE = re.compile(r"[\u4e00-\u9fff]")


async def test_a_notice_is_in_the_language_of_its_reader(house: House) -> None:
    await house.command("inbox", locale="zh-CN")
    assert house.notices()[-1] == house.told("inbox.empty", "zh")
    await house.command("inbox", locale="en_GB")
    assert house.notices()[-1] == house.told("inbox.empty", "en")
    await house.command("inbox", locale="fr")
    assert house.notices()[-1] == house.told("inbox.empty", "en")


async def test_a_chosen_language_wins(house: House) -> None:
    for word in ("zh", "中文", "zh-CN"):
        await house.command("language", word, locale="en")
        assert house.notices()[-1] == house.told("done.language", "zh")
    await house.command("inbox", locale="en")
    assert house.notices()[-1] == house.told("inbox.empty", "zh")
    await house.command("language", "English", locale="zh")
    assert house.notices()[-1] == house.told("done.language", "en")
    await house.command("language", "klingon")
    assert house.notices()[-1] == house.told("command.usage", usage="/language en|zh")


async def test_a_room_has_its_language_and_the_community_the_first(path: Path) -> None:
    async with living(path, languages=["zh", "en"], channel_languages={"slack/review": "en"}) as house:
        await house.say()
        assert not CHINESE.search(house.card("slack").details[-1])
        assert CHINESE.search(house.card("discord").details[-1])
        await house.command("inbox", "", "slack")
        assert not CHINESE.search(house.notices()[-1].splitlines()[0])
        await house.command("inbox", "", "discord")
        assert CHINESE.search(house.notices("ana", "discord")[-1].splitlines()[0])


def test_both_catalogues_have_the_same_texts_with_the_same_arguments() -> None:
    texts = {language: Catalogue().keys(language) for language in LANGUAGES}
    assert texts["en"].keys() == texts["zh"].keys()
    for key in texts["en"]:
        arguments = {language: fields(texts[language][key]) for language in LANGUAGES}
        assert arguments["en"] == arguments["zh"], key


def fields(text: object) -> set[str]:
    if isinstance(text, str):
        return set(re.findall(r"\{(\w+)\}", text))
    assert isinstance(text, dict)
    return set().union(*(fields(one) for one in text.values()))


class Moody(EmbeddedDrafter):
    """A drafter with every kind of answer."""

    async def draft(self, request: Request) -> Drafted | NeedsHuman:
        if "human" in request.comment_text:
            return NeedsHuman("model_says", "too hard", ("no_source",))
        return await super().draft(request)


async def everything(house: House, language: str) -> None:
    """Every decision, every refusal, every outcome."""
    fates = house.platforms["telegram"].fates
    await house.say()
    await house.fill("edit", {"text": "v2"})
    await house.fill("edit", {"text": ""})
    await house.fill("edit", {"text": "x" * 5000})
    stale = house.button("approve")
    await house.fill("redo", {"text": "shorter"})
    await house.press("approve", payload=stale)
    await house.press("claim")
    await house.press("approve", "discord", "ben")
    await house.press("claim")
    await house.press("approve")
    await house.press("approve", payload=stale)
    await house.press("undo", "discord", "ben")
    fates.append(on_reply(failing(Refused("no rights", "403"))))
    await house.press("approve")
    await house.advance(10)
    await house.command("approve", "1")
    fates.append(on_reply(failing(Unclear("cut off"))))
    await house.press("retry")
    await house.command("approve", "1")
    await house.press("again")
    await house.advance(61)
    await house.command("approve", "1")
    await house.fill("correct", {"text": "better"})
    fates.append(on_reply(failing(Refused("too old", "400"))))
    await house.fill("correct", {"text": "best"})
    fates.append(on_reply(failing(Refused("too old", "400"))))
    await house.press("takeback")
    await house.command("approve", "1")
    await house.command("undo", "1")
    await taking_back_and_dropping(house)
    await comments_that_change(house)
    await asking(house)
    await waiting(house)
    await troubled(house)
    await house.command("status")
    await house.command("status", "seen")
    await looking_up(house)
    await house.command("language", language)


async def taking_back_and_dropping(house: House) -> None:
    fates = house.platforms["telegram"].fates
    await house.say()
    await house.press("approve", draft=2)
    fates.append(on_reply(failing(Unclear("cut off"))))
    await house.advance(10)
    await house.press("arrived", draft=2)
    await house.press("takeback", draft=2)
    await house.say()
    await house.press("approve", draft=3)
    fates.append(on_reply(failing(Unclear("cut off"))))
    await house.advance(10)
    await house.press("drop", draft=3)
    await house.command("approve", "3")
    await house.command("inbox")
    await house.say()
    await house.press("approve", draft=4)
    await house.advance(10)
    await house.press("takeback", draft=4)
    await house.command("approve", "4")
    await house.say()
    await house.fill("reject", {"reason": "legal", "text": "no"}, draft=5)
    await house.command("approve", "5")


async def comments_that_change(house: House) -> None:
    comment = await house.say()
    await house.press("approve", draft=6)
    await house.edit(comment, "a new question?")
    await house.press("approve", draft=6)
    await house.say("By hand.", who="dan", reply_to=comment)
    await house.press("approve", draft=6)
    await house.delete(comment)
    await house.press("approve", draft=6)
    await house.say("I need a human, how does the gear of my bicycle work?")
    await house.command("approve", "7")
    await house.press("claim", draft=7)
    await house.fill("answer", {"text": "mine"}, draft=7)


async def asking(house: House) -> None:
    await house.say()
    for action in ("edit", "answer", "redo", "reject"):
        await house.press(action, "telegram", draft=8)
    await house.command("correct", "4", "telegram")
    await house.press("approve", who="lin", draft=8)
    await house.press("approve", payload="forged")
    await house.door.accept([Incoming("slack:T1", "seen", "raw", None, Position("slack C1", 1))])
    for name, text in (
        ("status", ""), ("inbox", ""), ("pause", ""), ("status", ""), ("resume", ""), ("resume", ""), ("help", ""),
        ("timezone", ""), ("timezone", "tokyo"), ("timezone", ""), ("timezone", "reset"), ("timezone", "x"),
        ("language", "x"), ("nothing", ""), ("approve", "77"), ("approve", "x"), ("draft", "8 shorter"),
    ):  # fmt: skip
        await house.command(name, text)
    await house.command("status", who="lin")
    await house.command("status", platform="telegram", private=True)
    plain = await house.say("Good morning")
    await house.command("draft", f"https://example.org/telegram/{plain}")
    await house.command("inbox")


async def waiting(house: House) -> None:
    await house.say()
    for _ in range(2):
        await house.press("snooze", draft=10)
    await house.command("snooze", "10 2h")
    await house.command("snooze", "10 never")
    await house.command("escalate", "10")
    await house.advance(7200)
    await house.say()
    await house.advance(7200)


async def looking_up(house: House) -> None:
    fates = house.platforms["discord"].fates
    for draft, arrived in ((12, True), (13, False)):
        await house.say(platform="discord")
        await house.press("approve", draft=draft)
        fates.append(on_reply(failing(Unclear("cut off"), after=arrived)))
        await house.advance(10)
        await house.command("approve", str(draft))
        await house.advance(30)
        await house.advance(10)


UNSAID = {
    # said elsewhere: by doctor, manifest and status, by the model's drafter and its guards, or by no state of today
    "button.view", "button.pause", "button.resume", "why.model", "why.no_answer_text", "why.instruction",
    "status.alive", "status.never", "status.oldest", "status.well", "status.gap",
    "card.attachments", "state.drafting", "line.drafting",
    "review.still_drafting", "review.too_late", "review.no_reply", "review.four_eyes", "review.nothing_to_approve",
    "review.already.drafting", "review.already.waiting", "review.already.uncertain", "review.already.failed",
}  # fmt: skip
ELSEWHERE = (
    "link.",
    "poll.",
    "giveaway.",
    "public.",
    "public.",
    "button.poll",
    "button.giveaway",
    "triage.",
    "doctor.",
    "manifest.",
    "database.",
    "status.wants.",
    "alarm.",
    "flag.",
    "draft.unusable.",
    "state.",
    "reason.",
    "prompt.correct",
    "review.",
    "why.",
)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_text_is_said_without_a_fault(path: Path, language: str) -> None:
    others = [one for one in LANGUAGES if one != language]
    review = {"escalation": "slack/help", "sla_minutes": 60}
    channels = {"slack/help": "slack-help"}
    async with living(path, drafter=Moody(), languages=[language, *others], review=review, channels=channels) as house:
        await everything(house, language)
        said = {key for spoken, key in house.texts.said if spoken == language}
        wanted = {
            key
            for key in house.texts.keys(language)
            if key not in UNSAID and not key.startswith(ELSEWHERE) and not key.endswith(".fix")
        }
        assert not wanted - said, sorted(wanted - said)


async def test_a_form_and_its_prompt_ask_the_same(house: House) -> None:
    await house.say()
    opened = await house.press("reject", locale="zh")
    assert isinstance(opened, OpenForm)
    assert [field.key for field in opened.form.fields] == ["reason", "text"]
    assert opened.form.fields[0].choices[0] == ("wrong_fact", house.told("reason.wrong_fact", "zh"))
    assert [label for _, label in opened.form.fields[0].choices] == [
        house.told(f"reason.{word}", "zh") for word, _ in opened.form.fields[0].choices
    ]
    await house.press("reject", "telegram", locale="zh")
    assert house.prompt()[1].text == house.told("prompt.reject", "zh", number=1, name="Ana")
    assert channel("telegram")
