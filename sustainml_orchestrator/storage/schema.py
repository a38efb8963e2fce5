"""The tables, how a file is recognised as a journal, and how old ones are brought up to date."""

from __future__ import annotations

import os
import secrets
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sustainml_orchestrator.core.record import FIELDS
from sustainml_orchestrator.storage.errors import Damaged, JournalError

MAGIC = b"SQLite format 3\0"
APPLICATION_ID = 0x5355534A  # "SUSJ"; at byte 68 of the file
PAGE_SIZE = 8192
#: Modules that one journal can know: ids of outputs are serial * MAX_MODULES + number.
MAX_MODULES = 1024
#: The version since which payloads carry a token.
_FIRST_WITH_TOKENS = 4
#: Spreads a small number over the seed of a CRC.
MIX = 0x9E3779B1

_KINDS = {"int": "INTEGER", "text": "TEXT", "real": "REAL", "blob": "BLOB"}
_COLUMNS = ",\n  ".join(
    f"{name} {_KINDS[kind.rstrip('?')]}{'' if kind.endswith('?') else ' NOT NULL'}"
    for name, kind in FIELDS
    if name != "token"
).replace("serial INTEGER NOT NULL", "serial INTEGER PRIMARY KEY")

#: Every row carries a CRC-32 of its values: SQLite itself does not notice a flipped bit.
_VERSION_1 = f"""
CREATE TABLE life (  -- one row; `revision` and `next_problem_id` are never below what was used
  id INTEGER PRIMARY KEY CHECK (id = 1),
  session INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  next_problem_id INTEGER NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE modules (  -- the number of a module never changes, whatever becomes of the pipeline
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE iterations (
  {_COLUMNS},
  delivered INTEGER NOT NULL,  -- how many outputs there are
  crc INTEGER NOT NULL
) STRICT;
CREATE INDEX iterations_by_problem ON iterations (problem_id);
CREATE TABLE user_inputs (
  serial INTEGER PRIMARY KEY,  -- of the iteration
  credentials_removed INTEGER NOT NULL,
  payload BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT;
CREATE TABLE outputs (
  id INTEGER PRIMARY KEY,  -- serial of the iteration * 1024 + number of the module
  attempt INTEGER NOT NULL,
  payload BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT
"""

#: Whether front-ends want a node active; NULL = as `autostart` says.
_VERSION_2 = "ALTER TABLE modules ADD COLUMN desired_active INTEGER"

#: Since then an open step tells, as a negative time of its end, how long it has taken; rows of
#: iterations carry a CRC that costs less to make, and are not written for each output.
_VERSION_3 = """
CREATE TABLE deliveries (  -- what outputs changed of iterations since their rows were written
  id INTEGER PRIMARY KEY,  -- of the output
  attempt INTEGER NOT NULL,
  record BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT
"""

#: Since then each attempt at a task has a token; 0 = it is from before.
_VERSION_4 = "ALTER TABLE iterations ADD COLUMN token INTEGER NOT NULL DEFAULT 0"

#: Rewrites the payload of a module (or of "user_input") in the layout with a token.
Upgrade = Callable[[str, bytes], bytes]

#: What leads from each version to the next, beginning with an empty file.
MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


class Life(NamedTuple):
    """What there is once per journal.

    Attributes:
        session: names this life of the database; not 0.
        revision: no greater one was announced.
    """

    session: int
    revision: int
    next_problem_id: int


def payload_crc(payload: bytes, key: int, number: int) -> int:
    """Of a payload; covers the key as well, in case that a row turns up in a wrong place."""
    return zlib.crc32(payload, (key + number * MIX) & 0xFFFFFFFF)


def has_old_payloads(connection: sqlite3.Connection) -> bool:
    """Whether its payloads are in the layout without a token."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return bool(0 < version < _FIRST_WITH_TOKENS)


def new_session() -> int:
    """An uint32 that is not 0."""
    return secrets.randbelow(2**32 - 1) + 1


def connect(path: Path, *, mode: str = "rw", full: bool = False) -> sqlite3.Connection:
    """Open an existing file; `mode` "ro" also while an orchestrator writes to it.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=1.0, check_same_thread=False
    )
    if mode == "rw":
        connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
        connection.execute("PRAGMA journal_size_limit = 0")  # `wal.check` relies on it,
        connection.execute("PRAGMA cache_spill = OFF")  # and on frames written once
    return connection


def recognise(path: Path, *, known_place: bool) -> None:
    """Make sure that a file is a journal before it is touched.

    Args:
        known_place: a journal was kept under this name before.

    Raises:
        JournalError: it is someone else's.
        Damaged: it is a journal, or what is left of one.
    """
    with path.open("rb") as file:
        head = file.read(100)
    ours = head[68:72] == APPLICATION_ID.to_bytes(4, "big")
    if head.startswith(MAGIC) and ours:
        return
    if known_place or ours:
        raise Damaged("its header is destroyed" if head else "it is empty")
    what = "a database of another program" if head.startswith(MAGIC) else "not a journal"
    raise JournalError(f"{path} is {what}; move it away, or set another journal_path")


