"""Prompt files: Markdown with YAML front matter and a Jinja2 body in two parts, `system:` and `user:`.

Text that others wrote reaches a template only through variables, and there only between delimiters that it cannot
contain (`delimiter_for`). Templates run in Jinja's sandbox, and a variable that is missing is an error.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

_PARTS = re.compile(r"\A\s*^system:[ \t]*\n(.*?)^user:[ \t]*\n(.*)\Z", re.MULTILINE | re.DOTALL)
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)


class PromptFault(Exception):
    """A prompt file cannot be used, or not with these inputs. `line` counts from 1; 0 is the file as a whole."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}" if line else f"{path}: {reason}")
        self.path, self.line, self.reason = path, line, reason


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt, ready to be filled in."""

    path: Path
    name: str
    version: str
    description: str
    inputs: tuple[str, ...]
    languages: tuple[str, ...]
    digest: str
    system: Template
    user: Template

    @property
    def identity(self) -> str:
        """`name@version+` and the first 12 digits of the file's SHA-256: for the draft's record."""
        return f"{self.name}@{self.version}+{self.digest[:12]}"

    def render(self, **inputs: object) -> tuple[str, str]:
        """The system and the user text. Every declared input must be given; raises PromptFault."""
        if missing := [name for name in self.inputs if name not in inputs]:
            raise PromptFault(self.path, 0, f"inputs not given: {', '.join(missing)}")
        try:
            return self.system.render(inputs).strip(), self.user.render(inputs).strip()
        except (TemplateError, TypeError, ValueError) as fault:
            raise PromptFault(self.path, 0, f"cannot be filled in: {fault}") from fault


class PromptFile:
    """A prompt file that is read again when it changes. Raises PromptFault when it is broken from the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._signature: tuple[int, int] | None = _sign(path)
        self._prompt = load(path)
        self._fault: PromptFault | None = None

    @property
    def prompt(self) -> Prompt:
        """The last version that could be read."""
        return self._prompt

    @property
    def fault(self) -> PromptFault | None:
        """Why the file as it is now is not in use, or None."""
        return self._fault

    def refresh(self) -> PromptFault | None:
        """Take over a changed file; cheap when nothing changed. Reads a file: call it in a thread."""
        with self._lock:
            try:
                self._take_over()
            except PromptFault as fault:
                self._fault = fault
            return self._fault

    def _take_over(self) -> None:
        before, self._signature = self._signature, None
        self._signature = _sign(self._path)
        if self._signature != before:
            self._prompt = load(self._path)
            self._fault = None


def load(path: Path) -> Prompt:
    """Read and check a prompt file. Raises PromptFault."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as fault:
        raise PromptFault(path, 0, f"cannot be read: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise PromptFault(path, 0, "not UTF-8: save it with that encoding") from fault
    settings, body, offset = _front_matter(path, text)
    parts = _PARTS.match(body)
    if not parts:
        raise PromptFault(path, offset + 1, "needs a line `system:` and below it a line `user:`")
    inputs = _names(path, settings, "inputs")
    lines = [offset + body.count("\n", 0, parts.start(group)) for group in (1, 2)]
    system, user = (_compile(path, parts[group], lines[group - 1], inputs) for group in (1, 2))
    name, version = settings.get("name"), settings.get("version")
    if not isinstance(name, str) or not name or not isinstance(version, str | int | float):
        raise PromptFault(path, 1, "`name` and `version` are needed at the top")
    languages = _names(path, settings, "languages")
    digest = hashlib.sha256(raw).hexdigest()
    described = str(settings.get("description", ""))
    return Prompt(path, name, str(version), described, inputs, languages, digest, system, user)


def delimiter_for(*texts: str) -> str:
    """A line that occurs in none of the texts and that nobody can write into them beforehand.

    It is made from their own hash: a text that held it would have to contain its own hash.
    """
    digest = hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
    while digest[:24] in "\0".join(texts):  # never yet seen; a loop costs less than an argument
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return f"=====[data {digest[:24]}]====="


def _sign(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError as fault:
        raise PromptFault(path, 0, f"cannot be read: {fault.strerror}") from fault
    return info.st_mtime_ns, info.st_size


def _front_matter(path: Path, text: str) -> tuple[Mapping[str, object], str, int]:
    if not text.startswith("---\n") or "\n---\n" not in text[3:]:
        raise PromptFault(path, 1, "must begin with YAML between two `---` lines")
    head, body = text[4:].split("\n---\n", 1)
    try:
        settings = yaml.safe_load(head)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        raise PromptFault(path, mark.line + 2 if mark else 1, "not valid YAML") from fault
    if not isinstance(settings, dict):
        raise PromptFault(path, 1, "the YAML at the top must be `key: value` lines")
    return settings, body, head.count("\n") + 3


def _names(path: Path, settings: Mapping[str, object], key: str) -> tuple[str, ...]:
    names = settings.get(key, [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PromptFault(path, 1, f"`{key}` must be a list of names")
    return tuple(names)


def _compile(path: Path, source: str, offset: int, inputs: tuple[str, ...]) -> Template:
    try:
        unknown = meta.find_undeclared_variables(_ENVIRONMENT.parse(source)) - set(inputs)
        if unknown:
            raise PromptFault(path, offset + 1, f"uses what `inputs` does not list: {', '.join(sorted(unknown))}")
        return _ENVIRONMENT.from_string(source)
    except TemplateSyntaxError as fault:
        raise PromptFault(path, offset + fault.lineno, fault.message or "not a Jinja2 template") from fault
