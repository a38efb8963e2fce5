"""The tables, how a file is recognised as a journal, and how older ones are brought up to date."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from sustainml_orchestrator.core.record import FIELDS
from sustainml_orchestrator.storage import epoch, files, history_table
from sustainml_orchestrator.storage.errors import ANOTHER, Damaged, JournalError

MAGIC = b"SQLite format 3\0"
APPLICATION_ID = 0x5355534A  # "SUSJ"; at byte 68 of the file
PAGE_SIZE = 8192
#: Modules that one journal can know: ids of outputs are serial * MAX_MODULES + number.
MAX_MODULES = 1024
#: The oldest version that was released, the first with tokens in its payloads, the first with a
#: history, and the present one.
OLDEST, _FIRST_WITH_TOKENS, _FIRST_WITH_HISTORY, NEWEST = 3, 4, 6, 7
#: Spreads a small number over the seed of a CRC.
MIX = 0x9E3779B1

_KINDS = {"int": "INTEGER", "text": "TEXT", "real": "REAL", "blob": "BLOB"}
_COLUMNS = ",\n  ".join(
    f"{name} {_KINDS[kind.rstrip('?')]}{'' if kind.endswith('?') else ' NOT NULL'}"
    for name, kind in FIELDS
    if name != "token"
).replace("serial INTEGER NOT NULL", "serial INTEGER PRIMARY KEY")

#: Every row carries a CRC-32 of its values: SQLite itself does not notice a flipped bit.
_VERSION_3 = f"""
CREATE TABLE life (  -- the one row of the epoch
  id INTEGER PRIMARY KEY CHECK (id = 1),
  session INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  next_problem_id INTEGER NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE modules (  -- the number of a module never changes, whatever becomes of the pipeline
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  desired_active INTEGER  -- whether front-ends want it active; NULL = as `autostart` says
) STRICT;
CREATE TABLE iterations (
  {_COLUMNS},
  delivered INTEGER NOT NULL,  -- number of its outputs
  crc INTEGER NOT NULL
) STRICT;
CREATE INDEX iterations_by_problem ON iterations (problem_id);
CREATE TABLE user_inputs (
  serial INTEGER PRIMARY KEY,  -- of the task
  credentials_removed INTEGER NOT NULL,
  payload BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE outputs (
  id INTEGER PRIMARY KEY,  -- serial of the task * 1024 + number of the module
  attempt INTEGER NOT NULL,
  payload BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE deliveries (  -- what outputs changed of tasks since their rows were written
  id INTEGER PRIMARY KEY,  -- of the output
  attempt INTEGER NOT NULL,
  record BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT
"""
#: What leads from each version to the next.
MIGRATIONS = {
    0: _VERSION_3,
    3: "ALTER TABLE iterations ADD COLUMN token INTEGER NOT NULL DEFAULT 0",  # 0 = has none
    4: f"{epoch.COLUMNS_SINCE_5};\nALTER TABLE modules ADD COLUMN crc INTEGER NOT NULL DEFAULT 0",
    5: history_table.TABLE,
    6: "-- a row of the history has columns; a list of events, as in version 6, is read as well",
}

#: Rewrites the payload of a module (or of "user_input") in the layout with a token.
Upgrade = Callable[[str, bytes], bytes]


def payload_crc(payload: bytes, key: int, number: int) -> int:
    """The CRC of a payload; covers the key as well, in case that a row turns up elsewhere."""
    return zlib.crc32(payload, (key + number * MIX) & 0xFFFFFFFF)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def has_old_payloads(connection: sqlite3.Connection) -> bool:
    """Whether its payloads are in the layout without a token."""
    return 0 < _version(connection) < _FIRST_WITH_TOKENS


def has_history(connection: sqlite3.Connection) -> bool:
    """Whether it has a history, maybe an empty one."""
    return _version(connection) >= _FIRST_WITH_HISTORY


def connect(path: Path, *, mode: str = "rw", full: bool = False) -> sqlite3.Connection:
    """Open an existing file; `mode` "ro" also while an orchestrator writes to it.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=1.0, check_same_thread=False
    )
    try:
        if mode == "rw":
            set_synchronous(connection, full=full)
            connection.execute("PRAGMA journal_size_limit = 0")  # a log that is begun anew is cut
    except BaseException:
        connection.close()
        raise
    return connection


def recognise(path: Path, *, known_place: bool) -> None:
    """Make sure that a file is a journal before it is touched.

    Args:
        known_place: a journal was at this path before.

    Raises:
        JournalError: it is someone else's.
        Damaged: it is a journal, or what is left of one.
    """
    head = _head(path)
    if head.startswith(MAGIC) and _is_ours(head):
        return
    backup = files.backup_of(path)
    if known_place or _is_ours(head) or (backup.is_file() and _is_ours(_head(backup))):
        raise Damaged("its header is destroyed" if head else "it is empty")
    what = "a database of another program" if head.startswith(MAGIC) else "not a journal"
    raise JournalError(f"{path} is {what}; move it away, or {ANOTHER}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(100)


def _is_ours(head: bytes) -> bool:
    return head[68:72] == APPLICATION_ID.to_bytes(4, "big")


def create(path: Path) -> None:
    """Make an empty journal with a new session.

    Raises:
        sqlite3.Error, OSError: it cannot be written.
    """
    files.make_private(path)
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection, path)


def set_synchronous(connection: sqlite3.Connection, *, full: bool) -> None:
    """Whether commits survive a loss of power from now on; not within a transaction."""
    connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")


def migrate(connection: sqlite3.Connection, path: Path, upgrade: Upgrade | None = None) -> None:
    """Bring the tables to the present version, all or nothing.

    Raises:
        JournalError: they are from a newer version, or from one whose payloads must be upgraded.
        Damaged, sqlite3.Error: the file cannot be written, or is damaged.
    """
    version = require_version(connection, path)
    if version == NEWEST:
        return
    old_payloads = has_old_payloads(connection)
    if old_payloads and upgrade is None:
        raise JournalError(
            f"journal {path} was written by an earlier version (schema {version}); "
            "start the orchestrator with it once, which brings it up to date"
        )
    try:
        connection.execute("BEGIN IMMEDIATE")
        here = epoch.read(connection) if version else epoch.Epoch(epoch.new_session())
        known, desired = read_modules(connection) if version else ({}, {})
        for first in sorted(MIGRATIONS):
            if first >= version:
                for statement in MIGRATIONS[first].split(";\n"):
                    connection.execute(statement)
        if old_payloads and upgrade is not None:
            _upgrade_payloads(connection, upgrade, known)
        write_modules(connection, known, desired)
        epoch.write(connection, here)
        connection.execute(f"PRAGMA user_version = {NEWEST}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def _upgrade_payloads(
    connection: sqlite3.Connection, upgrade: Upgrade, known: Mapping[str, int]
) -> None:
    """Rewrite every payload; one that is not as it was written stays so, to be found later."""
    names = {number: name for name, number in known.items()}

    def rewrite(module: str | None, payload: bytes, key: int, number: int, crc: int) -> bytes:
        name = names.get(key % MAX_MODULES, "") if module is None else module
        return upgrade(name, payload) if payload_crc(payload, key, number) == crc else payload

    def recompute(before: bytes, after: bytes, key: int, number: int, crc: int) -> int:
        is_whole = payload_crc(before, key, number) == crc
        return payload_crc(after, key, number) if is_whole else crc

    connection.create_function("rewrite", 5, rewrite, deterministic=True)
    connection.create_function("recompute", 5, recompute)
    for table, module, key, number in (
        ("user_inputs", "'user_input'", "serial", "credentials_removed"),
        ("outputs", "NULL", "id", "attempt"),
    ):
        rewritten = f"rewrite({module}, payload, {key}, {number}, crc)"
        connection.execute(
            f"UPDATE {table} SET payload = {rewritten}, "
            f"crc = recompute(payload, {rewritten}, {key}, {number}, crc)"
        )


def require_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables; 0 = there are none yet.

    Raises:
        JournalError: this program does not know it.
    """
    version = _version(connection)
    if version > NEWEST:
        raise JournalError(
            f"journal {path} was written by a newer version (schema {version}, this one knows "
            f"{NEWEST}); update sustainml_orchestrator, or {ANOTHER}"
        )
    if version and version < OLDEST:
        raise JournalError(
            f"journal {path} has schema {version}, which was never released; "
            f"move it away, or {ANOTHER}"
        )
    return version


def read_modules(connection: sqlite3.Connection) -> tuple[dict[str, int], dict[str, bool]]:
    """The number of each module that the journal knows, and which front-ends want active or not.

    Raises:
        Damaged: a row is not as it was written.
    """
    numbers: dict[str, int] = {}
    desired: dict[str, bool] = {}
    for number, name, active, *crc in connection.execute("SELECT * FROM modules ORDER BY number"):
        is_valid = isinstance(name, str) and active in (None, 0, 1) and 0 <= number < MAX_MODULES
        if not is_valid or (crc and crc[0] != _module_crc(number, name, active)):
            raise Damaged("the row of a module is not as it was written")
        numbers[name] = number
        if active is not None:
            desired[name] = bool(active)
    return numbers, desired


def write_modules(
    connection: sqlite3.Connection, numbers: Mapping[str, int], desired: Mapping[str, bool]
) -> None:
    """Write these rows of `modules`; those of other modules stay."""
    rows = []
    for name, number in numbers.items():
        active = int(desired[name]) if name in desired else None
        rows.append((number, name, active, _module_crc(number, name, active)))
    connection.executemany(
        "REPLACE INTO modules (number, name, desired_active, crc) VALUES (?, ?, ?, ?)", rows
    )


def _module_crc(number: int, name: str, active: int | None) -> int:
    return zlib.crc32(repr((number, name, active)).encode())


def with_numbers(known: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """The numbers of all modules, with new ones for those that have none."""
    numbers = dict(known)
    for name in names:
        numbers.setdefault(name, max(numbers.values(), default=-1) + 1)
    return numbers
