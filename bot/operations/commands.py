"""What the commands of the command line do with a data folder, in the language of `LANG`; each returns an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from bot.locales import LANGUAGES, Catalogue, choose
from bot.operations import backup as copies
from bot.operations import status as standing
from bot.operations.databases import FILE, Database
from bot.operations.faults import OperationFault
from bot.settings import Settings, SettingsFault, load

UNKNOWN = 2
"""The exit code where it could not be found out how things stand."""


def _language() -> str:
    return choose(os.environ.get("LANG"), LANGUAGES) or "en"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _guarded(act: Callable[[Settings], int], code: int = 1) -> int:
    """Do something with the installation; faults go to standard error."""
    try:
        return act(load())
    except SettingsFault as fault:
        words = str(fault)
    except OperationFault as fault:
        words = fault.words(_language())
    for line in words.splitlines():
        sys.stderr.write(f"herald: {line}\n")
    return code


def _database(settings: Settings) -> Database:
    return Database(settings.data_dir / FILE, settings.database_url.get_secret_value())


def make_backup(file: Path) -> int:
    """`herald db backup`: 0 when the copy is whole and on the disk."""

    def act(settings: Settings) -> int:
        copies.backup(_database(settings), file)
        texts, language = Catalogue(), _language()
        _say(texts.say(language, "database.backed_up", file=str(file), bytes=file.stat().st_size))
        _say(texts.say(language, "database.key"))
        return 0

    return _guarded(act)


def restore_backup(file: Path) -> int:
    """`herald db restore`: 0 when the backup is in place."""

    def act(settings: Settings) -> int:
        made, kept = copies.restore(_database(settings), file)
        texts, language = Catalogue(), _language()
        _say(texts.say(language, "database.restored", file=str(file)))
        if kept is not None:
            _say(texts.say(language, "database.kept", kept=str(kept)))
        if made.uncertain:
            _say(texts.say(language, "database.uncertain", count=made.uncertain))
        if made.waiting:
            _say(texts.say(language, "database.waiting", count=made.waiting))
        if made.orders:
            _say(texts.say(language, "database.orders", count=made.orders))
        if made.polls:
            _say(texts.say(language, "database.polls", count=made.polls))
        if made.giveaways:
            _say(texts.say(language, "database.giveaways", count=made.giveaways))
        _say(texts.say(language, "database.since"))
        return 0

    return _guarded(act)


def show_status(*, as_json: bool) -> int:
    """`herald status`: 0 when all is well, 1 when something needs a person, 2 when it cannot be found out."""

    def act(settings: Settings) -> int:
        status = standing.look(_database(settings), settings.data_dir, settings.processes.lease)
        if as_json:
            _say(json.dumps(status.as_json(), indent=2, ensure_ascii=False))
        else:
            for line in standing.lines(status, _language()):
                _say(line)
        return 1 if status.wants_person() else 0

    return _guarded(act, UNKNOWN)
