"""The page in a real browser: the same verdict as the Python file on everything, and usable by everybody."""

from __future__ import annotations

import base64
import copy
import gzip
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from bot.verifier import PAGE
from bot.verifier.verify import Report, Unreadable, as_json, find, verify, words
from verifier import cases, model
from verifier.browser import CONTRAST, Browser, started
from verifier.cases import WEIGHTED

SOURCE = PAGE.read_text(encoding="utf-8")
TEXTS: dict[str, dict[str, str]] = json.loads(
    SOURCE.partition('<script type="application/json" id="texts">')[2].partition("</script>")[0]
)
FILES: dict[str, bytes] = {
    **{f"good: {name}": json.dumps(proof).encode() for name, proof in cases.GOOD.items()},
    **{f"delayed: {name}": json.dumps(proof).encode() for name, (proof, _, _) in cases.DELAYED.items()},
    **{f"good: {name}": data for name, data in cases.STILL_GOOD},
    **{f"forged {field}: {what}": cases.forge(act) for field, what, act in cases.FORGED},
    **{f"written {field}: {what}": data for field, what, data in cases.WRITTEN},
    **{f"unreadable: {name}": data for name, data in cases.UNREADABLE},
}
GOOD = FILES["good: weighted and re-rolled"]


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    with started() as browser:
        browser.load()
        yield browser
        assert [one for one in browser.log() if "Content Security Policy" not in one["message"]] == []


@pytest.fixture(scope="module")
def judged(opened: Browser) -> dict[str, dict[str, Any]]:
    """What the page says of every file: all go through one page, one after the other."""
    return dict(zip(FILES, opened.give_all(FILES), strict=True))


@pytest.fixture
def page(opened: Browser) -> Browser:
    opened.load()
    return opened


def expected(data: bytes) -> dict[str, Any]:
    """What the Python verifier says."""
    try:
        told = as_json(verify(data), None)
    except Unreadable as error:
        return {"unreadable": error.args[0]}
    told.pop("ticket")
    return dict(json.loads(json.dumps(told)))


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_the_page_says_what_the_file_says(judged: dict[str, dict[str, Any]], name: str) -> None:
    wanted, said = expected(FILES[name]), judged[name]
    if "unreadable" in wanted:
        assert (said.get("verdict"), said["unreadable"]) == (None, wanted["unreadable"])
        assert said["says"].startswith("UNREADABLE: ")
        return
    assert {key: said["verdict"][key] for key in wanted} == wanted
    assert said["says"].startswith(wanted["verdict"] + ":")
    shown = " ".join(said["details"].split())
    for fault in [*wanted["faults"], *wanted["delayed"], *wanted["warnings"]]:
        args = [words("en").get(f"why.{arg}", arg) for arg in fault["args"]]
        line = f"{fault['field']}: {words('en')[fault['reason']].format(*args)}"
        assert " ".join(line.split()) in shown
    if wanted["verdict"] == "VALID":
        eye = Report("en").by_eye(verify(FILES[name]).proof)
        assert all(" ".join(line.split()) in shown for line in eye)


def test_a_compressed_file_is_read_as_it_is_posted(opened: Browser) -> None:
    packed = gzip.compress(json.dumps(model.prove("g-ten", (1, 0), cases.people(3), cases.DRAND, [])).encode())
    assert opened.give(packed, "proof.json.gz")["verdict"]["verdict"] == "VALID"
    assert opened.give(packed[:-9], "proof.json.gz")["unreadable"] == "file"


def test_a_list_of_many_thousands(opened: Browser) -> None:
    entries = [(f"{number:032x}", number % 5 + 1) for number in range(9001)]
    proof = model.prove("g-ten", (3, 0), entries, cases.DRAND, [])
    said = opened.give(json.dumps(proof).encode())
    assert said["verdict"]["verdict"] == "VALID"
    assert said["verdict"]["proof"]["final"] == proof["final"]
    proof["entries"][9000][1] += 1
    assert opened.give(json.dumps(proof).encode())["verdict"]["faults"][0]["field"] == "entries"


