"""The drafter that asks a language model, and what happens when that cannot answer."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from pydantic import BaseModel, ConfigDict, Field

from bot.chat.ports import Model, ModelFailed
from bot.drafting.characters import strip_invisible
from bot.drafting.drafter import NOT_IN_KNOWLEDGE, Drafted, Drafter, NeedsHuman, Request, language_flag
from bot.drafting.guards import Guarded, Unusable, guard
from bot.drafting.knowledge import Hit
from bot.drafting.language import UNDETERMINED, identify
from bot.drafting.markup import Links, find_links
from bot.drafting.prompts import PromptFault, PromptFile, delimiter_for

DEADLINE_SECONDS = 40.0
"""For one draft with its one retry; a single call is limited to 30 s by the model itself."""

FAILURES_IN_A_ROW, PAUSE_SECONDS = 3, 30.0
FLAG_MODEL_UNAVAILABLE = "model_unavailable"
FLAG_NO_SOURCE = "no_source"
MODEL_SAYS = "model_says"

_COMMENT_CHARACTERS, _TURN_CHARACTERS, _TURNS, _ENTRY_CHARACTERS, _ENTRIES = 4_000, 800, 12, 3_000, 5
_REASON_CHARACTERS = 200
_LANGUAGE_NAMES = {"en": "English", "zh": "Chinese (simplified)", "ja": "Japanese", "ko": "Korean", "es": "Spanish"}
_log = structlog.get_logger(__name__)


class ModelReply(BaseModel):
    """The shape that a model answers in."""

    model_config = ConfigDict(extra="forbid")

    reply: str = Field(description="The reply, or empty when a person is needed")
    language: str = Field(description="ISO 639-1 code of the reply")
    sources: list[str] = Field(description="Ids of the knowledge entries used")
    needs_human: bool
    reason: str = Field(description="Why a person is needed, in a few words; else empty")


@dataclass(frozen=True, slots=True)
class _Turn:
    who: str
    text: str


class ModelDrafter:
    """Drafts through a model, from the offered entries only, its answer checked and guarded.

    `allowed_domains` are those that the team links to; the links of the offered entries are allowed as well.
    """

    def __init__(
        self,
        model: Model,
        prompt: PromptFile,
        allowed_domains: frozenset[str] = frozenset(),
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._model = model
        self._prompt = prompt
        self._domains = allowed_domains
        self._deadline = deadline_seconds

    async def draft(self, request: Request) -> Drafted | NeedsHuman:
        """One draft. Raises ModelFailed and PromptFault."""
        if not request.hits and not request.instruction:
            return NeedsHuman(NOT_IN_KNOWLEDGE)
        prompt = self._prompt.prompt
        system, user = prompt.render(**_inputs(request))
        try:
            async with asyncio.timeout(self._deadline):
                reply, guarded = await self._ask(system, user, request)
        except TimeoutError as fault:
            raise ModelFailed("timeout") from fault
        if guarded is None:
            return NeedsHuman(MODEL_SAYS, _detail(reply.reason))
        return self._drafted(request, reply, guarded, prompt.identity)

    async def _ask(self, system: str, user: str, request: Request) -> tuple[ModelReply, Guarded | None]:
        """A usable answer, at the second try if need be; without a text when the model wants a person."""
        try:
            return await self._attempt(system, user, request)
        except ModelFailed as fault:
            if str(fault) != "shape":
                raise
            problem = " ".join(getattr(fault, "__notes__", ())) or "not the JSON object that was asked for"
        again = f"{user}\n\nYour last answer could not be used: {problem}. Answer again, with the JSON object only."
        return await self._attempt(system, again, request)

    async def _attempt(self, system: str, user: str, request: Request) -> tuple[ModelReply, Guarded | None]:
        reply = await self._model.complete(system, user, ModelReply)
        if reply.needs_human:
            return reply, None
        guarded = guard(reply.reply, request.cap, request.units, self._links(request.hits))
        if isinstance(guarded, Unusable):
            failure = ModelFailed("shape")
            failure.add_note(f"the reply is unusable ({guarded.reason})")
            raise failure
        return reply, guarded

    def _links(self, hits: Sequence[Hit]) -> Links:
        offered = (find_links(hit.entry.answer) for hit in hits[:_ENTRIES])
        return Links(self._domains, frozenset().union(*offered))

    def _drafted(self, request: Request, reply: ModelReply, guarded: Guarded, identity: str) -> Drafted:
        titles = {hit.entry.id: hit.entry.title for hit in request.hits[:_ENTRIES]}
        sources = tuple((one, titles[one]) for one in dict.fromkeys(reply.sources) if one in titles)
        told = identify(guarded.text)
        language = request.language if told == UNDETERMINED else told
        flags = guarded.flags + language_flag(language, request.language)
        if not sources and not request.instruction:
            flags += (FLAG_NO_SOURCE,)
        return Drafted(guarded.text, language, sources, "model", flags, self._model.name, identity)


class FallbackDrafter:
    """The model first, the embedded drafter when that fails; a model that keeps failing is left alone for a while."""

    def __init__(self, model: Drafter, embedded: Drafter, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._model = model
        self._embedded = embedded
        self._monotonic = monotonic
        self._failures = 0
        self._closed_until = 0.0
        self._failing_since: float | None = None

    async def draft(self, request: Request) -> Drafted | NeedsHuman:
        """The model's draft, or the embedded one with the flag that says so. Never raises ModelFailed."""
        if self._may_try():
            try:
                drafted = await self._model.draft(request)
            except (ModelFailed, PromptFault, TimeoutError) as fault:
                self._failed(fault)
            else:
                self._failures = 0
                self._failing_since = None
                return drafted
        answer = await self._embedded.draft(request)
        return replace(answer, flags=(*answer.flags, FLAG_MODEL_UNAVAILABLE))

    @property
    def failing_for(self) -> float | None:
        """For how many seconds the model has been left alone, or None."""
        return None if self._failing_since is None else self._monotonic() - self._failing_since

    def _may_try(self) -> bool:
        """Whether the model's turn has come; after the pause one request tries while the others still pass by."""
        if self._failures < FAILURES_IN_A_ROW:
            return True
        now = self._monotonic()
        if now < self._closed_until:
            return False
        self._closed_until = now + PAUSE_SECONDS
        return True

    def _failed(self, fault: Exception) -> None:
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            self._closed_until = self._monotonic() + PAUSE_SECONDS
            self._failing_since = self._failing_since or self._monotonic()
        _log.warning("model_failed", reason=str(fault), in_a_row=self._failures)


