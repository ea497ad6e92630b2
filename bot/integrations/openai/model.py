"""A `Model` over the chat completions API. The SDK is imported at the first call: it costs more than a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from bot.chat.ports import ModelFailed, SetupFault

if TYPE_CHECKING:
    import openai

T = TypeVar("T", bound=BaseModel)
_log = structlog.get_logger(__name__)

_SHOWN_ERRORS = 5
_STATUS_WORDS = {400: "refused", 401: "unauthorised", 403: "unauthorised", 404: "not_found", 429: "rate_limited"}


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """Where the model is and how long it may take (seconds).

    `total_timeout` bounds a whole call with its retry: the SDK honours a `Retry-After` of up to 120 s. Without a
    `base_url` it is OpenAI itself; without an `api_key`, a local server that wants none.
    """

    model: str
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    request_timeout: float = 20.0
    connect_timeout: float = 3.0
    total_timeout: float = 30.0
    max_retries: int = 1
    max_answer_tokens: int = 2_000
    """More than the longest draft takes; what is cut off there is refused, not shown in part."""


class OpenAIModel:
    """A language model behind an OpenAI-compatible server.

    ModelFailed's words: `timeout`, `unreachable`, `rate_limited`, `unauthorised`, `not_found`, `refused` (the request
    or the answer), `filtered`, `truncated`, `shape`, `server_error`. Neither key nor texts get into errors or logs; for
    `shape`, notes on the exception say what did not fit.
    """

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._client: openai.AsyncOpenAI | None = None

    @property
    def name(self) -> str:
        """The model's name as configured."""
        return self._settings.model

    async def complete(self, system: str, user: str, shape: type[T]) -> T:
        """One answer in the given shape. Raises ModelFailed, always within `total_timeout`."""
        try:
            async with asyncio.timeout(self._settings.total_timeout):
                return await self._parse(system, user, shape)
        except TimeoutError:
            raise ModelFailed("timeout") from None

    async def check(self) -> list[SetupFault]:
        """Ask the server for its models: whether it can be reached, takes our key and has our model."""
        about = {"model": self._settings.model, "url": self._settings.base_url or "https://api.openai.com/v1"}
        try:
            async with asyncio.timeout(self._settings.total_timeout):
                names = await self._models()
        except TimeoutError:
            return [SetupFault("model.timeout", about)]
        except ModelFailed as fault:
            return [] if str(fault) == "not_found" else [SetupFault(f"model.{fault}", about)]
        return [] if not names or self._settings.model in names else [SetupFault("model.unknown", about)]

    async def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _parse(self, system: str, user: str, shape: type[T]) -> T:
        client = await self._connected()
        try:
            completion = await client.chat.completions.parse(
                model=self._settings.model,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
                response_format=shape,
                max_completion_tokens=self._settings.max_answer_tokens,
            )
        except Exception as fault:
            raise _translated(fault) from None  # the SDK's errors carry requests and answers
        if completion.usage is not None:
            _log.info("model_used", model=self.name, tokens=completion.usage.total_tokens)
        message = completion.choices[0].message if completion.choices else None
        if message is None or message.parsed is None:
            raise ModelFailed("refused" if message is not None and message.refusal else "shape")
        return message.parsed

    async def _models(self) -> set[str]:
        client = await self._connected()
        try:
            return {model.id async for model in client.models.list()}
        except Exception as fault:
            raise _translated(fault) from None

    async def _connected(self) -> openai.AsyncOpenAI:
        if self._client is None:
            await asyncio.to_thread(__import__, "openai")
            import openai

            settings = self._settings
            self._client = openai.AsyncOpenAI(
                api_key=settings.api_key or "none",
                base_url=settings.base_url,
                timeout=openai.Timeout(settings.request_timeout, connect=settings.connect_timeout),
                max_retries=settings.max_retries,
            )
        return self._client


def _translated(fault: Exception) -> Exception:
    """The SDK's failure as ModelFailed; what is no failure of the model comes back as it is."""
    import openai

    if isinstance(fault, ValidationError):
        return _misshapen(fault)
    if isinstance(fault, openai.APIStatusError):
        return ModelFailed(_STATUS_WORDS.get(fault.status_code, _by_class(fault.status_code)))
    words: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (openai.LengthFinishReasonError, "truncated"),
        (openai.ContentFilterFinishReasonError, "filtered"),
        (openai.APITimeoutError, "timeout"),
        (openai.APIConnectionError, "unreachable"),
        # what remains is an answer that is not even in the API's own form
        ((openai.OpenAIError, ValueError, TypeError, AttributeError), "shape"),
    )
    return next((ModelFailed(word) for kind, word in words if isinstance(fault, kind)), fault)


def _by_class(status: int) -> str:
    return "server_error" if status >= 500 else "refused"


def _misshapen(fault: ValidationError) -> ModelFailed:
    """Where and how it did not fit; without the values, which are the model's words."""
    failure = ModelFailed("shape")
    errors = fault.errors(include_url=False, include_context=False, include_input=False)[:_SHOWN_ERRORS]
    told = ("{}: {}".format(".".join(map(str, one["loc"])) or "answer", one["msg"]) for one in errors)
    failure.add_note("; ".join(told))
    return failure
