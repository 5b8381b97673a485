"""The schema and how it grows; the queries and that each is used and fits."""

import re
import sqlite3
from pathlib import Path

import pytest

import ehmi_ap.store
from ehmi_ap.errors import ConfigError, StoreError
from ehmi_ap.store import database
from ehmi_ap.store.database import connect, connect_reader, load_queries, make, migrate

ROOM = Path(ehmi_ap.store.__file__).parent
FIRST = "-- version 1\nCREATE TABLE a (x INTEGER);\nCREATE TABLE b (\n    y INTEGER -- with; a semicolon\n);\n"
SECOND = "ALTER TABLE a ADD COLUMN z INTEGER;\n"


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_only_new_scripts_run(tmp_path: Path) -> None:
    connection = connect(tmp_path / "db")
    assert migrate(connection, [FIRST]) == 1
    assert migrate(connection, [FIRST]) == 0
    assert migrate(connection, [FIRST, SECOND]) == 1
    connection.execute("INSERT INTO a (x, z) VALUES (1, 2)")
    assert [row[0] for row in connection.execute("SELECT version FROM schema_version")] == [1, 2]
    connection.close()


def test_a_script_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    connection = connect(tmp_path / "db")
    migrate(connection, [FIRST])
    with pytest.raises(sqlite3.Error):
        migrate(connection, [FIRST, SECOND + "CREATE TABLE c (x INTEGER);\nCREATE TABLE a (x INTEGER);\n"])
    assert tables(connection) == {"a", "b", "schema_version"}
    assert migrate(connection, [FIRST, SECOND]) == 1
    connection.close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    connection = connect(tmp_path / "db")
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(ConfigError, match="schema version 2, this ehmi-ap knows 1"):
        migrate(connection, [FIRST])
    assert not connection.in_transaction
    connection.close()


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "OLDEST_SQLITE", (99, 0, 0))
    with pytest.raises(ConfigError, match=r"needs 99\.0\.0"):
        make(tmp_path / "db")
    assert not (tmp_path / "db").exists()


def test_making_twice_changes_nothing(tmp_path: Path) -> None:
    make(tmp_path / "db")
    before = (tmp_path / "db").read_bytes()
    make(tmp_path / "db")
    assert (tmp_path / "db").read_bytes() == before


def test_readers_cannot_write(tmp_path: Path) -> None:
    make(tmp_path / "db")
    connection = connect_reader(tmp_path / "db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM event")
    connection.close()


def test_what_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        connect(tmp_path / "missing" / "db")


def test_every_query_fits_the_schema(tmp_path: Path) -> None:
    make(tmp_path / "db")
    connection = connect(tmp_path / "db")
    for name, sql in load_queries().items():
        wanted = max(map(int, re.findall(r"\?(\d+)", sql)), default=0)
        values = dict.fromkeys(re.findall(r"[(\s]:(\w+)", sql), 1) if ":limit" in sql else [None] * wanted
        steps = connection.execute("EXPLAIN " + sql.format(where="1", order="ASC", facts="NULL"), values).fetchall()
        assert steps, name
    connection.close()


def test_every_query_is_used() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ROOM.glob("*.py"))
    assert [name for name in load_queries() if f'"{name}"' not in code] == []


def test_only_the_steps_of_the_table_change_a_state() -> None:
    """Every UPDATE that sets a state takes both ends from lifecycle.TRANSITIONS."""
    changing = {name: sql for name, sql in load_queries().items() if re.search(r"UPDATE message\s+SET state", sql)}
    assert set(changing) == {"claim", "settle", "reopen"}
    assert all("SET state = ?3" in sql and "state = ?2" in sql for sql in changing.values())
    others = {name: sql for name, sql in load_queries().items() if name not in changing}
    assert not [name for name, sql in others.items() if re.search(r"UPDATE message\b[^;]*\bstate =", sql)]


def test_several_may_make_one_database_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait by itself to change the journal while another writes."""
    path = tmp_path / "db"
    waits: list[float] = []
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def let_the_other_end(seconds: float) -> None:
        waits.append(seconds)
        other.execute("ROLLBACK")

    monkeypatch.setattr("time.sleep", let_the_other_end)
    make(path)
    assert len(waits) == 1
    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_making_a_database_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    other = sqlite3.connect(tmp_path / "db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        make(tmp_path / "db")
    other.close()
