"""The verifier says VALID to what the literal model made, and names the field in everything else."""

from __future__ import annotations

import ast
import copy
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.verifier import SCRIPT
from bot.verifier import verify as verifier
from bot.verifier.verify import Unreadable, find, read, verify
from verifier import cases, model
from verifier.cases import FORGED, GOOD, STILL_GOOD, UNREADABLE, WEIGHTED, WRITTEN

LANGUAGES = ("en", "zh")


def encoded(proof: model.Json) -> bytes:
    return json.dumps(proof).encode()


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


# --- vectors ---------------------------------------------------------------------------------------------------------


def test_the_vectors_of_the_description() -> None:
    seed = bytes(32)
    commit = "8167192de00ecc6293b532d09dc7481c1fc016980ffecbe71b960ed14b023530"
    assert verifier.sha256(b"fdraw/1/seed\0" + seed).hex() == commit
    root = "4bb9b03a64e31d97d0c713ce0e29fa4f0244c6e780a8289b3b1841672787f156"
    assert verifier.root_of([("a", 1), ("b", 2), ("c", 3)]) == root
    first = [3270930358469413812, 3017629937970033028, 11921919248964636356]
    assert list(itertools.islice(verifier.stream(seed), 3)) == first
    numbers, used = verifier.stream(seed), []
    counted = (used.append(number) or number for number in numbers)  # type: ignore[func-returns-value]
    drawn = [verifier.below(counted, 2**63 + 1) for _ in range(4)]
    assert drawn == [3270930358469413812, 3017629937970033028, 3469784327312447223, 860928322711198325]
    assert len(used) == 6


def test_a_ticket_is_found_by_account_and_code() -> None:
    mine = "5b96eb15383e781f65416a150324e6bc"
    proof = model.prove("g-ten", (1, 0), [(mine, 7)], cases.DRAND, [])
    found = find(verify(encoded(proof)).proof, bytes(range(16)).hex(), "discord:80351110224678912")
    assert found is not None
    assert (found.ticket, found.place, found.weight, found.state) == (mine, 1, 7, "winner")


def test_the_freeze_text_of_the_description() -> None:
    text = (
        "fdraw/1\ngiveaway=g-ten\nwinners=3\nalternates=2\nentries=10\nweight=10\n"
        "root=52fab057b2c30e04aa83afa0b27c0da4b13795e92682f8d8ec6b106e671dcde8\n"
        "commit=120fc91221b9192ba7a2d26ef75d9755c0dad38891c95ea27bfecd5644dba4ae\n"
        f"beacon=drand:{model.QUICKNET}:1003\n"
    )
    digest = "b6357c1f87a08e774822d7eebcfd342353ac710bc3925b2557919ab73e9d4f0d"
    assert hashlib.sha256(text.encode()).hexdigest() == digest
    ours = verifier.freeze_text(read(GOOD["drand"])[0]).splitlines()
    theirs = text.splitlines()
    differing = {line.split("=")[0] for line, other in zip(ours, theirs, strict=True) if line != other}
    assert differing == {"root", "commit"}, "the description does not give its list and its seed"


def test_rounds_have_their_times() -> None:
    proof = read(GOOD["drand"])[0]
    assert proof.due == cases.DUE
    told = {**GOOD["drand"], "witnesses": [{"what": "freeze", "at": cases.DUE - 60}]}
    assert verifier.rule(read(told)[0]) == ("2023-08-23 15:58:33 UTC", 1003, 1003)
    later = {**GOOD["drand"], "witnesses": [{"what": "freeze", "at": cases.DUE - 59.9}, {"what": "freeze", "at": None}]}
    assert verifier.rule(read(later)[0]) == ("2023-08-23 15:58:33 UTC", 1004, 1003)
    assert verifier.rule(read(GOOD["witnessed"] | {"beacon": cases.OTHER_CHAIN})[0]) is None
    assert verifier.rule(read(GOOD["without links"])[0]) is None


# --- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_good_proofs_are_valid(name: str) -> None:
    verdict = verify(encoded(GOOD[name]))
    assert (verdict.word, verdict.faults, verdict.unchecked) == ("VALID", [], [])
    assert (verdict.delayed, verdict.warnings) == ([], [])


@pytest.mark.parametrize(("name", "data"), STILL_GOOD, ids=[name for name, _ in STILL_GOOD])
def test_what_is_written_otherwise_is_still_valid(name: str, data: bytes) -> None:
    assert verify(data).word == "VALID"


@pytest.mark.parametrize(("field", "what", "act"), FORGED, ids=[f"{field}: {what}" for field, what, _ in FORGED])
def test_a_forged_field_is_named_and_no_other(field: str, what: str, act: Callable[[model.Json], None]) -> None:
    verdict = verify(cases.forge(act))
    assert verdict.word == "INVALID"
    named = {fault.field for fault in verdict.faults}
    if what == "none has no chain":  # which of these is wrong cannot be told
        assert named == {"beacon.chain", "beacon.round", "beacon.signature", "beacon.value"}
    else:
        assert named == {field}
    said = "\n".join(verifier.Report("en").verdict(verdict))
    assert said.startswith("INVALID")
    assert f"\n  {field}: " in said


