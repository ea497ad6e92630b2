"""A real browser without a window, and the page in it. Where the programs are missing, tests are skipped and say so."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from bot.verifier import PAGE

SECONDS = 120
"""How long the page may take for all files that it is given at once."""
GIVE = """
const [files, drop, done] = arguments, root = document.documentElement, heard = [];
const next = () => {
  if (heard.length === files.length) return done(JSON.stringify(heard));
  const [name, data] = files[heard.length];
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const carrier = new DataTransfer();
  carrier.items.add(new File([bytes], name, {type: "application/json"}));
  let kept = false;
  root.dataset.state = "given";
  const watch = new MutationObserver(() => {
    if (root.dataset.state !== "done") return;
    watch.disconnect();
    const text = (id) => document.getElementById(id).innerText;
    heard.push({...shown, kept, says: text("verdict"), details: text("details")});
    setTimeout(next, 0);
  });
  watch.observe(root, {attributes: true});
  if (drop) {
    const dropped = new DragEvent("drop", {dataTransfer: carrier, bubbles: true, cancelable: true});
    kept = !document.body.dispatchEvent(dropped);
  } else {
    const input = document.getElementById("file");
    input.files = carrier.files;
    input.dispatchEvent(new Event("change"));
  }
};
next();
"""
"""Gives the page one file after the other, as the picker or a drop would; returns what it knows and says of each."""
CONTRAST = """
const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
const bright = (color) => numbers(color).slice(0, 3).map((part) => part / 255)
  .map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
  .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
const behind = (node) => {
  const color = getComputedStyle(node).backgroundColor;
  return numbers(color)[3] === 0 ? behind(node.parentElement) : color;
};
const nodes = Array.from(document.querySelectorAll("body, main *, footer *")).filter((node) => node.offsetParent);
return Math.min(...nodes.map((node) => {
  const [a, b] = [bright(getComputedStyle(node).color), bright(behind(node))];
  return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
}));
"""
"""The least contrast of any text with what is behind it, as WCAG 2 counts it."""


class Browser:
    """Chromium with the page open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def load(self, language: str = "en-US", *, scheme: str = "light", width: int = 1000) -> None:
        """Open the page anew, in a browser that is set up like this."""
        agent = {"userAgent": "test", "acceptLanguage": language}
        self.driver.execute_cdp_cmd("Network.setUserAgentOverride", agent)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(PAGE.as_uri())

    def give_all(self, files: dict[str, bytes], *, drop: bool = False) -> list[dict[str, Any]]:
        """Give the page these files in turn. Returns what it found, with `says` and `details` as they can be read."""
        encoded = [[name, base64.b64encode(data).decode()] for name, data in files.items()]
        return list(json.loads(str(self.driver.execute_async_script(GIVE, encoded, drop))))

    def give(self, data: bytes, name: str = "proof.json", *, drop: bool = False) -> dict[str, Any]:
        """The same with one file."""
        return self.give_all({name: data}, drop=drop)[0]

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """The one element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def show(self, file: Path, height: int) -> None:
        """Write a picture of the upper part of the page to a file (PNG)."""
        clip = {
            "x": 0,
            "y": 0,
            "width": self.run("return document.documentElement.clientWidth"),
            "height": height,
            "scale": 1,
        }
        picture = {"format": "png", "captureBeyondViewport": True, "clip": clip}
        file.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", picture)["data"]))

    def log(self) -> list[dict[str, Any]]:
        """What stands in the browser's log by now."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]

    def text(self, selector: str) -> str:
        """What can be read there."""
        return self.find(selector).text


@contextmanager
def started() -> Iterator[Browser]:
    """Start a browser, and end it. Skips where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    for option in (
        "--headless=new",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        *root,
    ):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        chrome.set_script_timeout(SECONDS)
        yield Browser(chrome)
    finally:
        chrome.quit()
