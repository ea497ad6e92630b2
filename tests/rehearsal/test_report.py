"""The report compares identities in the journal and the database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.rehearsal.errors import RehearsalError
from bot.rehearsal.report import Percentiles, Report, recompute

from .evidence import Evidence

TEXT = "Back on Friday: <tea> & more, 茶 *now*"


@pytest.fixture(params=["telegram", "slack", "discord"])
def evidence(request: pytest.FixtureRequest, tmp_path: Path) -> Evidence:
    """One question, answered once, and one remark that needs nothing."""
    made = Evidence(tmp_path, request.param)
    made.posted(100.0, "11", "When?")
    made.posted(100.5, "12", "Nice!")
    made.acknowledged(100.75, "11")
    made.acknowledged(100.75, "12")
    made.stored(1, "11", received_at=100.75)
    made.stored(2, "12", received_at=100.75, needs_reply=False)
    made.created(102.0, "21", "card", buttons=("v1|v1x|approve|m", "v1|v1x|reject|m"))
    made.pressed(110.0, "21", "v1|v1x|approve|m")
    made.approved(1, "11", TEXT, "21", 110.1)
    made.created(120.5, "31", TEXT, to="11")
    return made


def report(evidence: Evidence) -> Report:
    return recompute(evidence.write(), evidence.database, undo_seconds=10)


def test_a_rehearsal_without_fault(evidence: Evidence) -> None:
    found = report(evidence)
    assert found.as_json() == {
        "comments": 2, "stored": 2, "needs_reply": 1, "drafted": 1, "carded": 1, "approved": 1, "delivered": 1,
        "duplicated": 0, "lost": 0, "seconds": 20.5,
        "latency_ms": {
            "stored": {"p50": 250.0, "p99": 750.0},
            "carded": {"p50": 2000.0, "p99": 2000.0},
            "delivered": {"p50": 500.0, "p99": 500.0},
        },
    }  # fmt: skip


def test_a_delivery_that_is_deleted_from_the_journal_is_lost(evidence: Evidence) -> None:
    lines = evidence.write().read_text().splitlines(keepends=True)
    evidence.journal.write_text("".join(lines[:-1]))
    found = recompute(evidence.journal, evidence.database)
    assert (found.delivered, found.lost, found.duplicated) == (0, 1, 0)


def test_a_reply_that_is_there_twice_is_a_duplicate(evidence: Evidence) -> None:
    evidence.created(121.0, "32", TEXT, to="11")
    found = report(evidence)
    assert (found.delivered, found.duplicated, found.lost) == (1, 1, 0)


def test_a_second_reply_without_its_thread_is_a_duplicate_too(evidence: Evidence) -> None:
    evidence.created(121.0, "32", TEXT)
    assert report(evidence).duplicated == 1


def test_a_swallowed_reply_is_on_the_platform(evidence: Evidence) -> None:
    evidence.rows[-1]["fault"] = "swallow_reply"
    found = report(evidence)
    assert (found.delivered, found.lost) == (1, 0)


@pytest.mark.parametrize("status", [429, 500, None])
def test_a_refused_reply_is_not_on_the_platform(evidence: Evidence, status: int | None) -> None:
    evidence.rows[-1] |= {"status": status, "fault": "500"}
    assert report(evidence).lost == 1


def test_a_refusal_in_the_answer_is_not_on_the_platform(evidence: Evidence) -> None:
    evidence.rows[-1]["response"]["ok"] = False
    assert report(evidence).lost == 1


def test_a_reply_with_another_text_or_in_another_place_is_none(evidence: Evidence) -> None:
    evidence.rows.pop()
    evidence.created(120.0, "31", TEXT + ".", to="11")
    evidence.created(121.0, "32", TEXT, to="12")
    found = report(evidence)
    assert (found.delivered, found.lost) == (0, 1)


def test_a_comment_that_was_acknowledged_but_not_stored_is_lost(evidence: Evidence) -> None:
    evidence.sql("DELETE FROM comments WHERE id = 2")
    found = report(evidence)
    assert (found.comments, found.stored, found.lost) == (2, 1, 1)


def test_a_comment_that_was_never_acknowledged_is_the_platforms(evidence: Evidence) -> None:
    evidence.posted(130.0, "13")
    assert report(evidence).lost == (1 if evidence.platform == "discord" else 0)


@pytest.mark.parametrize(("status", "lost"), [(200, 1), (500, 0), (None, 0)])
def test_a_delivery_over_http_is_acknowledged_by_its_answer(evidence: Evidence, status: int | None, lost: int) -> None:
    evidence.posted(130.0, "13")
    evidence.answered(130.1, "13", status)
    assert report(evidence).lost == (1 if evidence.platform == "discord" else lost)


def test_redelivered_and_injected_events_are_one_comment_and_none(evidence: Evidence) -> None:
    evidence.posted(130.0, "11")
    evidence.posted(131.0, "99", injected=True)
    assert report(evidence).comments == 2


def test_commands_are_no_comments(evidence: Evidence) -> None:
    evidence.posted(130.0, "14", "/help")
    evidence.acknowledged(131.0, "14")
    found = report(evidence)
    assert (found.comments, found.lost) == (2, 0)


def test_an_undone_approval_owes_nothing(evidence: Evidence) -> None:
    evidence.rows.pop()
    evidence.sql("INSERT INTO decisions VALUES (NULL, 1, 1, 'undo', 'x:y:z', '', 111.0)")
    found = report(evidence)
    assert (found.approved, found.delivered, found.lost) == (0, 0, 0)


def test_a_card_that_was_never_confirmed_is_known_by_its_buttons(evidence: Evidence) -> None:
    evidence.sql("UPDATE cards SET message_id = NULL")
    assert report(evidence).carded == 1
    evidence.sql("DELETE FROM views")
    assert report(evidence).carded == 0


def test_two_equal_replies_to_two_comments_are_two_deliveries(evidence: Evidence) -> None:
    evidence.approved(2, "12", TEXT, "22", 140.0)
    assert report(evidence).lost == 1
    evidence.created(151.0, "33", TEXT, to="12")
    found = report(evidence)
    assert (found.approved, found.delivered, found.duplicated, found.lost) == (2, 2, 0, 0)


def test_percentiles_are_nearest_ranks() -> None:
    assert Percentiles.of([]) == Percentiles(None, None)
    assert Percentiles.of([0.003, 0.001, 0.002]) == Percentiles(2.0, 3.0)
    assert Percentiles.of(n / 1000 for n in range(1, 201)) == Percentiles(100.0, 198.0)


def test_files_that_cannot_be_read_are_told(evidence: Evidence, tmp_path: Path) -> None:
    evidence.write()
    with pytest.raises(RehearsalError, match="no database"):
        recompute(evidence.journal, tmp_path / "none.db")
    with pytest.raises(RehearsalError, match="cannot read the journal"):
        recompute(tmp_path / "none.jsonl", evidence.database)
    evidence.journal.write_text(json.dumps([1]) + "\n")
    with pytest.raises(RehearsalError, match=r"journal\.jsonl:1"):
        recompute(evidence.journal, evidence.database)
    evidence.sql("DROP TABLE drafts")
    with pytest.raises(RehearsalError, match="drafts"):
        recompute(evidence.write(), evidence.database)
