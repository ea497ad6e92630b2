"""The verifier as a program: alone in a folder, as `herald verify`, in the language of the locale."""

from __future__ import annotations

import ast
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.verifier import PAGE, SCRIPT
from bot.verifier import verify as verifier
from bot.verifier.verify import Unreadable, parse
from verifier.cases import WEIGHTED
from verifier.model import Json


def encoded(proof: Json) -> bytes:
    return json.dumps(proof).encode()


def alone(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The one file in an empty folder, without site-packages and without the environment."""
    command = [sys.executable, "-I", "-S", "verify.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_one_file_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "verify.py").write_bytes(SCRIPT.read_bytes())
    (tmp_path / "good.json").write_bytes(encoded(WEIGHTED))
    (tmp_path / "bad.json").write_bytes(encoded(WEIGHTED | {"winners": 4}))
    (tmp_path / "none.json").write_bytes(b"no")
    good = alone(tmp_path, "good.json", LANG="C", PYTHONIOENCODING="ascii")
    assert (good.returncode, good.stderr, good.stdout[:6]) == (0, "", "VALID:")
    bad = alone(tmp_path, "bad.json", "--language", "zh", PYTHONUTF8="1")
    assert (bad.returncode, bad.stderr, bad.stdout[:11]) == (1, "", "INVALID（无效）")
    assert "\n  winners: " in bad.stdout
    assert alone(tmp_path, "none.json").returncode == 2
    assert alone(tmp_path, "missing.json").returncode == 2
    assert alone(tmp_path).returncode == 2
    assert "--ticket" in alone(tmp_path, "--help").stdout


def test_it_is_of_the_standard_library_and_of_python_3_9() -> None:
    source = SCRIPT.read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert {name.split(".")[0] for name in imported} <= {*sys.stdlib_module_names}
    assert not imported & {"tomllib", "socket", "urllib", "http", "subprocess"}
    newer = {"match_case", "TypeAlias", "TryStar"}
    assert not newer & {type(node).__name__ for node in ast.walk(tree)}


def herald(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["verify", *arguments])


def test_the_command_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    for content, code, word in (
        (encoded(WEIGHTED), 0, "VALID"),
        (encoded(WEIGHTED | {"spec": 1}), 1, "INVALID"),
        (b"", 2, "UNREADABLE"),
    ):
        file.write_bytes(content)
        result = herald(str(file), "--language", "en")
        assert (result.exit_code, result.output.split(":")[0]) == (code, word)
        told = json.loads(herald(str(file), "--json").output)
        assert told["verdict"] == word


def test_a_compressed_file_is_read_as_it_is_posted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, packed = tmp_path / "proof.json.gz", gzip.compress(encoded(WEIGHTED))
    for content, code in ((packed, 0), (packed[:-9], 2), (packed[:4] + b"x" * 40, 2), (gzip.compress(b""), 2)):
        file.write_bytes(content)
        assert verifier.run(str(file)) == code
    monkeypatch.setattr(verifier, "LARGEST", 100)
    file.write_bytes(gzip.compress(b" " * 10_000))
    assert verifier.run(str(file)) == 2


def test_the_command_finds_a_ticket_and_tells_programs(tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(encoded(WEIGHTED))
    found = herald(str(file), "--ticket", WEIGHTED["final"][0], "--language", "en")
    assert found.output.splitlines()[-1].endswith("It won.")
    told = json.loads(herald(str(file), "--ticket", WEIGHTED["order"][1], "--json").output)
    assert told["level"] == "public beacon"
    assert told["ticket"]["state"] == "rerolled"


def test_the_command_hands_out_what_others_need(tmp_path: Path) -> None:
    page, script = tmp_path / "page.html", tmp_path / "script.py"
    assert herald("--page", str(page), "--script", str(script)).exit_code == 0
    assert page.read_bytes() == PAGE.read_bytes()
    assert script.read_bytes() == SCRIPT.read_bytes()
    assert herald().exit_code == 2
    assert herald("--page", str(tmp_path)).exit_code == 2


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "zh_TW"}, "zh"),
    ],
)
def test_it_speaks_the_language_of_the_locale(environment: dict[str, str], language: str) -> None:
    assert verifier.language_of(environment) == language


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "LARGEST", 100)
    file = tmp_path / "proof.json"
    file.write_bytes(b" " * 101)
    with pytest.raises(Unreadable, match="large"):
        parse(file.read_bytes())
    assert verifier.run(str(file)) == 2
