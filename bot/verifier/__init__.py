"""What anybody can check a draw with: one file for Python, and one page for browsers. They use nothing of the bot."""

from __future__ import annotations

import shutil
from pathlib import Path

SCRIPT = Path(__file__).with_name("verify.py")
"""The whole verifier in one file; needs nothing but Python 3.9."""
PAGE = Path(__file__).with_name("verify.html")
"""The same as a page that needs nothing but a browser."""


def hand_out(page: Path | None, script: Path | None) -> None:
    """Write the page, the script or both to these files, for publishing. Raises OSError."""
    for source, target in ((PAGE, page), (SCRIPT, script)):
        if target is not None:
            shutil.copyfile(source, target)
