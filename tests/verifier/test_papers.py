"""The pages "How to check a draw" say what is so: their examples are computed, their commands and words exist."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bot.verifier import PAGE, SCRIPT
from bot.verifier.verify import words
from verifier import model

ROOT = Path(__file__).parents[2]
PAPERS = {
    language: (ROOT / f"docs/check-a-draw.{language}.md").read_text(encoding="utf-8") for language in ("en", "zh")
}


def blocks(language: str) -> list[str]:
    return re.findall(r"^```\n(.*?)^```$", PAPERS[language], re.MULTILINE | re.DOTALL)


def computed(lines: str, folder: Path) -> str:
    """What the lines of a paper print when somebody types them."""
    xxd = folder / "xxd"  # not every machine has it
    xxd.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))\n", encoding="utf-8"
    )
    xxd.chmod(0o755)
    told = {"PATH": f"{folder}:/usr/bin:/bin"}
    run = subprocess.run(
        ["/bin/sh", "-eu", "-c", lines], cwd=folder, env=told, capture_output=True, text=True, check=True
    )
    return run.stdout.split()[0]


@pytest.mark.parametrize("language", PAPERS)
def test_what_is_typed_gives_what_is_printed(language: str, tmp_path: Path) -> None:
    found = [computed(block, tmp_path) for block in blocks(language) if "sha256sum" in block]
    freeze, commit, ticket = found
    assert freeze == hashlib.sha256((tmp_path / "freeze.txt").read_bytes()).hexdigest()
    assert ticket[:32] == model.ticket("g-ten", "discord:80351110224678912", bytes(range(16)))
    for number in (freeze, commit, ticket[:32]):
        assert f"`{number}`" in PAPERS[language]


@pytest.mark.parametrize("language", PAPERS)
def test_the_commands_and_their_options_exist(language: str) -> None:
    known = subprocess.run([sys.executable, SCRIPT, "--help"], capture_output=True, text=True, check=True).stdout
    known += (ROOT / "bot/cli.py").read_text(encoding="utf-8")
    lines = re.findall(r"(?:python3 verify\.py|herald verify)[^`\n]*", PAPERS[language])
    assert len(lines) >= 5
    for option in {option for line in lines for option in re.findall(r"--\w+", line)}:
        assert option in known or f"{option[2:]}: Annotated" in known
    assert {PAGE.name, SCRIPT.name} <= set(re.findall(r"`(verify\.\w+)`", PAPERS[language]))


@pytest.mark.parametrize("language", PAPERS)
def test_every_answer_is_explained(language: str) -> None:
    explained = re.findall(r"^\| \*\*([^*]+)\*\*", PAPERS[language], re.MULTILINE)
    said = words(language)
    keys = ("VALID", "INVALID", "UNREADABLE", "delayed", "warnings")
    assert len(explained) == len(keys)
    assert all(said[key].startswith(word) for key, word in zip(keys, explained, strict=True))


def test_both_languages_have_the_same_parts() -> None:
    english, chinese = blocks("en"), blocks("zh")
    assert len(english) == len(chinese)
    assert [re.sub(r"您的奖券(编号|码)", "", block) for block in chinese] == [
        re.sub(r"YOUR-(TICKET|CODE)", "", block) for block in english
    ]
    for mark in ("\n## ", "\n| ", "\n- ", "!["):
        assert PAPERS["en"].count(mark) == PAPERS["zh"].count(mark), mark