@pytest.mark.parametrize("silent", [False, True])
def test_without_workers_the_page_does_it_itself(page: Browser, silent: bool) -> None:
    nothing = "class { postMessage() {} terminate() {} }"  # as where a policy forbids it: no answer, and no error
    page.run(f"Worker = arguments[0] ? {nothing} : undefined; patience = 1", silent)
    for name in ("good: many", "forged seed: another", "unreadable: cut off"):
        said, wanted = page.give(FILES[name]), expected(FILES[name])
        assert {key: (said.get("verdict") or said)[key] for key in wanted} == wanted
    assert page.run("return engine.end.toString()").startswith("end()")


def test_a_wrong_sha_256_of_its_own_is_noticed(page: Browser) -> None:
    page.run("Worker = undefined; K[17] ^= 1")
    said = page.give(GOOD)
    assert "SHA-256 differs" in said["error"]
    assert page.text("#verdict").startswith("UNREADABLE")


def test_what_it_cannot_check_is_not_called_valid(page: Browser) -> None:
    page.run("open({name: 'large.json', size: LARGEST + 1})")
    assert page.text("#verdict") == "UNREADABLE: the file is larger than 256 MB."
    page.run("Object.defineProperty(crypto, 'subtle', {value: undefined, configurable: true})")
    assert page.give(GOOD)["unreadable"] == "insecure"
    assert page.run("return document.documentElement.dataset.verdict") == "UNREADABLE"


def test_the_newest_file_is_the_one_that_is_shown(page: Browser) -> None:
    page.run("open(new File(['x'.repeat(1e6)], 'first.json'))")
    assert page.give(GOOD, "second.json")["name"] == "second.json"
    assert page.text("#status") == "second.json"


def test_the_vectors_of_the_description(page: Browser) -> None:
    told = page.driver.execute_async_script("""
        const done = arguments[0];
        (async () => {
          const numbers = stream(await keyOf(new Uint8Array(32)));
          const used = [];
          const next = async () => { const one = await numbers.next(); used.push(one); return one; };
          const drawn = [];
          for (let n = 0; n < 4; n += 1) drawn.push(await below({next}, 2n ** 63n + 1n));
          done([
            toHex(await sha256("fdraw/1/seed\\0", new Uint8Array(32))),
            await rootOf([["a", 1], ["b", 2], ["c", 3]], async () => {}),
            used.length, ...drawn,
          ]);
        })();
    """)
    assert told[:3] == [
        "8167192de00ecc6293b532d09dc7481c1fc016980ffecbe71b960ed14b023530",
        "4bb9b03a64e31d97d0c713ce0e29fa4f0244c6e780a8289b3b1841672787f156",
        6,
    ]
    numbers = [3270930358469413812, 3017629937970033028, 3469784327312447223, 860928322711198325]
    assert [float(one) for one in told[3:]] == [float(one) for one in numbers]


# --- nothing goes out, nothing comes in ------------------------------------------------------------------------------


def test_the_policy_lets_in_exactly_what_is_in_the_page() -> None:
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', SOURCE)
    assert policy

    def digests(tag: str) -> list[str]:
        inline = re.findall(rf"<{tag}(?: id=\"core\")?>(.*?)</{tag}>", SOURCE, re.DOTALL)
        return [f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in inline]

    assert policy[1].split("; ") == [
        "default-src 'none'",
        " ".join(["script-src", *digests("script")]),
        " ".join(["style-src", *digests("style")]),
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ], "after a change of the page: put these into its Content-Security-Policy"


