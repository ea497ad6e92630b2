"""The locks hold everything the project asks for, by hash, and nothing about the machine they were made on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"


def pins(lock: str) -> dict[Requirement, list[str]]:
    """Every pin of a lock with its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            found[Requirement(requirement)] = hashes
    return found


def versions(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pin in pins(lock):
        found.setdefault(canonicalize_name(pin.name), set()).add(str(pin.specifier).removeprefix("=="))
    return found


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_every_package_is_pinned_by_hash(lock: str) -> None:
    assert pins(lock)
    for pin, hashes in pins(lock).items():
        assert re.fullmatch(r"==[\w.+!]+", str(pin.specifier)), pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), pin


@pytest.mark.parametrize("lock", [RUNTIME, DEVELOPMENT])
def test_a_lock_says_nothing_of_where_it_was_made(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|--trusted-host|(?<![\w.])/\w", text)


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        (RUNTIME, PROJECT["dependencies"]),
        (DEVELOPMENT, PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_a_lock_fits_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    locked = versions(lock)
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in locked, f"run scripts/lock.sh: {name} is not in {lock}"
        assert all(requirement.specifier.contains(version) for version in locked[name]), f"run scripts/lock.sh: {text}"


def test_the_development_lock_holds_the_other_one_pin_for_pin() -> None:
    """On more machines perhaps: what else needs a package there widens the marker behind it."""
    runtime, development = (
        {f"{canonicalize_name(pin.name)}{pin.specifier}": hashes for pin, hashes in pins(lock).items()}
        for lock in (RUNTIME, DEVELOPMENT)
    )
    assert runtime.items() <= development.items()


def test_the_oldest_python_is_the_one_that_set_up_looks_for() -> None:
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(">=3.11")
    assert "sys.version_info < (3, 11)" in (ROOT / "scripts/environment.sh").read_text(encoding="utf-8")
