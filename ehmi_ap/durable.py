"""Files that are whole or not there, also after a power cut: written aside, synced, renamed, and the folder synced."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path


def write_atomically(path: Path, chunks: Iterable[bytes], *, mode: int = 0o600) -> None:
    """Write a file so that it is there whole or as it was before; durable when this returns.

    Raises OSError, and leaves nothing behind.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_synced(aside, chunks, mode=mode)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_synced(path: Path, chunks: Iterable[bytes], *, mode: int = 0o600) -> None:
    """Write a new file with this mode, never a wider one and whatever the umask, and sync it. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make what was renamed, linked or deleted in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
