"""The house as it is drawn: which folders there are, and that everything in them is small enough to read.

The arrows between the folders are contracts of import-linter in pyproject.toml; `./test` checks them.
"""

from __future__ import annotations

import ast
import statistics
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "domain",
    "chat",
    "engine",
    "handlers",
    "drafting",
    "storage",
    "integrations",
    "sandbox",
    "rehearsal",
    "locales",
    "operations",
    "verifier",
}
MODULES = {
    *("__init__", "__main__", "cli", "app", "assembly", "doctor", "outside", "running", "logs"),
    *("charts", "settings", "settings_sections"),
}
PLATFORMS = {"slack", "discord", "telegram"}
SANDBOX_PARTS = PLATFORMS | {"drand", "openai", "page"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def sources() -> dict[Path, ast.Module]:
    files = [file for folder in ("bot", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]
    return {file.relative_to(ROOT): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def folders_of(path: Path) -> set[str]:
    return {one.name for one in path.iterdir() if one.is_dir() and one.name != "__pycache__"}


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@cache
def functions() -> list[tuple[str, int]]:
    """Every function with its length, but not the migrations: they are lists of columns, written once."""
    return [
        (f"{file}:{node.lineno} {node.name}", length(node))
        for file, module in sources().items()
        if "migrations" not in file.parts
        for node in ast.walk(module)
        if isinstance(node, Function)
    ]


def test_the_house_has_these_rooms() -> None:
    assert folders_of(ROOT / "bot") == FOLDERS
    assert {file.stem for file in (ROOT / "bot").glob("*.py")} == MODULES


def test_every_platform_has_a_place_outside_and_a_stand_in() -> None:
    assert folders_of(ROOT / "bot/integrations") >= PLATFORMS
    assert folders_of(ROOT / "bot/sandbox") == SANDBOX_PARTS


def test_tests_mirror_the_house() -> None:
    assert folders_of(ROOT / "tests") <= FOLDERS | {"config", "docs", "faults", "processes", "project"}
    assert folders_of(ROOT / "tests") >= FOLDERS - {"chat"}


def test_the_arrows_cover_the_whole_house() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}
    drawn = {name.strip() for layer in contracts["layers"]["layers"] for name in layer.split("|")}
    assert drawn == (FOLDERS | MODULES) - {"__init__"}
    for platform in folders_of(ROOT / "bot/integrations"):
        others = {f"bot.integrations.{name}" for name in folders_of(ROOT / "bot/integrations")} - {
            f"bot.integrations.{platform}"
        }
        kept_out = set(contracts[f"sdk-{platform}"]["source_modules"])
        assert kept_out == others | {f"bot.{name}" for name in drawn - {"integrations", "__main__"}}


def test_files_are_at_most_400_lines_long() -> None:
    """But the verifier: whoever checks a draw is given one file, with all that it says in both languages."""
    long = {str(file) for file in sources() if len((ROOT / file).read_text(encoding="utf-8").splitlines()) > 400}
    assert long <= {"bot/verifier/verify.py"}


def test_functions_are_short() -> None:
    lengths = sorted(length for _, length in functions())
    assert [name for name, length in functions() if length > 80] == []
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.95)] <= 40


def test_classes_have_at_most_20_methods() -> None:
    """Of the program; a harness of the tests may offer more."""
    for file, module in sources().items():
        if file.parts[0] == "tests":
            continue
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                assert sum(isinstance(one, Function) for one in node.body) <= 20, f"{file} {node.name}"


def test_all_public_names_say_what_they_are_for() -> None:
    for file, module in sources().items():
        if file.parts[0] == "bot":
            for node in [module, *module.body]:
                if isinstance(node, ast.ClassDef | Function) and node.name.startswith("_"):
                    continue
                if isinstance(node, ast.ClassDef | Function | ast.Module):
                    empty = isinstance(node, ast.Module) and not node.body
                    assert empty or ast.get_docstring(node), f"{file} {getattr(node, 'name', '')}"
