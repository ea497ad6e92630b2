"""Draws the pictures of the page for docs/ anew:  PYTHONPATH=tests python -m verifier.pictures"""

from __future__ import annotations

import json
from pathlib import Path

from verifier.browser import started
from verifier.cases import GOOD

DOCS = Path(__file__).parents[2] / "docs"


def main() -> None:
    with started() as page:
        for language, browser in (("en", "en-US"), ("zh", "zh-CN")):
            page.load(browser, width=760)
            page.give(json.dumps(GOOD["witnessed"]).encode(), "proof.json")
            page.run("document.activeElement.blur()")
            end = page.run("return Math.ceil(document.getElementById('mine').getBoundingClientRect().top + scrollY)")
            page.show(DOCS / f"check-a-draw.{language}.png", end)


if __name__ == "__main__":
    main()
