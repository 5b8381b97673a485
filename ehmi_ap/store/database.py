"""Connections to the SQLite database: how they are set up, its schema and the queries by name."""

import os
import sqlite3
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from ehmi_ap.errors import ConfigError, StoreError

MIGRATIONS: tuple[str, ...] = ("schema.sql", "schema-2.sql", "schema-3.sql")
"""Scripts beside this file; the n-th makes schema version n of version n - 1. Never change one that was released."""

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables; RETURNING and UPDATE FROM are older
BUSY_SECONDS = 30.0
"""How long to wait for another process's transactions, each of which lasts one fsync."""

_PAUSE = 0.01  # seconds between two tries where SQLite does not wait by itself

_MADE_WITH = (  # of the file, for all who open it later
    "PRAGMA page_size = 8192",  # a receipt in one page; small writes cost as much as with 4096 (tests/bench)
    "PRAGMA journal_mode = WAL",
)
_SETTINGS = (  # of each connection
    "PRAGMA synchronous = FULL",  # NORMAL may lose the last commits with the power: a receipt must not rest on that
    "PRAGMA fullfsync = ON",  # macOS: fsync alone does not reach the disk
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 2000",  # pages, 16 MB: a checkpoint is two fsyncs more
)


def load_queries() -> dict[str, str]:
    """The queries of queries.sql by name."""
    queries: dict[str, str] = {}
    for block in _text("queries.sql").split("\n-- name: ")[1:]:
        name, _, sql = block.partition("\n")
        lines = [line for line in sql.splitlines() if line and not line.startswith("--")]
        queries[name.strip()] = "\n".join(lines).removesuffix(";")
    return queries


def make(path: Path) -> None:
    """Make the database where there is none, readable by us alone, and bring its schema up to date.

    Raises ConfigError when SQLite is too old or the database too new, StoreError when the disk fails.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise ConfigError([f"this Python has SQLite {sqlite3.sqlite_version}; the store needs {wanted} or newer"])
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite gives -wal and -shm the same mode
        connection = connect(path)
    except OSError as error:
        raise StoreError(f"the database cannot be made: {error.strerror}") from error
    try:
        for setting in _MADE_WITH:
            _set_patiently(connection, setting)
        migrate(connection, [_text(name) for name in MIGRATIONS])
    except sqlite3.Error as error:
        raise StoreError(f"the database cannot be made: {error}") from error
    finally:
        connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time. Raises StoreError."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"the database cannot be opened: {error}") from error
    try:
        for setting in _SETTINGS:
            connection.execute(setting).fetchall()
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(f"the database cannot be opened: {error}") from error
    return connection


def connect_writer(path: Path) -> sqlite3.Connection:
    """A connection that never waits for another process by itself: writer.py does. Raises StoreError."""
    connection = connect(path)
    connection.execute("PRAGMA busy_timeout = 0").fetchall()
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises StoreError."""
    connection = connect(path)
    connection.execute("PRAGMA query_only = ON").fetchall()
    return connection


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process is in the way, for the moment."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _set_patiently(connection: sqlite3.Connection, setting: str) -> None:
    """SQLite itself does not wait to change the journal while another writes, as when several start at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(setting).fetchall()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


def migrate(connection: sqlite3.Connection, scripts: list[str]) -> int:
    """Run the scripts that this database has not seen, in one transaction; returns how many that were.

    Safe when several processes start at once. Raises ConfigError when the database has seen more than there are.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, at INTEGER NOT NULL)")
        version: int = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()[0]
        if version > len(scripts):
            raise ConfigError(
                [f"the database has schema version {version}, this ehmi-ap knows {len(scripts)}: use a newer ehmi-ap"]
            )
        for number, script in enumerate(scripts[version:], version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute("INSERT INTO schema_version VALUES (?, ?)", (number, int(time.time())))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
    return len(scripts) - version


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: executescript() would commit what is open."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _text(name: str) -> str:
    return files("ehmi_ap.store").joinpath(name).read_text(encoding="utf-8")