def create(path: Path, session: int) -> None:
    """Make an empty journal. Whoever sees the file sees a whole one.

    Raises:
        sqlite3.Error, OSError: it cannot be written.
    """
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    connection = connect(path)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection, path)
        write_life(connection, Life(session, 0, 1))
    finally:
        connection.close()


def put_in_place(fresh: Path, path: Path) -> None:
    """Give a complete new file its name, so that it keeps it when the power fails."""
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def migrate(connection: sqlite3.Connection, path: Path, upgrade: Upgrade | None = None) -> None:
    """Bring the tables to the present version, all or nothing.

    Raises:
        JournalError: they are from a newer version, or from one whose payloads must be upgraded.
        sqlite3.Error: the file cannot be written, or is damaged.
    """
    version, newest = require_version(connection, path), len(MIGRATIONS)
    if version == newest:
        return
    old_payloads = 0 < version < _FIRST_WITH_TOKENS
    if old_payloads and upgrade is None:
        raise JournalError(
            f"journal {path} was written by an earlier version (schema {version}); "
            "start the orchestrator with it once, which brings it up to date"
        )
    try:
        steps = ";\n".join(MIGRATIONS[version:])
        connection.executescript(f"BEGIN IMMEDIATE;\n{steps}")
        if old_payloads and upgrade is not None:
            _upgrade_payloads(connection, upgrade)
        connection.execute(f"PRAGMA user_version = {newest}")
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.rollback()
        raise


def _upgrade_payloads(connection: sqlite3.Connection, upgrade: Upgrade) -> None:
    """Rewrite every payload; one that is not as it was written stays so, to be found later."""
    names = {number: name for name, number in module_numbers(connection).items()}

    def name_of(key: int) -> str:
        return names.get(key % MAX_MODULES, "")

    def rewrite(module: str, payload: bytes, key: int, number: int, crc: int) -> bytes:
        return upgrade(module, payload) if payload_crc(payload, key, number) == crc else payload

    def recompute(module: str, payload: bytes, key: int, number: int, crc: int) -> int:
        known = payload_crc(payload, key, number)
        return payload_crc(upgrade(module, payload), key, number) if known == crc else crc

    connection.create_function("name_of", 1, name_of)
    connection.create_function("rewrite", 5, rewrite)
    connection.create_function("recompute", 5, recompute)
    for table, module, key, number in (
        ("user_inputs", "'user_input'", "serial", "credentials_removed"),
        ("outputs", "name_of(id)", "id", "attempt"),
    ):
        arguments = f"{module}, payload, {key}, {number}, crc"
        connection.execute(
            f"UPDATE {table} SET payload = rewrite({arguments}), crc = recompute({arguments})"
        )


def require_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables.

    Raises:
        JournalError: it is a newer one than this program knows.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    newest = len(MIGRATIONS)
    if not 0 <= version <= newest:
        raise JournalError(
            f"journal {path} was written by a newer version (schema {version}, this one knows "
            f"{newest}); update sustainml_orchestrator, or set another journal_path"
        )
    return int(version)


def read_life(connection: sqlite3.Connection) -> Life:
    """The one row of `life`.

    Raises:
        Damaged: it is not there or not as it was written.
    """
    row = connection.execute("SELECT session, revision, next_problem_id, crc FROM life").fetchone()
    if row is None or row[3] != zlib.crc32(ascii(row[:3]).encode()):
        raise Damaged("its page of meta data is unreadable")
    return Life(*row[:3])


def write_life(connection: sqlite3.Connection, life: Life) -> None:
    """Replace the one row of `life`."""
    crc = zlib.crc32(ascii(tuple(life)).encode())
    connection.execute("REPLACE INTO life VALUES (1, ?, ?, ?, ?)", (*life, crc))


def module_numbers(connection: sqlite3.Connection) -> dict[str, int]:
    """The number of each module that the journal knows, by name."""
    return dict(connection.execute("SELECT name, number FROM modules ORDER BY number"))


def desired_active(connection: sqlite3.Connection) -> dict[str, bool]:
    """What front-ends want of nodes, by name; those of which nobody said anything are not in it."""
    query = "SELECT name, desired_active FROM modules WHERE desired_active IS NOT NULL"
    return {name: bool(desired) for name, desired in connection.execute(query)}


def add_modules(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """Number the modules that have none; returns the numbers of all."""
    known = module_numbers(connection)
    for name in names:
        known.setdefault(name, max(known.values(), default=-1) + 1)
    connection.executemany(
        "INSERT OR IGNORE INTO modules (name, number) VALUES (?, ?)", known.items()
    )
    return known