def test_nothing_can_be_fetched_or_made_to_run(page: Browser) -> None:
    refused = page.driver.execute_async_script("""
        const done = arguments[0], refused = [];
        addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
        const image = new Image();
        image.src = "http://127.0.0.1:9/x.png";
        document.body.append(image);
        const script = document.createElement("script");
        script.textContent = "globalThis.ran = true";
        document.body.append(script);
        document.body.setAttribute("onclick", "globalThis.ran = true");
        document.body.click();
        fetch("http://127.0.0.1:9/").catch(() => setTimeout(() => done([refused.sort(), globalThis.ran ?? false]), 50));
    """)
    assert refused == [["connect-src", "img-src", "script-src-attr", "script-src-elem"], False]
    assert not re.search(r"<(link|img|iframe|object|embed|form action)|\bsrc=|@import|url\(", SOURCE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function", SOURCE)


def test_what_a_file_says_is_text(page: Browser) -> None:
    evil = "<img src=x onerror='window.ran=1'><script>window.ran=1</script>\u202e\n"
    proof = copy.deepcopy(WEIGHTED)
    proof["rerolls"][0]["reason"] = evil
    links = [
        "javascript:window.ran=1",
        "javascript://x/%0awindow.ran=1",
        "data:text/html,x",
        "https://t.me/c/1/2",
        "http://example.org/a b",
    ]
    proof["witnesses"] = [
        {"what": evil, "platform": evil, "at": evil, "url": url, "beacon": evil, "commit": evil} for url in links
    ]
    assert page.give(json.dumps(proof).encode(), evil)["verdict"]["verdict"] == "VALID"
    assert page.run("return document.querySelectorAll('main img, main script').length") == 0
    hrefs = page.run("return Array.from(document.querySelectorAll('#details a'), (one) => one.getAttribute('href'))")
    value = f"{model.QUICKNET}/public/1003"
    assert hrefs == ["https://t.me/c/1/2", f"https://api.drand.sh/{value}", f"https://drand.cloudflare.com/{value}"]
    assert evil.strip()[:-1] + "\\u202e" in page.text("#details")
    assert "\u202e" not in page.text("body")
    page.give(json.dumps({**proof, evil: 1}).encode())
    assert page.run("return [document.querySelectorAll('main img').length, window.ran ?? 0]") == [0, 0]


# --- for people ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_uses_the_words_of_the_file_and_has_its_own(language: str) -> None:
    own = {key for key in TEXTS[language] if key.startswith(("page.", "step."))} | {"insecure"}
    shared = words(language)
    assert {key: text for key, text in TEXTS[language].items() if key not in own} == {
        key: text for key, text in shared.items() if key != "wrong"
    }
    said = set(re.findall(r'(?:say\(|data-text=)"([\w.]+)"', SOURCE))
    assert said <= set(TEXTS[language])
    steps = {
        f"step.{step}{end}" for step in re.findall(r'^  \["(\w+)", \[', SOURCE, re.MULTILINE) for end in ("", ".text")
    }
    marks = {f"page.{state}" for state in ("right", "wrong", "open")}
    assert own - said - {"insecure"} == steps | marks | {"step.beacon.none.text"}
    assert set(TEXTS["en"]) == set(TEXTS["zh"])


@pytest.mark.parametrize(("browser", "language"), [("en-GB", "en"), ("de-DE", "en"), ("zh-CN", "zh"), ("zh-TW", "zh")])
def test_it_begins_in_the_browsers_language(opened: Browser, browser: str, language: str) -> None:
    opened.load(browser)
    assert opened.text("h1") == TEXTS[language]["page.title"]
    assert opened.run("return document.documentElement.lang").startswith(language)


def test_the_language_can_be_changed_at_any_time(page: Browser) -> None:
    page.give(FILES["delayed: another round"])
    for language in ("zh", "en"):
        page.find(f"button[data-language={language}]").click()
        text = page.text("body")
        for key in ("VALID", "delayed", "rule", "limits", "compare", "page.foot", "step.draw.text"):
            assert TEXTS[language][key] in text
        assert page.find(f"button[data-language={language}]").get_attribute("aria-pressed") == "true"
        assert page.driver.title == TEXTS[language]["page.title"]


@pytest.mark.parametrize("name", ["drand", "none", "bitcoin", "another chain", "without links", "any witnesses"])
def test_every_good_proof_is_explained(page: Browser, name: str) -> None:
    page.give(FILES[f"good: {name}"])
    proof = cases.GOOD[name]
    text = page.text("main")
    report = Report("en").by_eye(verify(FILES[f"good: {name}"]).proof)
    assert all(line.strip() in text for line in report)
    assert TEXTS["en"][proof["beacon"]["type"]] in text
    for wanted in (*proof["order"], proof["seed"], proof["freeze_text"].strip(), proof["freeze_hash"]):
        assert wanted in text
    assert (TEXTS["en"]["step.beacon.none.text"] in text) == (name == "none")


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("good: drand", "right right right right right right right"),
        ("forged winners: true", "wrong open open wrong open open open"),
        ("forged winners: one more", "right right right wrong right open open"),
        ("forged seed: another", "right wrong right right right open open"),
        ("forged entries: a weight", "right right wrong right right open open"),
        ("forged beacon.value: another", "right right right right wrong open open"),
        ("forged order: two swapped", "right right right right right wrong open"),
        ("forged rerolls[0].out: no winner", "right right right right right right wrong"),
    ],
)
def test_every_step_says_how_it_went(opened: Browser, name: str, states: str) -> None:
    opened.give(FILES[name])
    assert (
        opened.run("return Array.from(document.querySelectorAll('#steps > li'), (one) => one.className)")
        == states.split()
    )
    marks = opened.run("return Array.from(document.querySelectorAll('#steps .mark'), (one) => one.textContent)")
    assert [mark.partition(" ")[2] for mark in marks] == [TEXTS["en"][f"page.{state}"] for state in states.split()]


