"""What a drafter is asked and what it answers, and the drafter that needs no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from bot.domain.text import Units
from bot.drafting.guards import Unusable, guard_knowledge
from bot.drafting.knowledge import Hit, answerable
from bot.drafting.language import UNDETERMINED

FLAG_OTHER_LANGUAGE = "other_language"
FLAG_NEEDS_MODEL = "instruction_needs_model"
NOT_IN_KNOWLEDGE = "not_in_knowledge"
NO_ANSWER_TEXT = "no_answer_text"

_NEAR = 0.85
"""Hits with this share of the best score are as good; among them the comment's language decides."""

_SHORTER = re.compile(
    r"\b(?:shorter|shorten|briefer|brief|concise|less text|too long|cut (?:it )?down|trim)\b"
    r"|更?短(?:一?点|一?些)?|简短|精简|简洁|缩短|太长|太长了|言简意赅",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r".+?(?:[.!?…]+(?=\s|$)|[。！？]+|\n|$)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Request:
    """A draft that is wanted.

    `thread` are the earlier messages of the same thread as (who, text), oldest first; nothing of any other thread may
    be in here. `hits` are what the knowledge base found, best first. With `instruction` and `previous` it is a redo.
    `cap` is in `units`. `author` is the member's name, told to no model.
    """

    comment_text: str
    language: str
    hits: Sequence[Hit]
    cap: int
    units: Units = "codepoints"
    thread: tuple[tuple[str, str], ...] = ()
    instruction: str | None = None
    previous: str | None = None
    author: str = ""
    community: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft. `sources` are (entry id, title); `why` and `flags` are catalogue keys (`why.<word>`, `flag.<word>`)."""

    text: str
    language: str
    sources: tuple[tuple[str, str], ...]
    why: str
    flags: tuple[str, ...]
    drafter: str
    prompt: str | None = None


@dataclass(frozen=True, slots=True)
class NeedsHuman:
    """No draft: a person has to write it. `reason` is a catalogue key (`needs_human.<word>`).

    `detail` are the model's own words about it, fit for a card.
    """

    reason: str
    detail: str = ""
    flags: tuple[str, ...] = ()


class Drafter(Protocol):
    """Something that writes drafts."""

    async def draft(self, request: Request) -> Drafted | NeedsHuman:
        """One draft, or why there is none."""


class EmbeddedDrafter:
    """Answers with the team's own words from the knowledge base; needs no model and no network."""

    name = "embedded"

    async def draft(self, request: Request) -> Drafted | NeedsHuman:
        """The answer of the best entry, or the earlier draft as the instruction wants it."""
        return self.compose(request)

    def compose(self, request: Request) -> Drafted | NeedsHuman:
        """The same at once: nothing here waits for anything."""
        entry = choose(request.hits, request.language).entry if answerable(request.hits) else None
        if request.previous and request.instruction:
            drafted = _revised(request, request.previous)
            return replace(drafted, sources=((entry.id, entry.title),)) if entry else drafted
        if entry is None:
            return NeedsHuman(NOT_IN_KNOWLEDGE)
        guarded = guard_knowledge(entry.answer, request.cap, request.units)
        if isinstance(guarded, Unusable):
            return NeedsHuman(NO_ANSWER_TEXT)
        flags = (*guarded.flags, *language_flag(entry.language, request.language))
        sources = ((entry.id, entry.title),)
        drafted = Drafted(guarded.text, entry.language, sources, "knowledge", flags, self.name)
        return _instructed(drafted, request.instruction) if request.instruction else drafted


def choose(hits: Sequence[Hit], language: str) -> Hit:
    """The best hit, or one nearly as good that is in the wanted language."""
    near = [hit for hit in hits if hit.score >= _NEAR * hits[0].score and hit.entry.language == language]
    return near[0] if near else hits[0]


def language_flag(written: str, wanted: str) -> tuple[str, ...]:
    """The flag for a draft in another language than the comment; nothing where either is not known."""
    known = UNDETERMINED not in (written, wanted)
    return (FLAG_OTHER_LANGUAGE,) if known and written != wanted else ()


def _revised(request: Request, previous: str) -> Drafted:
    """The earlier draft after an instruction. Its text was guarded when it was made or typed."""
    kept = Drafted(previous, request.language, (), "instruction", (), EmbeddedDrafter.name)
    return _instructed(kept, request.instruction or "")


def _instructed(drafted: Drafted, instruction: str) -> Drafted:
    """What can be done without a model: shortening. Everything else leaves the text and says so."""
    shorter = _first_sentences(drafted.text) if _SHORTER.search(instruction) else None
    if shorter is None:
        return replace(drafted, flags=(*drafted.flags, FLAG_NEEDS_MODEL))
    return replace(drafted, text=shorter, why="instruction")


def _first_sentences(text: str) -> str | None:
    """About the first half of the sentences, at least one; None when there is only one."""
    sentences = _SENTENCE.findall(text)
    kept = "".join(sentences[: max(1, len(sentences) // 2)]).strip()
    return kept if kept and kept != text.strip() else None
