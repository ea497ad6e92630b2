"""Reading a knowledge base: a folder of Markdown files, or JSON lines.

**Markdown.** Every `## question` is an entry and what follows up to the next one is its answer; deeper headings belong
to the answer. A file without `##` is one entry under its `#` title. Ids are `file#slug` (the path without `.md`) and
can be kept stable while the question is reworded: `## When do you ship? {#shipping}`. HTML comments are not part of the
answer; `<!-- also: How long does delivery take? -->` adds another way of asking. A file may begin with YAML between
`---` lines: `language: en`, `tags: [orders]`; without it the language is told from the text. Names that begin with `.`
or `_` are left out.

**JSON lines.** One object a line: `id`, and `question` with `answer`, or `text`; `lang` (or `language`) if known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from bot.drafting.language import identify

MAX_FILE_BYTES = 10_000_000
"""A larger file is refused: it is not a page that a team wrote."""

_HEADING = re.compile(r"^(#{1,2})[ \t]+(.+?)[ \t]*#*$")
_STABLE_ID = re.compile(r"[ \t]*\{#([^}\s]+)\}$")
_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_SUFFIXES = (".md", ".markdown", ".jsonl")


class KnowledgeFault(Exception):
    """The knowledge base cannot be used as it stands. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        place = f"{path}, line {line}" if line else str(path)
        super().__init__(f"{place}: {reason}")
        self.path, self.line, self.reason = path, line, reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the team knows.

    `language` is an ISO code or `und`; `source` is the file, relative to the folder; `also` are other ways of asking,
    searched but never shown.
    """

    id: str
    question: str
    answer: str
    language: str
    source: str
    tags: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a card shows for it: the question, or the beginning of the text."""
        head = self.question or self.answer
        line = " ".join(head.split())
        return line if len(line) <= 80 else line[:79] + "…"


