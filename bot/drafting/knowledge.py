"""The team's knowledge: searching it, knowing when it has no answer, and taking over changed files while running."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.drafting.entries import Entry, KnowledgeFault, find_files, load
from bot.drafting.ranking import Document, Index

CONFIDENT = 17.0
"""From this confidence on the best hit is taken for an answer.

Tuned on the development halves of StackFAQ (questions of BANKING77 and CLINC out-of-scope as strangers; knowledge bases
of 125, 100 and 40 entries, with near-domain strangers for the smaller ones) and XQuAD, for nine right answers in ten.
"""

_Signature = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that may answer. `score` orders the hits of one question; `confidence` compares between questions."""

    entry: Entry
    score: float
    confidence: float


@dataclass(frozen=True, slots=True)
class _Snapshot:
    entries: tuple[Entry, ...]
    index: Index
    signature: _Signature


class Knowledge:
    """A knowledge base in memory, read from a Markdown folder or a JSON-lines file (see `entries`).

    All methods are synchronous and may be called from any thread; a search sees either all of the old files or all of
    the new ones. Raises KnowledgeFault when it cannot be read at first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._current = _read(path)
        self._seen: _Signature | None = self._current.signature
        self._fault: KnowledgeFault | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order of the files."""
        return self._current.entries

    @property
    def fault(self) -> KnowledgeFault | None:
        """Why the files as they are now are not in use, or None."""
        return self._fault

    def get(self, entry_id: str) -> Entry | None:
        """The entry with this id."""
        return next((entry for entry in self._current.entries if entry.id == entry_id), None)

    def search(self, text: str, limit: int = 5, language: str | None = None) -> list[Hit]:
        """The best entries first. With `language` (ISO code) only entries in it."""
        now = self._current
        wanted = None if language is None else lambda at: now.entries[at].language == language
        ranked = now.index.search(text, limit, wanted)
        return [Hit(now.entries[one.group], one.score, one.confidence) for one in ranked]

    def refresh(self) -> KnowledgeFault | None:
        """Take over changed files; cheap when nothing changed. Call it in a thread: it reads files.

        A broken change leaves the last good state in use and is returned, and kept in `fault` until it is mended.
        """
        with self._lock:
            try:
                self._take_over(_sign(self._path))
            except KnowledgeFault as fault:
                if fault.path == self._path and fault.line == 0:
                    self._seen = None  # gone or unreadable as a whole: look again even if it comes back as it was
                self._fault = fault
            return self._fault

    def _take_over(self, signature: _Signature) -> None:
        if signature != self._seen:
            self._seen = signature
            self._current = _read(self._path)
            self._fault = None


def answerable(hits: Sequence[Hit]) -> bool:
    """Whether the best hit is good enough to be an answer."""
    return bool(hits) and hits[0].confidence >= CONFIDENT


def _read(path: Path) -> _Snapshot:
    signature = _sign(path)
    entries = tuple(load(path))
    documents = [
        Document(question, entry.answer, at, entry.language)
        for at, entry in enumerate(entries)
        for question in (entry.question, *entry.also)
    ]
    return _Snapshot(entries, Index(documents), signature)


def _sign(path: Path) -> _Signature:
    try:
        return tuple((str(file), (info := file.stat()).st_mtime_ns, info.st_size) for file in find_files(path))
    except OSError as fault:
        raise KnowledgeFault(path, 0, f"cannot be read: {fault.strerror}") from fault
