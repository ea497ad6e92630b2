"""The keys of anonymous polls and of giveaways: a small file each, outside the database and its backups.

Each is destroyed when it is over: a poll's soon after the closing, a giveaway's when no code and no address is left.

A ballot stands in the database under a token that only the key can make again from a voter; what people clicked and
were told stands there sealed. So whoever has the database, all its backups and the logs, but not the key, cannot tell
who voted, and once the key is gone nobody can. Sealed texts are padded, since their length would tell on long names.
A giveaway's key seals the codes that winners get, and where prizes are sent to.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.chat.ports import StoreUnavailable
from bot.domain.failpoints import Point, reach

KEY_BYTES = 32
TOKEN_BYTES = 18
"""Of the MAC, 24 characters: nobody finds two voters with the same token."""
NONCE_BYTES = 12
PADDED = 2048
"""Sealed texts have this length in bytes, or twice, four times ... as much where they are longer."""
LOOK_SECONDS = 1.0
"""For how long a key is believed to be there still: another process may have destroyed it."""
GUEST_SECONDS = 6 * 3600.0
"""For how long one guest key is used."""

_NAME = re.compile(r"a\.[A-Za-z0-9_-]{1,14}")
_GIVEAWAY = re.compile(r"w\.[A-Za-z0-9_-]{1,14}")
_GUEST = re.compile(r"g\.\d{1,14}")
_KEY, _GONE, _PART = ".key", ".gone", ".part"


class Key:
    """The key of one anonymous poll or of one giveaway. Any thread may use it."""

    def __init__(self, name: str, secret: bytes) -> None:
        self.name = name
        self._about = name.encode()
        self._tokens = _derived(secret, b"herald ballots " + self._about)
        self._cipher = AESGCM(_derived(secret, b"herald seals " + self._about))

    def token(self, voter: str, purpose: str = "ballot") -> str:
        """What a voter is called in this poll: always the same, 24 characters that nobody else can make or read.

        For each purpose it is another one: what is noted beside a ballot must not lead to it.
        """
        about = f"{purpose}\x00{voter}".encode("utf-8", "surrogatepass")
        mac = hmac.digest(self._tokens, about, "sha256")
        return base64.urlsafe_b64encode(mac[:TOKEN_BYTES]).decode()

    def seal(self, data: bytes) -> str:
        """Something that only this key opens, as ASCII text of a length that says next to nothing."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, _pad(data), self._about)
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None if it was not sealed with this key, or has been changed."""
        try:
            whole = base64.urlsafe_b64decode(sealed)
            return _unpad(self._cipher.decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], self._about))
        except (ValueError, InvalidTag):
            return None


class Keys:
    """The folder of keys. All of it blocks, for as long as small files take, and raises StoreUnavailable.

    Any thread may use it, and several processes may share the folder. No poll but an anonymous one has a key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Key, float]] = {}
        self._lock = threading.Lock()

    def make(self, name: str) -> Key:
        """The key of this poll or giveaway, made now where there is none.

        Raises ValueError for a name of no anonymous poll and no giveaway.
        """
        if not is_anonymous(name) and not is_giveaway(name):
            raise ValueError(f"{name!r} is no anonymous poll and no giveaway")
        return self._make(name)

    def guest(self) -> Key:
        """A key for what is about a poll that has none: not open yet, or over. It is destroyed some hours later."""
        name = f"g.{_era()}"
        return self.find(name) or self._make(name)

    def _make(self, name: str) -> Key:
        path = self._path(name)
        with _told(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                self._write(path)
            return Key(name, path.read_bytes())

    def _write(self, path: Path) -> None:
        """Whole or not at all, and nobody's key is replaced."""
        part = path.with_name(f"{path.stem}.{secrets.token_hex(4)}{_PART}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                _to_disk(file.fileno())
            reach(Point.KEY_WRITTEN)
            with suppress(FileExistsError):  # another process was first: its key counts
                os.link(part, path)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(self._folder)

    def find(self, name: str) -> Key | None:
        """The key of this poll or giveaway; None if it was destroyed, or never was here."""
        if not _is_key(name):
            return None
        now = time.monotonic()
        known = self._known.get(name)
        if known and now - known[1] < LOOK_SECONDS:
            return known[0]
        secret = self._read(name)
        with self._lock:
            if secret is None:
                self._known.pop(name, None)
                return None
            key = known[0] if known else Key(name, secret)
            self._known[name] = (key, now)
            return key

    def _read(self, name: str) -> bytes | None:
        with _told(self._folder):
            try:
                return self._path(name).read_bytes()
            except FileNotFoundError:
                return None

    def destroy(self, name: str) -> None:
        """Overwrite and remove this key; where there is none that is fine. If it fails, do it again."""
        if not _is_key(name):
            return
        gone = self._folder / (name + _GONE)
        with _told(self._folder):
            with suppress(FileNotFoundError):
                self._path(name).rename(gone)  # from here on nobody finds it, whatever happens
                reach(Point.KEY_HIDDEN)
            with self._lock:
                self._known.pop(name, None)
            _shred(gone)
            if self._folder.is_dir():
                _sync_folder(self._folder)

    def names(self, older_than: float = 0.0) -> list[str]:
        """The polls and giveaways that have a key; with `older_than` only those whose key is so many seconds old."""
        newest = time.time() - older_than
        with _told(self._folder):
            return sorted(path.stem for path in self._files("[aw].*" + _KEY) if _made_at(path) <= newest)

    def check(self) -> bool:
        """Try to make and destroy a key; whether others on this machine may look into the folder."""
        probe = "a.probe" + secrets.token_hex(3)
        self.make(probe)
        self.destroy(probe)
        with _told(self._folder):
            return bool(self._folder.stat().st_mode & 0o077)

    def tidy(self, older_than: float = 60.0) -> None:
        """Destroy old guest keys, and what a killed process left half made or half destroyed."""
        newest = time.time() - older_than
        with _told(self._folder):
            for path in self._files("*" + _GONE):
                _shred(path)
            for path in self._files("*" + _PART):
                if _made_at(path) <= newest:  # otherwise it is just being made
                    _shred(path)
            guests = [path.stem for path in self._files("g.*" + _KEY)]
        for name in guests:
            if _GUEST.fullmatch(name) and int(name[2:]) < _era() - 1:
                self.destroy(name)

    def _files(self, pattern: str) -> list[Path]:
        return list(self._folder.glob(pattern)) if self._folder.is_dir() else []

    def _path(self, name: str) -> Path:
        return self._folder / (name + _KEY)


def is_anonymous(name: str) -> bool:
    """Whether an anonymous poll may have this name."""
    return _NAME.fullmatch(name) is not None


def is_giveaway(name: str) -> bool:
    """Whether a giveaway may have this name."""
    return _GIVEAWAY.fullmatch(name) is not None


def _is_key(name: str) -> bool:
    return is_anonymous(name) or is_giveaway(name) or _GUEST.fullmatch(name) is not None


def _era() -> int:
    return int(time.time() // GUEST_SECONDS)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"the keys of polls in {folder} cannot be used: {error.strerror}") from error


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(secret)


def _pad(data: bytes) -> bytes:
    size = PADDED
    while size <= len(data):
        size *= 2
    return data + b"\x80" + bytes(size - len(data) - 1)


def _unpad(padded: bytes) -> bytes:
    return padded[: padded.rindex(b"\x80")]


def _made_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _shred(path: Path) -> None:
    """Overwrite a small file in its place, and remove it."""
    with suppress(FileNotFoundError):
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(max(KEY_BYTES, path.stat().st_size)))
            _to_disk(file.fileno())
        reach(Point.KEY_OVERWRITTEN)
        path.unlink()


def _to_disk(handle: int) -> None:
    os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