def test_a_member_finds_their_ticket(page: Browser) -> None:
    page.give(GOOD)
    verdict = verify(GOOD)
    number = next(
        n for n in range(10) if model.ticket("g-ten", f"discord:{n}", n.to_bytes(16, "big")) == WEIGHTED["final"][0]
    )
    code = number.to_bytes(16, "big").hex()
    asked = [
        *((name, "") for name, _ in WEIGHTED["entries"]),
        (code, f"discord:{number}"),
        (code, ""),
        (f"Your ticket code: `{code}`, you are discord:{number}.", ""),
        ("no ticket", ""),
        ("0" * 32, "discord:1"),
    ]
    for ticket, member in asked:
        wanted = Report("en").ticket(verdict, find(verdict.proof, ticket, member))
        page.run(
            "ticket = null; renderTicket(); $('ticket').value = arguments[0]; $('member').value = arguments[1]",
            ticket,
            member,
        )
        page.find("#search button").click()
        page.driver.execute_async_script("""
            const done = arguments[0], found = $("found");
            const look = () => found.textContent ? done() : setTimeout(look, 5);
            look();
        """)
        assert page.text("#found") == wanted.strip()
    page.give(FILES["forged winners: true"])
    assert page.find("#mine").get_attribute("hidden") is not None


def test_the_keyboard_is_enough(page: Browser, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(GOOD)

    def tab() -> Any:
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        return page.driver.switch_to.active_element

    page.find("body").send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "English"
    chinese = tab()
    assert chinese.text == "中文"
    chinese.send_keys(Keys.SPACE)
    picker = tab()
    assert picker.accessible_name == TEXTS["zh"]["page.pick"]
    picker.send_keys(str(file))
    page.driver.execute_async_script(
        "const done = arguments[0]; const look = () => shown.state === 'done' ? done() : setTimeout(look, 5); look();"
    )
    heading = page.driver.switch_to.active_element
    assert heading.text.startswith("VALID"), "what came out is read out"
    reached = [tab() for _ in range(5)]
    assert [one.aria_role for one in reached] == ["link", "link", "textbox", "textbox", "button"]
    assert [one.accessible_name for one in reached[2:]] == [
        TEXTS["zh"][f"page.{key}"] for key in ("ticket", "member", "search")
    ]
    reached[2].send_keys(WEIGHTED["final"][0], Keys.ENTER)
    page.driver.execute_async_script(
        "const done = arguments[0]; const look = () => $('found').textContent ? done() : setTimeout(look, 5); look();"
    )
    assert page.text("#found").endswith(TEXTS["zh"]["winner"])


def test_screen_readers_are_told(page: Browser) -> None:
    assert page.run("return Array.from(document.querySelectorAll('[role=status]'), (one) => one.id)") == [
        "status",
        "found",
    ]
    page.give(GOOD)
    levels = page.run("return Array.from(document.querySelectorAll('h1, h2, h3'), (one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert page.find("#result").accessible_name.startswith("VALID")
    assert page.find("nav").accessible_name == "Language / 语言"


def test_a_file_can_be_dropped(page: Browser) -> None:
    said = page.give(GOOD, drop=True)
    assert said["verdict"]["verdict"] == "VALID"
    assert said["kept"], "the browser does not open the file in place of the page"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["good: witnessed", "forged commit: another", "delayed: another list"])
def test_it_fits_a_phone_and_can_be_read_by_day_and_by_night(opened: Browser, name: str, scheme: str) -> None:
    opened.load(scheme=scheme, width=320)
    opened.give(FILES[name])
    assert opened.run("return document.documentElement.scrollWidth") <= 320
    assert opened.run(CONTRAST) >= 4.5
