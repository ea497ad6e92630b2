"""`herald db backup` and `herald db restore`: copies of the database, and one of them in its place again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bot.chat.ports import StoreUnavailable
from bot.operations import copying, moving
from bot.operations.databases import FILE, Database
from bot.operations.faults import OperationFault
from bot.operations.safety import Made, make_safe
from bot.storage.faults import reason
from bot.storage.schema import FileLock, migrate

LOCK = "herald.lock"
_BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; it belongs to that file alone."""


def backup(database: Database, file: Path) -> None:
    """Copy a database to `file`, a SQLite file that must not exist; bots may run meanwhile.

    Raises OperationFault, and then leaves nothing behind. Blocks.
    """
    if not database.exists():
        raise OperationFault("database.none", path=str(database.path.parent))
    if file.exists():
        raise OperationFault("database.exists", file=str(file))
    part = file.with_name(file.name + ".part")
    try:
        if database.url:
            _save(database, part)
        else:
            copying.copy(database.path, part)
        if wrong := copying.damage(part):
            raise OperationFault("database.source_damaged", file=database.name, reason=wrong)
        os.link(part, file)  # unlike a rename it replaces nothing that has come meanwhile
        copying.sync(file)
    except (sqlite3.Error, OSError) as error:
        raise OperationFault("database.not_written", file=str(file), reason=_reason(error)) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _save(database: Database, part: Path) -> None:
    part.unlink(missing_ok=True)  # left by one that was killed
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # only its owner can read it
    try:
        moving.save(database.url, part)
    except moving.Outdated as error:
        raise OperationFault("database.none", path=database.name) from error
    except (StoreUnavailable, DBAPIError) as error:
        raise OperationFault("database.unreadable", path=database.name, reason=reason(error)) from error
    copying.sync(part)


def restore(database: Database, file: Path) -> tuple[Made, Path | None]:
    """Put a backup in the place of a database, in such a way that nothing is sent again by itself.

    A server's database must be empty. Returns what was made safe, and where the replaced file is now (None where there
    was none). Raises OperationFault, and then the old database is as it was. Blocks.
    """
    if not file.is_file():
        raise OperationFault("database.no_backup", file=str(file))
    data = database.path.parent
    try:
        if database.url:
            return _restore_to_server(database, file), None
        data.mkdir(parents=True, exist_ok=True)
        with FileLock(data / LOCK):
            return _restore(data, file)
    except StoreUnavailable as error:
        if "another process" in str(error):
            raise OperationFault("database.running", path=str(data)) from error
        raise OperationFault("database.not_restored", file=str(file), reason=str(error)) from error
    except (sqlite3.Error, DBAPIError, OSError) as error:
        raise OperationFault("database.not_restored", file=str(file), reason=_reason(error)) from error


def _restore(data: Path, file: Path) -> tuple[Made, Path | None]:
    part = data / (FILE + ".restoring")
    try:
        _remove(part)  # left by one that was killed
        _check(file)
        copying.copy(file, part)
        _bring_up(part, file)
        made = _settle(part)
        copying.sync(part)
        kept = _keep(data / FILE)
        part.replace(data / FILE)
        copying.sync(data / FILE)
    finally:
        with suppress(OSError):
            _remove(part)
    return made, kept


def _restore_to_server(database: Database, file: Path) -> Made:
    """Everything is made safe in a copy of the file first: the server gets it in one transaction, or not at all."""
    with TemporaryDirectory(prefix="herald-restore-") as folder:  # readable by its owner only
        part = Path(folder) / FILE
        _check(file)
        copying.copy(file, part)
        _bring_up(part, file)
        made = _settle(part)
        try:
            moving.load(part, database.url)
        except moving.NotEmpty as error:
            raise OperationFault("database.not_empty", path=database.name) from error
        return made


def _check(file: Path) -> None:
    try:
        wrong = copying.damage(file)
        ours = not wrong and copying.is_herald(file)
    except sqlite3.DatabaseError as error:
        raise OperationFault("database.damaged", file=str(file), reason=str(error)) from error
    if wrong:
        raise OperationFault("database.damaged", file=str(file), reason=wrong)
    if not ours:
        raise OperationFault("database.foreign", file=str(file))


def _bring_up(part: Path, file: Path) -> None:
    """To the schema of this program: an older one is migrated, a newer one refused."""
    try:
        migrate(part)
    except StoreUnavailable as error:
        key = "database.newer" if "newer Herald" in str(error) else "database.unusable"
        raise OperationFault(key, file=str(file), reason=str(error)) from error


def _settle(part: Path) -> Made:
    engine = sa.create_engine(f"sqlite:///{part}", poolclass=NullPool)
    try:
        with engine.begin() as connection:
            return make_safe(connection, time.time())
    finally:
        engine.dispose()


def _keep(database: Path) -> Path | None:
    """Have the old database under another name too. What was not yet in the file itself is put there first."""
    if not database.exists():
        return None
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as old:
        old.execute("PRAGMA journal_mode=DELETE")
    kept = _free(database)
    for end in _BESIDE:  # still there only where SQLite cannot read the old file
        beside = database.with_name(database.name + end)
        if beside.exists():
            beside.rename(kept.with_name(kept.name + end))
    try:
        os.link(database, kept)
    except OSError:  # a file system without hard links
        shutil.copy2(database, kept)
    return kept


def _free(database: Path) -> Path:
    stem = database.name + time.strftime(".before-restore-%Y%m%dT%H%M%SZ", time.gmtime())
    names = [stem, *(f"{stem}-{number}" for number in range(2, 100))]
    return next(path for name in names if not (path := database.with_name(name)).exists())


def _remove(part: Path) -> None:
    for end in ("", *_BESIDE):
        part.with_name(part.name + end).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(getattr(error, "orig", error))