def _inputs(request: Request) -> dict[str, object]:
    """What the prompt is filled with: bounded, without unseen characters, without names."""
    hide = _Pseudonyms(request.author, *(who for who, _ in request.thread))
    comment = hide.text(strip_invisible(request.comment_text[:_COMMENT_CHARACTERS]))
    thread = [
        _Turn(hide.name(who), hide.text(strip_invisible(text[:_TURN_CHARACTERS])))
        for who, text in request.thread[-_TURNS:]
    ]
    entries = [
        {"id": hit.entry.id, "question": hit.entry.question, "answer": hit.entry.answer[:_ENTRY_CHARACTERS]}
        for hit in request.hits[:_ENTRIES]
    ]
    previous = request.previous or ""
    said = (comment, previous, *(turn.text for turn in thread), *(text for one in entries for text in one.values()))
    return {
        "community": request.community or "this community",
        "tone": request.tone,
        "reply_language": _LANGUAGE_NAMES.get(request.language, "the language of the comment"),
        "limit": request.cap,
        "delimiter": delimiter_for(*said),
        "comment": comment,
        "thread": thread,
        "entries": entries,
        "instruction": request.instruction or "",
        "previous": previous,
    }


class _Pseudonyms:
    """Members' names for a model: `user_1` and so on; the map ends with the request."""

    def __init__(self, *names: str) -> None:
        known = [name for name in dict.fromkeys(names) if name.strip()]
        self._of = {name: f"user_{number}" for number, name in enumerate(known, 1)}
        found = sorted((re.escape(name) for name in known if len(name) > 1), key=len, reverse=True)
        self._names = re.compile(r"(?<!\w)(?:" + "|".join(found) + r")(?!\w)") if found else None

    def name(self, who: str) -> str:
        return self._of.get(who, "user_0")

    def text(self, text: str) -> str:
        return self._names.sub(lambda match: self._of[match[0]], text) if self._names else text


def _detail(reason: str) -> str:
    """A model's reason, fit for a card."""
    guarded = guard(reason, _REASON_CHARACTERS, "codepoints")
    return guarded.text if isinstance(guarded, Guarded) else ""
