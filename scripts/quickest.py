"""For mutmut: the tests that took the shortest come first, since one that fails is enough (`-p scripts.quickest`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TIMES = Path("mutmut-stats.json")
"""Where mutmut keeps how long each test took, in the folder in which it runs them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort them; tests that were never run come first."""
    if TIMES.exists():
        seconds = json.loads(TIMES.read_text(encoding="utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
