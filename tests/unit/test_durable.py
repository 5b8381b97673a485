"""Files that are whole or not there."""

import os
from pathlib import Path

import pytest

from ehmi_ap.durable import write_atomically, write_synced


def test_whole_and_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "a", (b"1", b"2"), mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_bytes() == b"12"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644


def test_private_by_default(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", (b"secret",))
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")

    def chunks() -> object:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "a", chunks())  # type: ignore[arg-type]  # a generator that fails
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"


def test_an_existing_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"before")
    with pytest.raises(FileExistsError):
        write_synced(tmp_path / "a", (b"after",))