@pytest.mark.parametrize(("field", "what", "data"), WRITTEN, ids=[f"{field}: {what}" for field, what, _ in WRITTEN])
def test_what_readers_could_read_differently_is_invalid(field: str, what: str, data: bytes) -> None:
    verdict = verify(data)
    assert [fault.field for fault in verdict.faults][:1] == [field]
    if field == "proof":
        assert len(verdict.faults) == 1


@pytest.mark.parametrize(("name", "data"), UNREADABLE, ids=[name for name, _ in UNREADABLE])
def test_what_is_no_json_is_unreadable(name: str, data: bytes) -> None:
    with pytest.raises(Unreadable, match="json"):
        verify(data)


def test_two_forgeries_do_not_hide_each_other() -> None:
    proof = copy.deepcopy(WEIGHTED)
    proof["freeze_hash"] = cases.flip(proof["freeze_hash"])
    proof["winners"], proof["seed"] = 4, cases.flip(proof["seed"])
    proof["beacon"] = {**proof["beacon"], "value": "00" * 32}
    verdict = verify(encoded(proof))
    assert {fault.field for fault in verdict.faults} == {"freeze_hash", "winners", "seed", "beacon.value"}
    assert verdict.unchecked == ["order", "rerolls", "final"]


def test_a_list_of_faults_ends() -> None:
    proof = WEIGHTED | {"entries": [[0]] * 3000}
    assert len(verify(encoded(proof)).faults) == 100


@given(st.data())
def test_draws_are_those_of_the_model(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 9), max_size=12))
    sizes = (data.draw(st.integers(1, 6)), data.draw(st.integers(0, 6)))
    entries = [(f"{number:032x}", weight) for number, weight in enumerate(weights)]
    proof = model.prove("g", sizes, entries, cases.DRAND, [])
    for _ in range(data.draw(st.integers(0, 4))):  # whoever has a place may lose it
        if proof["final"]:
            out = proof["order"].index(data.draw(st.sampled_from(proof["final"])))
            before = [{**one, "out": proof["order"].index(one["out"])} for one in proof["rerolls"]]
            proof = model.prove("g", sizes, entries, cases.DRAND, [*before, cases.reroll(out)])
    assert verify(encoded(proof)).faults == []


@given(st.data())
def test_no_change_of_one_byte_is_overlooked(data: st.DataObject) -> None:
    """But in what nothing follows from: who re-rolled, when and why."""
    text = json.dumps(WEIGHTED | {"rerolls": [], "final": WEIGHTED["order"][:3]}).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))
    changed = text[:place] + bytes([other]) + text[place + 1 :]
    try:
        verdict = verify(changed)
    except Unreadable:
        return
    assert verdict.faults or json.loads(changed) == json.loads(text), "only spaces may differ"


# --- what the messages say -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cases.DELAYED)
def test_delays_are_flagged_and_the_proof_still_valid(name: str) -> None:
    proof, delayed, warnings = cases.DELAYED[name]
    verdict = verify(encoded(proof))
    assert verdict.word == "VALID"
    assert [fault.reason for fault in verdict.delayed] == delayed
    assert [fault.reason for fault in verdict.warnings] == warnings
    for language, rule in (("en", "60 seconds"), ("zh", "60 秒")):
        said = "\n".join(verifier.Report(language).verdict(verdict))
        assert ("\nDELAYED" in said) == bool(delayed)
        moved = {"en": "the announcement shows another beacon", "zh": "公告中写着另一个信标"}[language]
        assert (moved in said) == ("announced" in delayed)
        assert (rule in said) == bool(delayed)


def test_the_bots_own_reasons_for_a_delay_are_told_in_words() -> None:
    proof = WEIGHTED | {"witnesses": [{"what": "delayed", "reason": "late_freeze"}]}
    verdict = verify(encoded(proof))
    assert "could not be published in time" in "\n".join(verifier.Report("en").verdict(verdict))
    assert "未能及时公布" in "\n".join(verifier.Report("zh").verdict(verdict))


# --- what people read ------------------------------------------------------------------------------------------------


def test_both_languages_say_everything() -> None:
    english, chinese = (verifier.words(language) for language in LANGUAGES)
    assert list(english) == list(chinese)
    for key in english:
        assert [part for part in "01234" if f"{{{part}}}" in english[key]] == [
            part for part in "01234" if f"{{{part}}}" in chinese[key]
        ], key


def test_every_reason_has_its_words_and_every_word_is_used() -> None:
    source = SCRIPT.read_text(encoding="utf-8")
    for language in ("EN", "ZH"):
        before, _, after = source.partition(f'\n{language} = """')
        source = before + after.partition('"""')[2]
    used = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    assert {key for key in verifier.words("en") if not key.startswith(("what.", "why."))} - used == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", GOOD)
