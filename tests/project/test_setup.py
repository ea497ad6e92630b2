"""./run sets itself up: once, again after an interruption or a move, and only in a folder of its own.

The scripts are the real ones; what they set up is a program of three lines with an empty lock: nothing is fetched.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import os, sys\nprint([os.path.dirname(sys.prefix), *sys.argv[1:]])\nsys.exit(len(sys.argv) - 1)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "a project"  # with a space: paths are quoted everywhere
    (root / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "run", root)
    shutil.copy(ROOT / "scripts/environment.sh", root / "scripts")
    (root / "requirements.lock").write_text("# nothing\n", encoding="utf-8")
    (root / "bot").mkdir()
    (root / "bot/__init__.py").write_text("", encoding="utf-8")
    (root / "bot/__main__.py").write_text(PROGRAM, encoding="utf-8")
    return root


def start(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """./run from another folder, with no more of the environment than a login gives, and the Python of these tests."""
    path = f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin"
    told = {"PATH": path, "HOME": str(root.parent), "PIP_NO_INDEX": "1", **environment}
    return subprocess.run(
        [root / "run", *arguments], cwd=root.parent, env=told, capture_output=True, text=True, check=False, timeout=300
    )


def is_current(root: Path) -> bool:
    """What the scripts themselves think of the environment."""
    script = "root=$PWD; . scripts/environment.sh; current requirements.lock"
    return subprocess.run(["sh", "-eu", "-c", script], cwd=root, check=False).returncode == 0


def test_it_is_set_up_once_and_passes_on_arguments_and_exit_code(project: Path) -> None:
    first = start(project, "two words", "b")
    assert first.stdout == f"{[str(project), 'two words', 'b']}\n", "only the program speaks on standard output"
    assert first.returncode == 2
    assert "setting up" in first.stderr
    again = start(project)
    assert again.stdout == f"{[str(project), 'run']}\n"
    assert again.stderr == ""
    herald = subprocess.run([project / ".venv/bin/herald", "x"], capture_output=True, text=True, check=False, cwd="/")
    assert herald.stdout == f"{[str(project), 'x']}\n"


def test_it_is_set_up_again_after_a_new_lock_an_interruption_and_a_move(project: Path) -> None:
    start(project)
    assert is_current(project)
    (project / "requirements.lock").write_text("# something else\n", encoding="utf-8")
    assert not is_current(project)
    (project / "requirements.lock").write_text("# nothing\n", encoding="utf-8")
    assert is_current(project)
    stamp = project / ".venv/herald-requirements.lock"
    stamp.rename(stamp.with_suffix(".away"))  # it is written last, so an interruption leaves none
    assert not is_current(project)
    stamp.with_suffix(".away").rename(stamp)
    moved = project.rename(project.with_name("moved"))
    assert not is_current(moved)
    after = start(moved)
    assert "setting up" in after.stderr
    assert after.stdout == f"{[str(moved), 'run']}\n"


def test_a_folder_that_is_not_its_own_is_left_alone(project: Path) -> None:
    (project / ".venv").mkdir()
    (project / ".venv/kept").write_text("mine", encoding="utf-8")
    refused = start(project)
    assert refused.returncode == 1
    assert "HERALD_VENV" in refused.stderr
    assert (project / ".venv/kept").read_text(encoding="utf-8") == "mine"
    elsewhere = start(project, HERALD_VENV="other")
    assert elsewhere.stdout == f"{[str(project.parent), 'run']}\n"


def test_without_python_it_says_what_to_do(project: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cat", "cmp", "flock"):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    # /usr/bin/python3 is looked for by its path; on a machine that has none, everything is missing.
    script = project / "scripts/environment.sh"
    script.write_text(script.read_text(encoding="utf-8").replace(" /usr/bin/python3;", ";"), encoding="utf-8")
    refused = start(project, PATH=str(tools))
    assert refused.returncode == 1
    assert "Python 3.11 or newer" in refused.stderr
    assert not (project / ".venv").exists()
