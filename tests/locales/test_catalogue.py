"""Both catalogues say all that the program asks them for, in their own language, with the same blanks to fill."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from bot.app import make_registry
from bot.domain import eligibility, giveaway_words, giving
from bot.domain.giveaways import RULES, WinState
from bot.domain.giveaways import State as GiveawayState
from bot.domain.polls import REFUSALS, Kind
from bot.domain.ranked import TieRule
from bot.domain.review import DraftState
from bot.domain.roles import Action
from bot.domain.signals import REASONS
from bot.handlers import reviews
from bot.handlers.polls import manage
from bot.locales import LANGUAGES, Catalogue

BOT = Path(__file__).parents[2] / "bot"
TEXTS = Catalogue()
EN, ZH = (TEXTS.keys(language) for language in LANGUAGES)
GROUPS = {key.partition(".")[0] for key in EN}
KEY = re.compile(rf"(?:{'|'.join(sorted(GROUPS))})\.[a-z_{{}}]+(?:\.[a-z_{{}}]+)*")
FILES = (".md", ".toml", ".db", ".key", ".lock", ".jsonl")
PLATFORM_KEY = re.compile(r"(?:slack|discord|telegram|model|clock|beacon)\.[a-z_]+")


@cache
def modules(*folders: str) -> tuple[ast.Module, ...]:
    """The sources below these folders of bot/, or of the modules named so."""
    files = [file for name in folders for file in (BOT / name).rglob("*.py")]
    files += [BOT / name for name in folders if name.endswith(".py")]
    assert files
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


SPEAKING = ("handlers", "operations", "domain/review.py", "doctor.py", "running.py", "cli.py")


def nodes(*folders: str) -> Iterator[ast.AST]:
    return (node for module in modules(*folders) for node in ast.walk(module))


def literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def variants(key: str, language: str) -> list[str]:
    """The text of a key, or all its plural forms."""
    text = TEXTS.keys(language)[key]
    return [text] if isinstance(text, str) else list(text.values())


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def first_words(folder: str, *functions: str) -> set[str]:
    """The first argument of every call of these functions, where it is a literal."""
    calls = (node for node in nodes(folder) if isinstance(node, ast.Call) and called(node) in functions and node.args)
    return {word for call in calls if (word := literal(call.args[0])) is not None}


def constants(folder: str, name: str) -> set[str]:
    """The literals that are assigned to names like this one."""
    found: set[str] = set()
    for node in nodes(folder):
        if not isinstance(node, ast.Assign):
            continue
        targets, values = node.targets[0], node.value
        pairs: Iterable[tuple[ast.expr, ast.expr]] = [(targets, values)]
        if isinstance(targets, ast.Tuple) and isinstance(values, ast.Tuple):
            pairs = zip(targets.elts, values.elts, strict=True)
        for target, value in pairs:
            if isinstance(target, ast.Name) and re.fullmatch(name, target.id) and (word := literal(value)):
                found.add(word)
    return found


def test_both_catalogues_have_the_same_keys() -> None:
    assert EN.keys() ^ ZH.keys() == set()


@pytest.mark.parametrize("key", sorted(EN))
def test_a_chinese_text_is_chinese_and_has_the_same_blanks(key: str) -> None:
    english, chinese = variants(key, "en"), variants(key, "zh")
    assert all(text.strip() for text in english + chinese)
    assert set().union(*map(blanks, english)) == set().union(*map(blanks, chinese))
    words = re.sub(r"\{[^}]*\}", "", english[-1])
    if re.search(r"[A-Za-z]", words):  # signs and numbers alone are the same in every language
        assert not set(english) & set(chinese)
        assert all(re.search(r"[\u4e00-\u9fff]", text) for text in chinese)


@pytest.mark.parametrize("key", sorted(EN))
def test_plural_forms_are_those_of_the_language(key: str) -> None:
    for language, forms in (("en", {"one", "other"}), ("zh", {"other"})):
        text = TEXTS.keys(language)[key]
        assert isinstance(text, str) or text.keys() == forms


def literal_keys() -> set[str]:
    found = {word for node in nodes(*SPEAKING) if (word := literal(node)) and KEY.fullmatch(word)}
    return {word for word in found if not word.endswith(FILES)}


def test_every_key_that_the_program_names_exists() -> None:
    named = literal_keys()
    assert len(named) > 50
    assert named - EN.keys() == set()


def test_every_text_gets_what_its_blanks_need() -> None:
    checked = 0
    for node in nodes(*SPEAKING):
        if not isinstance(node, ast.Call) or called(node) != "say":
            continue
        keys = [word for argument in node.args if (word := literal(argument)) in EN]
        plain = all(keyword.arg for keyword in node.keywords) and not isinstance(node.args[-1], ast.Name | ast.Dict)
        if keys and plain:
            checked += 1
            given = {keyword.arg for keyword in node.keywords}
            assert set().union(*(blanks(text) for text in variants(keys[0], "en"))) <= given, keys[0]
    assert checked > 20


# --- keys that are put together when they are needed ---------------------------------------------------------------

ANNOUNCED = {action.value for action in reviews.FORMS} | {
    *("approve", "claim", "release", "undo", "takeback", "retry", "arrived", "again", "drop"),
    *("snooze", "wake", "escalate"),
}
UNDECIDED = {DraftState.WAITING, DraftState.APPROVED, DraftState.REJECTED}
"""States whose line on the card has a key of its own."""

POLL_RULES = ("ballots", "poll_quotes", "poll_words", "polling")


def giveaway_refusals() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (*eligibility.REFUSALS, *giving.REFUSALS, *giveaway_words.REFUSALS)


COMPOSED = {
    "button.{}": {action.value for action in Action},
    "card.{}": {state.value for state in set(DraftState) - UNDECIDED},
    "state.{}": {state.value for state in DraftState},
    "review.already.{}": {state.value for state in DraftState},
    "reason.{}": set(reviews.REASONS),
    "form.{}.title": {action.value for action in reviews.FORMS},
    "form.{}.text": {action.value for action in reviews.FORMS},
    "prompt.{}": {action.value for action in reviews.FORMS},
    "done.{}": ANNOUNCED,
    "line.{}": ANNOUNCED | {"remove"},
    "line.{}_failed": {"remove", "correct"},
    "help.{}": {command.summary.partition(".")[2] for command in make_registry().commands.values()},
    "manifest.discord.{}": {"intents", "scopes", "permissions", "http"},
    "poll.how.{}": {kind.value for kind in Kind},
    "poll.once.{}": {"single", "multiple", "ranked"},
    "poll.kind.{}": {kind.value for kind in Kind},
    "poll.state.{}": {state.value for state in manage.LISTED},
    "poll.sees.{}": {"anonymous", "named"},
    "poll.numbers.{}": {"live", "hidden"},
    "poll.consent.{}": {"yes", "no", "abstain"},
    "poll.button.{}": {"confirm", "discard", "let_in", "keep_out"},
    "poll.room.{}": {"buttons", "native", "no_native"},
    "poll.done.{}": {"let_in", "keep_out"},
    "poll.signal.{}": {"young_account", "joined_after_opening"},
    "poll.log.{}": first_words("handlers/polls", "log") | {"made", "open", "again", "let_in", "keep_out"},
    "poll.tie.{}": {rule.value for rule in TieRule},
    "poll.rule.{}": {
        f"{known}{rule}" for known in ("", "unknown_") for rule in ("role", "member_since", "account_age")
    },
    "poll.refused.{}": dict(REFUSALS).keys()
    | set().union(*(first_words(f"domain/{name}.py", "Refused") for name in POLL_RULES))
    | first_words("handlers/polls", "Refused"),
    "giveaway.{}": {"sponsor", "cancelled", "paused", "ends"},
    "giveaway.state.{}": {state.value for state in GiveawayState if state is not GiveawayState.PREVIEW},
    "giveaway.button.{}": {
        *("enter", "leave", "ticket", "rules", "claim", "confirm", "discard", "grant", "uphold", "appeal"),
    },
    "giveaway.enter.{}": {"done", "already"},
    "giveaway.rule.{}": set(RULES),
    "giveaway.refused.{}": dict(giveaway_refusals()).keys() | first_words("handlers/giveaways", "Refused"),
    "giveaway.signal.{}": dict(REASONS).keys(),
    "giveaway.form.{}": {"title", "prize", "winners", "ends", "about", "flags", "prompt"},
    "giveaway.delayed.{}": {"late_freeze", "late_message"},
    "giveaway.reroll.{}": {"unclaimed", "erased"},
    "giveaway.appeal.{}ed": {"grant", "uphold"},
    "giveaway.done.{}": {"grant", "uphold"},
    "giveaway.win.{}": {state.value for state in WinState},
    "giveaway.log.{}": first_words("handlers/giveaways", "log") | {"made", "open", "freeze", "draw", "void", "grant"},
    "draft.unusable.{}": first_words("drafting", "Unusable") | {"too_long_answer", "html", "binary"},
}
ELSEWHERE = {"doctor.{}", "doctor.{}.fix"}
"""Composed from what the integrations report: `doctor_keys`."""


def test_no_key_is_put_together_that_is_not_listed_here() -> None:
    found = set()
    for node in nodes(*SPEAKING):
        if isinstance(node, ast.JoinedStr):
            text = "".join(literal(part) or "{}" for part in node.values)
            if KEY.fullmatch(text):
                found.add(text)
    assert found == COMPOSED.keys() | ELSEWHERE


@pytest.mark.parametrize("pattern", sorted(COMPOSED))
def test_every_key_that_is_put_together_exists(pattern: str) -> None:
    words = COMPOSED[pattern]
    assert words
    assert {pattern.format(word) for word in words} - EN.keys() == set()


def test_every_flag_and_reason_of_drafting_has_words() -> None:
    flags = constants("drafting", "FLAG_[A-Z_]+") | {"comment_edited"}
    whys = constants("drafting", "NOT_IN_KNOWLEDGE|NO_ANSWER_TEXT|MODEL_SAYS") | {"knowledge", "instruction", "model"}
    assert len(flags) > 8
    assert len(whys) == 6
    assert {f"flag.{flag}" for flag in flags} - EN.keys() == set()
    assert {f"why.{why}" for why in whys} - EN.keys() == set()


def doctor_keys() -> set[str]:
    found = {word for node in nodes("integrations") if (word := literal(node)) and PLATFORM_KEY.fullmatch(word)}
    status_words = next(
        node.value
        for node in nodes("integrations/openai")
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_STATUS_WORDS"
    )
    assert isinstance(status_words, ast.Dict)
    failures = first_words("integrations/openai", "ModelFailed") | {literal(word) for word in status_words.values}
    return found | {f"model.{word}" for word in failures} | {"review", "roles"}


def test_the_doctor_has_words_and_a_remedy_for_every_fault() -> None:
    keys = doctor_keys()
    assert len(keys) > 20
    wanted = {f"doctor.{key}" for key in keys} | {f"doctor.{key}.fix" for key in keys}
    assert wanted - EN.keys() == set()


def test_a_plural_is_chosen_by_its_count() -> None:
    assert TEXTS.say("en", "inbox.title", count=1) != TEXTS.say("en", "inbox.title", count=2).replace("2", "1")
    assert "3" in TEXTS.say("zh", "inbox.title", count=3)
    with pytest.raises(KeyError):
        TEXTS.say("en", "there.is.no.such.text")