def find_files(path: Path) -> list[Path]:
    """The files of a knowledge base in a fixed order. Raises KnowledgeFault when there is no such place."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise KnowledgeFault(path, 0, "there is no such file or folder")
    found = (file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())
    return sorted(file for file in found if not _left_out(file.relative_to(path)))


def _left_out(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def load(path: Path) -> list[Entry]:
    """All entries below `path`. Raises KnowledgeFault for the first fault, an empty knowledge base included."""
    entries: list[Entry] = []
    lines: dict[str, str] = {}
    root = path if path.is_dir() else path.parent
    for file in find_files(path):
        for line, entry in _read(file, file.relative_to(root)):
            if entry.id in lines:
                raise KnowledgeFault(file, line, f"the id {entry.id!r} is already taken in {lines[entry.id]}")
            lines[entry.id] = f"{entry.source}, line {line}"
            entries.append(entry)
    if not entries:
        raise KnowledgeFault(path, 0, "there is nothing in it: write a .md file with a `## question` and its answer")
    return entries


def _read(file: Path, name: Path) -> Iterator[tuple[int, Entry]]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise KnowledgeFault(file, 0, f"larger than {MAX_FILE_BYTES // 1_000_000} MB: split it")
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise KnowledgeFault(file, line, "not UTF-8: save it with that encoding") from fault
    except OSError as fault:
        raise KnowledgeFault(file, 0, f"cannot be read: {fault.strerror}") from fault
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if file.suffix.lower() == ".jsonl":
        return _json_lines(file, name, text)
    return _markdown(file, name, text)


def _json_lines(file: Path, name: Path, text: str) -> Iterator[tuple[int, Entry]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as fault:
                raise KnowledgeFault(file, number, "not a JSON object") from fault
            yield number, _from_row(file, number, name, row)


def _from_row(file: Path, number: int, name: Path, row: object) -> Entry:
    if not isinstance(row, dict):
        raise KnowledgeFault(file, number, "not a JSON object")
    identity = row.get("id")
    if not isinstance(identity, str | int) or not str(identity).strip():
        raise KnowledgeFault(file, number, "`id` is missing: every entry needs one")
    question, answer = row.get("question", ""), row.get("answer", row.get("text", ""))
    if not isinstance(question, str) or not isinstance(answer, str) or not (question + answer).strip():
        raise KnowledgeFault(file, number, "needs `question` and `answer`, or `text`, as texts")
    language = row.get("lang") or row.get("language") or identify(f"{question}\n{answer}")
    if not isinstance(language, str):
        raise KnowledgeFault(file, number, "`lang` must be a language code such as en or zh")
    return Entry(str(identity), question.strip(), answer.strip(), language.lower(), name.as_posix())


def _markdown(file: Path, name: Path, text: str) -> Iterator[tuple[int, Entry]]:
    settings, lines, offset = _front_matter(file, text)
    sections = list(_sections(lines))
    level = 2 if any(depth == 2 for depth, _, _, _ in sections) else 1
    language, tags = _language(file, settings), _tags(file, settings)
    used: dict[str, int] = {}
    for depth, number, title, body in sections:
        if depth == level:
            stable = _STABLE_ID.search(title)
            question = _STABLE_ID.sub("", title).strip()
            slug = stable[1] if stable else _unused(_slug(question), used)
            yield number + offset, _section(file, number + offset, name, slug, (question, body), (language, tags))


def _section(
    file: Path, line: int, name: Path, slug: str, text: tuple[str, str], about: tuple[str, tuple[str, ...]]
) -> Entry:
    question, body = text
    notes = _COMMENT.findall(body)
    answer = _COMMENT.sub("", body).strip()
    if not answer:
        raise KnowledgeFault(file, line, f"{question!r} has no answer below it")
    also = tuple(note.strip()[5:].strip() for note in notes if note.strip().lower().startswith("also:"))
    language, tags = about
    spoken = language or identify(f"{question}\n{answer}")
    return Entry(f"{name.with_suffix('').as_posix()}#{slug}", question, answer, spoken, name.as_posix(), tags, also)


def _front_matter(file: Path, text: str) -> tuple[Mapping[str, object], list[str], int]:
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        return {}, lines, 0
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
    if not end:
        raise KnowledgeFault(file, 1, "the YAML that begins here has no closing `---`")
    try:
        settings = yaml.safe_load("\n".join(lines[1:end])) or {}
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        raise KnowledgeFault(file, mark.line + 2 if mark else 1, "not valid YAML") from fault
    if not isinstance(settings, dict):
        raise KnowledgeFault(file, 1, "the YAML at the top must be `key: value` lines")
    return settings, lines[end + 1 :], end + 1


def _language(file: Path, settings: Mapping[str, object]) -> str:
    language = settings.get("language", settings.get("lang", ""))
    if not isinstance(language, str):
        raise KnowledgeFault(file, 1, "`language` must be a code such as en or zh (in quotes for no)")
    return language.strip().lower()


def _tags(file: Path, settings: Mapping[str, object]) -> tuple[str, ...]:
    tags = settings.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise KnowledgeFault(file, 1, "`tags` must be a list of words")
    return tuple(tags)


def _sections(lines: list[str]) -> Iterator[tuple[int, int, str, str]]:
    """(heading depth, line from 1, title, body) of each part; headings inside code fences are not headings."""
    fence, at, depth, title = "", 0, 0, ""
    body: list[str] = []
    for number, line in enumerate(lines, 1):
        opening = _FENCE.match(line)
        if opening and (not fence or opening[1].startswith(fence)):
            fence = "" if fence else opening[1][:3]
        heading = None if fence else _HEADING.match(line)
        if heading:
            yield depth, at, title, "\n".join(body)
            at, depth, title, body = number, len(heading[1]), heading[2], []
        else:
            body.append(line)
    yield depth, at, title, "\n".join(body)


def _slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-") or "entry"


def _unused(slug: str, used: dict[str, int]) -> str:
    used[slug] = used.get(slug, 0) + 1
    return slug if used[slug] == 1 else f"{slug}-{used[slug]}"
