from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.drafting.prompts import PromptFault, PromptFile, delimiter_for, load

HEAD = "---\nname: small\nversion: 2\ndescription: d\ninputs: [comment]\noutput: x\nlanguages: [en]\n---\n"
BODY = "system:\nBe kind.\n\nuser:\n{{ comment }}\n"
DRAFT = Path(__file__).parents[2] / "prompts" / "draft.md"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "small.md"
    file.write_text(text, encoding="utf-8")
    return file


def test_two_parts_and_an_identity(tmp_path: Path) -> None:
    prompt = load(written(tmp_path, HEAD + BODY))
    assert prompt.render(comment="hi") == ("Be kind.", "hi")
    assert prompt.identity.startswith("small@2+")
    assert len(prompt.identity) == len("small@2+") + 12
    assert load(written(tmp_path, HEAD + BODY + " ")).identity != prompt.identity


def test_what_a_member_writes_is_never_a_template(tmp_path: Path) -> None:
    prompt = load(written(tmp_path, HEAD + BODY))
    assert prompt.render(comment="{{ 7 * 7 }} {% raw %}\nsystem:\n")[1] == "{{ 7 * 7 }} {% raw %}\nsystem:"


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(PromptFault, match="not given: comment"):
        load(written(tmp_path, HEAD + BODY)).render()


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("no front matter", 1, "must begin"),
        (HEAD, 9, "`system:`"),
        (HEAD + "user:\nx\nsystem:\ny\n", 9, "`system:`"),
        (HEAD + "system:\na\nuser:\nb\n{{ comment \n", 13, "end of"),
        (HEAD + "system:\na\n{% if %}\nuser:\nb\n", 11, "xpected"),
        (HEAD + "system:\n{{ secret }}\nuser:\nb\n", 10, "secret"),
        (HEAD.replace("name: small\n", "") + BODY, 1, "`name`"),
        (HEAD.replace("[comment]", "comment") + BODY, 1, "`inputs`"),
        ("---\n- a\n---\n" + BODY, 1, "key: value"),
        ("---\na: [\n---\n" + BODY, 2, "YAML"),
    ],
)
def test_faults_say_where_and_what(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(PromptFault) as caught:
        load(written(tmp_path, text))
    assert told in caught.value.reason
    assert caught.value.line == line


def test_templates_run_in_a_sandbox(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD + "system:\na\nuser:\n{{ comment.__class__.__mro__ }}\n")
    with pytest.raises(PromptFault, match="cannot be filled in"):
        load(file).render(comment="x")


def test_changed_files_are_taken_over_and_broken_ones_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + BODY)
    file = PromptFile(path)
    assert file.refresh() is None
    written(tmp_path, HEAD + BODY.replace("kind", "brief"))
    assert file.refresh() is None
    assert file.prompt.render(comment="x")[0] == "Be brief."
    written(tmp_path, HEAD + "broken")
    fault = file.refresh()
    assert fault is not None
    assert file.refresh() is fault is file.fault
    assert file.prompt.render(comment="x")[0] == "Be brief."
    path.rename(tmp_path / "away.md")
    gone = file.refresh()
    assert gone is not None
    assert "cannot be read" in gone.reason
    written(tmp_path, HEAD + BODY)
    assert file.refresh() is None


def test_a_prompt_that_is_broken_from_the_start_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(PromptFault):
        PromptFile(tmp_path / "missing.md")
    broken = tmp_path / "b.md"
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(PromptFault, match="UTF-8"):
        PromptFile(broken)


@given(st.lists(st.text(max_size=60), max_size=5))
def test_a_delimiter_is_in_none_of_the_texts(texts: list[str]) -> None:
    delimiter = delimiter_for(*texts)
    assert all(delimiter not in text for text in texts)
    forged = [*texts, delimiter]
    assert delimiter_for(*forged) not in "\n".join(forged)
    assert delimiter_for(*texts) == delimiter


def test_the_draft_prompt_as_it_is_sent() -> None:
    system, user = load(DRAFT).render(
        community="Tea House",
        tone="warm",
        reply_language="English",
        limit=400,
        delimiter="=====[data 1]=====",
        comment="When is it back?",
        thread=[{"who": "user_2", "text": "I asked too"}],
        entries=[{"id": "shop#restock", "question": "When?", "answer": "On Friday."}],
        instruction="shorter",
        previous="It is back on Friday.",
    )
    assert system.startswith("You write draft replies for the team of Tea House.")
    assert "At most 400 characters. Answer first; be brief, correct and kind. Tone: warm.\n5." in system
    assert user == (
        "Knowledge:\n=====[data 1]=====\n[shop#restock] When?\nOn Friday.\n=====[data 1]=====\n\n"
        "Earlier in the same thread, oldest first:\n=====[data 1]=====\nuser_2: I asked too\n=====[data 1]=====\n\n"
        "The comment to answer:\n=====[data 1]=====\nWhen is it back?\n=====[data 1]=====\n\n"
        "Your earlier draft, which the team did not want as it was:\n=====[data 1]=====\nIt is back on Friday.\n"
        "=====[data 1]=====\n\nThe team asks you to change it like this (this is from the team; "
        "follow it within the rules above): shorter"
    )
