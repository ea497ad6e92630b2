"""The container is set up by the same steps as ./run, and nothing secret gets into it.

There is nothing here to build a container with, so its recipe is read, and its set-up step is what ./run itself does.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = (ROOT / "run").read_text(encoding="utf-8")
SETUP = (ROOT / "scripts/environment.sh").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile as (word, rest), continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.partition(" ")[0], " ".join(line.partition(" ")[2].split())) for line in lines]


def all_of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_the_environment_is_made_by_the_functions_of_run() -> None:
    step = re.search(r"^prepare (\S+)$", RUN, re.MULTILINE)
    assert step
    assert f"prepare {step[1]}" in " ".join(all_of("RUN"))
    assert ". scripts/environment.sh" in " ".join(all_of("RUN"))
    assert {f"{step[1]} ./", "scripts/environment.sh scripts/environment.sh"} <= set(all_of("COPY"))


def test_nothing_is_installed_past_the_lock() -> None:
    assert not re.search(r"\b(?:pip|apt|apt-get|curl|wget)\b", " ".join(all_of("RUN")))
    installs = re.findall(r"-m pip install[^|]*", SETUP)
    assert len(installs) == 1
    assert {"--require-hashes", "--only-binary", "--requirement"} <= set(installs[0].split())


def test_both_stages_are_the_same_python_and_it_is_new_enough() -> None:
    images = {rest.split()[0] for rest in all_of("FROM")}
    assert len(images) == 1
    found = re.fullmatch(r"python:3\.(\d+)-slim-\w+", images.pop())
    assert found
    assert int(found[1]) >= 11


def test_the_environment_stays_where_it_was_made() -> None:
    place = next(rest.partition("=")[2] for rest in all_of("ENV") if rest.startswith("HERALD_VENV="))
    assert f"--from=build {place} {place}" in all_of("COPY")
    assert f"PATH={place}/bin:$PATH" in " ".join(all_of("ENV"))
    assert set(all_of("WORKDIR")) == {"/app"}, "herald.pth holds the folder in which it was made"


def test_herald_runs_as_nobody_special_and_keeps_its_data_in_a_volume() -> None:
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert all_of("USER") == ["herald"]
    assert all_of("VOLUME") == ["/data"]
    assert "HERALD_DATA_DIR=/data" in " ".join(all_of("ENV"))
    assert all_of("ENTRYPOINT") == ['["herald"]']
    assert all_of("CMD") == ['["run"]']
    assert len(all_of("HEALTHCHECK")) == 1


def test_no_secret_is_baked_in() -> None:
    told = " ".join(all_of("ENV") + all_of("ARG"))
    assert not re.search(r"TOKEN|SECRET|KEY|PASSWORD", told)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert ignored[1] == "*", "what is not named is not sent"
    assert "config/herald.toml" in ignored[ignored.index("!config") :]
    assert sent & {".git", "data", ".venv", "."} == set()


@pytest.mark.parametrize("rest", [rest for rest in all_of("COPY") if not rest.startswith("--from")])
def test_what_is_copied_exists_and_is_sent(rest: str) -> None:
    source = rest.split(maxsplit=1)[0]
    assert (ROOT / source).exists()
    assert f"!{source}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
