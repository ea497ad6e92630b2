"""From a sentence to a poll: by the language model, or without one by taking the sentence's topic."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from bot.chat.ports import Model, ModelFailed
from bot.drafting.characters import strip_invisible
from bot.drafting.prompts import PromptFault, PromptFile, delimiter_for

MAX_SENTENCE = 500
_NAMES = {"en": "English", "zh": "Chinese (simplified)"}
_ASKING = (
    re.compile(
        r"^\s*(?:please\s+)?(?:make|create|start|draft|do)?\s*(?:a|an|the)?\s*poll\s*(?:about|on|for|:)?\s*", re.I
    ),
    re.compile(r"^\s*(?:请|帮我|麻烦)*(?:做|发起|创建|来|建|写|起草)?(?:一个|个)?(?:关于|有关)?"),
)
_TAIL = re.compile(r"\s*(?:的)?(?:投票|问卷|调查)\s*[。.!！?？]*\s*$")

log = logging.getLogger("herald.polls")


class ModelPoll(BaseModel):
    """The shape that a model answers in."""

    model_config = ConfigDict(extra="forbid")

    question: str = Field(description="The poll's question")
    options: list[str] = Field(description="Two to eight options, or none")
    open: bool = Field(description="Whether members should add options themselves")


@dataclass(frozen=True, slots=True)
class Sketch:
    """A question with options; none where members are to add them. `topic` says that no model wrote it."""

    question: str
    options: tuple[str, ...] = ()
    topic: bool = False


@dataclass(frozen=True, slots=True)
class PollDrafter:
    """Drafts polls. Without a model, or when it fails, the topic is asked as an open question."""

    model: Model | None
    prompt: PromptFile | None
    community: str

    async def draft(self, sentence: str, language: str) -> Sketch:
        """What could be asked. Never raises because of the model."""
        sentence = strip_invisible(sentence)[:MAX_SENTENCE]
        if self.model is not None and self.prompt is not None:
            try:
                return await self._asked(self.model, self.prompt, sentence, language)
            except (ModelFailed, PromptFault) as fault:
                log.warning("no poll from the model: %s", fault)
        return Sketch(topic_of(sentence), topic=True)

    async def _asked(self, model: Model, file: PromptFile, sentence: str, language: str) -> Sketch:
        await asyncio.to_thread(file.refresh)
        system, user = file.prompt.render(
            community=self.community,
            language=_NAMES.get(language, "English"),
            delimiter=delimiter_for(sentence),
            sentence=sentence,
        )
        found = await model.complete(system, user, ModelPoll)
        question = " ".join(strip_invisible(found.question).split())
        options = tuple(dict.fromkeys(" ".join(strip_invisible(one).split()) for one in found.options if one.strip()))
        if not question:
            raise ModelFailed("empty")
        return Sketch(question, () if found.open or len(options) < 2 else options)


def topic_of(sentence: str) -> str:
    """What a request is about: `做一个关于新口味的投票` is about `新口味`."""
    topic = _TAIL.sub("", sentence.strip())
    for words in _ASKING:
        topic = words.sub("", topic, count=1)
    return topic.strip(" ，。,.!！:：") or sentence.strip()
