"""Logging: one line per event, ids and never texts, secrets masked, control characters escaped."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

_TOKENS = re.compile(
    r"(?<![0-9])\d{5,}:[A-Za-z0-9_-]{20,}|xox[a-z]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+|sk-[A-Za-z0-9_-]{8,}"
    r"|[MNO][A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{20,}"
)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
QUIET = (
    "httpx", "httpx2", "httpcore", "slack_bolt", "slack_sdk", "discord", "telegram", "openai", "aiohttp.access",
    "alembic",
)  # fmt: skip
"""Loggers of others that would quote whole requests: texts, and who is told what."""


class _Masked(logging.Formatter):
    """Masks known secrets and everything that looks like a token; a text cannot begin a line of its own."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = sorted({s for s in secrets if len(s) >= 4}, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """One safe line; a traceback keeps its own lines, indented."""
        text = self._inner.format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _TOKENS.sub("***", text)
        lines = [_CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", line) for line in text.split("\n")]
        return "\n    ".join(lines)


def configure(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send all logging to standard error, as text or as JSON lines."""
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False) if form == "json" else _plain
    )
    inner = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(_Masked(inner, secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _plain(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    trace = event.pop("exception", None)
    line = (
        f"{event['timestamp']} {event['level'].upper():7} {event['logger']}: {_CONTROLS.sub(' ', str(event['event']))}"
    )
    return f"{line}\n{trace}" if trace else line
