"""The papers say what is so: commands, states, links and the picture of a card are those of the program."""

from __future__ import annotations

import html
import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from bot.app import make_registry
from bot.cli import app
from bot.domain.delivery import STEPS
from bot.domain.review import Comment, Draft, DraftState, offered
from bot.drafting.knowledge import Knowledge
from bot.locales import LANGUAGES, Catalogue
from bot.running import PORT

ROOT = Path(__file__).parents[2]
PAPERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
README, CONTRIBUTING, _ = ((ROOT / name).read_text(encoding="utf-8") for name in PAPERS)
CARD = (ROOT / "docs/card.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*PAPERS, *(f"docs/{page.name}" for page in sorted(ROOT.glob("docs/*.md")))])
def test_what_a_paper_links_to_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", text):
        page = (ROOT / name).parent / target if target else ROOT / name
        assert page.exists(), target
        assert not heading or heading in headings(page), heading


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as they are made where it is read: no signs, and "-" for spaces."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def test_the_licence_is_the_one_that_is_said() -> None:
    said = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"]
    assert said == "Apache-2.0"
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def test_the_readme_begins_with_its_two_commands() -> None:
    block = README.partition("```sh\n")[2].partition("```")[0]
    commands = [line.partition("#")[0].strip() for line in block.splitlines()]
    assert commands == ["./run", "./test"]
    for command in commands:
        assert (ROOT / command).stat().st_mode & 0o111 == 0o111


def test_the_readme_knows_every_command_of_the_command_line() -> None:
    command = get_command(app)
    names = set(getattr(command, "commands", {}))
    told = set(re.findall(r"^\| `herald (\w+)", README, re.MULTILINE))
    assert names
    assert told == names


def test_the_readme_knows_every_command_in_chat() -> None:
    names = set(make_registry().commands)
    table = README.partition("In chat, for the team")[2].partition("## ")[0]
    assert set(re.findall(r"`/(\w+)", table)) == names


def test_the_page_is_where_the_readme_says() -> None:
    assert set(re.findall(r"http://127\.0\.0\.1:(\d+)", README)) == {str(PORT)}


def test_deliveries_move_as_written() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \| (\w+) \|", CONTRIBUTING, re.MULTILINE)
    written = {
        step: (set(sources.split(", ")), target) for step, sources, target in rows if step not in {"step", "folder"}
    }
    assert written == {
        step.value: ({state.value for state in sources}, target.value) for step, (sources, target) in STEPS.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_picture_shows_a_card_as_it_is(language: str) -> None:
    picture = re.search(rf'<g lang="{language}">(.*?)</g>', CARD, re.DOTALL)
    assert picture
    shown = [html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", picture[1])]
    texts = Catalogue()
    draft = Draft(1, 1, DraftState.WAITING, "text")
    labels = [texts.say(language, f"button.{action.value}") for action in offered(draft, Comment(1, "text"))]
    assert shown[-len(labels) - 1 :] == [*labels, texts.say(language, "button.open")]
    question = shown[1]
    entry = Knowledge(ROOT / "config/knowledge").search(question)[0].entry
    body = "".join(shown).replace(" ", "")
    assert entry.answer.replace(" ", "") in body
    for part in (
        texts.say(language, "card.draft", version=1),
        texts.say(language, "card.why", why=texts.say(language, "why.knowledge")),
        texts.say(language, "card.sources", names=entry.title),
        texts.say(language, "card.no_flags"),
        texts.say(language, "card.length", used=len(entry.answer), cap=1500),
        texts.ago(language, 180),
    ):
        assert part.replace(" ", "") in body