def test_a_verdict_in_words(name: str, language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(encoded(GOOD[name]))
    proof = read(GOOD[name])[0]
    assert verifier.run(str(file), language) == 0
    text = said(capsys)
    assert text.startswith("VALID")
    trusted = {"en": "organiser-trusted", "zh": "信任组织者"}[language]
    assert (trusted in text) == (proof.kind == "none")
    early = {"en": "was sent before the beacon", "zh": "发出的时间早于信标"}[language]
    assert (early in text) == (proof.kind != "none")
    for wanted in (proof.commit, proof.beacon, proof.freeze_hash, *proof.final[:20]):
        assert wanted in text
    mirrors = [f"https://{host}/{proof.chain}/public/1003" for host in ("api.drand.sh", "drand.cloudflare.com")]
    assert all((mirror in text) == (proof.kind == "drand") for mirror in mirrors)
    assert all(str(one["url"]) in text for one in proof.witnesses if one.get("url"))


def test_the_time_before_which_the_freeze_was_sent_stands_there(capsys: pytest.CaptureFixture[str]) -> None:
    lines = verifier.Report("en").by_eye(read(GOOD["witnessed"])[0])
    assert "before the beacon: 2023-08-23 15:59:33 UTC" in lines[3]
    assert lines[5:7] == [
        "  announcement, discord, 2023-08-23 13:29:32 UTC: https://discord.com/channels/1/2/3",
        "  freeze, telegram, 2023-08-23 15:57:53 UTC: https://t.me/c/1/2",
    ]


def test_a_message_without_a_link_is_named() -> None:
    assert "  freeze, slack: C1/17.5" in verifier.Report("en").by_eye(read(GOOD["without links"])[0])


def test_a_file_cannot_speak_with_the_verifiers_voice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\n\x1b[2JVALID\u202e\ud800 {0}"
    proof = copy.deepcopy(WEIGHTED)
    proof["rerolls"][0]["reason"] = evil
    proof["witnesses"] = [{"what": evil, "platform": evil, "at": evil, "url": evil, "commit": evil, "beacon": evil}]
    file = tmp_path / "proof.json"
    for content in (proof, {**proof, evil: 1}):
        file.write_bytes(encoded(content))
        verifier.run(str(file), "en", ticket=proof["rerolls"][0]["out"])
        text = said(capsys)
        assert not set(text) & {"\x1b", "\u202e", "\ud800"}
        assert sum(line.startswith("VALID") for line in text.splitlines()) == (content is proof)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_member_finds_their_ticket(language: str) -> None:
    proof = verify(encoded(WEIGHTED)).proof
    verdict = verify(encoded(WEIGHTED))
    codes = {model.ticket("g-ten", f"discord:{n}", n.to_bytes(16, "big")): n for n in range(10)}
    states: dict[str, list[str]] = {}
    for name, weight in WEIGHTED["entries"]:
        number = codes[name]
        code = number.to_bytes(16, "big").hex()
        pasted = f"Your ticket code is `{code}`, and you are discord:{number}."
        for found in (find(proof, name), find(proof, code, f" discord:{number}\n"), find(proof, pasted)):
            assert found is not None
            assert (found.ticket, found.weight) == (name, weight)
            assert WEIGHTED["entries"][found.place - 1][0] == name
        assert found is not None
        states.setdefault(found.state, []).append(name)
        assert name in verifier.Report(language).ticket(verdict, found)
    assert set(states["winner"]) == set(WEIGHTED["final"])
    assert set(states["rerolled"]) == {one["out"] for one in WEIGHTED["rerolls"]}
    assert {*states["winner"], *states["rerolled"], *states.get("alternate", [])} == set(WEIGHTED["order"])
    assert LOSER in states["lost"]


LOSER = cases.LOSER


def test_a_code_may_be_written_in_groups_and_in_capitals() -> None:
    proof = verify(encoded(WEIGHTED)).proof
    ticket = WEIGHTED["final"][0]
    spaced = "-".join(ticket.upper()[start : start + 4] for start in range(0, 32, 4))
    found = find(proof, spaced)
    assert found is not None
    assert found.state == "winner"


@pytest.mark.parametrize(
    ("text", "member", "state"),
    [
        ("00" * 16, "", "unknown"),
        ("00" * 16, "discord:1", "absent"),
        (model.ticket("g-ten", "discord:1", bytes(16)), "", "unknown"),
        ("no code", "discord:1", None),
        ("ab" * 32, "", None),
        ("", "", None),
    ],
)
def test_whoever_is_not_in_the_list_is_told_so(text: str, member: str, state: str | None) -> None:
    verdict = verify(encoded(WEIGHTED))
    found = find(verdict.proof, text, member)
    assert (found and found.state) == state
    for language in LANGUAGES:
        assert verifier.Report(language).ticket(verdict, found)


def test_an_invalid_file_says_nothing_about_a_ticket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(encoded(WEIGHTED | {"winners": 4}))
    assert verifier.run(str(file), "en", ticket=WEIGHTED["final"][0]) == 1
    assert said(capsys).endswith("The file is INVALID, so it says nothing about your ticket.\n")
