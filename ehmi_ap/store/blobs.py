"""Bodies on disk: spools while they are written, kept files once a row of the database names them.

Rules of this file:
- A file under `spool/` is temporary: it goes when its body is garbage, or when the spool is discarded.
- A file under `kept/` is durable before the row that names it: fsync, rename, fsync of the folder, then the commit.
- What a crash left in between is swept at the next start: old enough that nobody is at it, and in no row.
- Folders are 0700, files 0600: they hold patient data.
- Memory does not grow with the size of a body.
"""

import io
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO

from ehmi_ap.body import CHUNK, Body, MemoryBody, Spool
from ehmi_ap.errors import NotFound, StoreError

LEAST_FREE = 64 * 1024 * 1024
"""Free bytes below which a disk counts as full: the next message may be that large."""
WRITE_BEHIND = 32 * 1024 * 1024
"""Bytes written before the disk is asked to take them."""
ABANDONED = 3600.0
"""Seconds without a write after which a file that no row names is nobody's (sweep)."""


class FileBody:
    """A body in a file. A temporary one is deleted when nobody refers to it any more.

    Raises, while it is read: NotFound when the file is gone (purged), StoreError when it is shorter than it was.
    """

    __slots__ = ("__weakref__", "_cleanup", "_lock", "_path", "_size")

    def __init__(self, path: Path, size: int, *, temporary: bool = False) -> None:
        self._lock = threading.Lock()  # one thread may read what another is storing
        self._path = path
        self._size = size
        self._cleanup: weakref.finalize[[Path], FileBody] | None = None
        if temporary:
            self.disown()

    def __repr__(self) -> str:
        return f"FileBody({self._path.name!r}, {self._size})"

    @property
    def path(self) -> Path:
        """Where the file is now; adopting a body moves it."""
        return self._path

    @property
    def size(self) -> int:
        return self._size

    @property
    def resident(self) -> bool:
        return False

    @property
    def temporary(self) -> bool:
        """Whether the file goes with this object."""
        return self._cleanup is not None

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        end = self._size if stop is None else min(stop, self._size)
        if start >= end:
            return
        try:
            with self._open() as file:
                file.seek(start)
                yield from _read(file, end - start)
        except FileNotFoundError:
            raise NotFound("the bytes of this payload are no longer kept") from None
        except OSError as error:
            raise StoreError(f"a stored payload cannot be read: {error.strerror}") from error

    def take(self) -> bool:
        """Whether the file was temporary; from now on it stays, whatever becomes of this object. True once only."""
        cleanup, self._cleanup = self._cleanup, None
        return cleanup is not None and cleanup.detach() is not None

    def move(self, path: Path) -> None:
        """Rename the file. Raises OSError."""
        with self._lock:
            self._path.rename(path)
            self._path = path

    def disown(self) -> None:
        """Nobody else wants the file: delete it as soon as this object is garbage."""
        self._cleanup = weakref.finalize(self, _unlink, self._path)

    def _open(self) -> io.FileIO:
        with self._lock:
            return self._path.open("rb", buffering=0)


class _WriteBehind:
    """Lets the disk take a file while it is still growing, so that the fsync at its end has little to wait for.

    Unless it is read soon, what the disk has is let go of by the page cache: a large payload would only drive out what
    is read all the time (and fresh pages cost more than the disk does: tests/bench).
    """

    def __init__(self, *, read_soon: bool) -> None:
        self._sync_descriptor = partial(_sync_descriptor, drop=not read_soon)
        self._since = 0
        self._sync: Future[None] | None = None

    def wrote(self, file: BinaryIO, count: int) -> None:
        """So many bytes more; raises OSError when the disk did not take what it was given before."""
        self._since += count
        if self._since < WRITE_BEHIND or (self._sync is not None and not self._sync.done()):
            return
        self.end()
        self._since = 0
        self._sync = _disk().submit(self._sync_descriptor, os.dup(file.fileno()))

    def end(self) -> None:
        """Wait for what is under way. Raises OSError: the system tells of a failed write only once."""
        if self._sync is not None:
            self._sync.result()


@cache
def _disk() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(2, thread_name_prefix="ehmi-ap disk")


_fdatasync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # macOS has none


def _sync_descriptor(descriptor: int, *, drop: bool) -> None:
    try:
        _fdatasync(descriptor)
        if drop and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


class FileSpool:
    """A spool in memory up to `threshold` bytes, in a file of `folder` beyond; `kept`, `read_soon`: see ports.Blobs."""

    def __init__(self, folder: Path, threshold: int, *, kept: bool = True, read_soon: bool = True) -> None:
        self._behind = _WriteBehind(read_soon=read_soon) if kept else None
        self._folder = folder
        self._threshold = threshold
        self._size = 0
        self._buffer = io.BytesIO()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._cleanup: weakref.finalize[[BinaryIO, Path], FileSpool] | None = None
        self._body: FileBody | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Raises StoreError when the disk does not take it."""
        self._size += len(data)
        try:
            if self._file is None and self._size > self._threshold:
                self._file = self._roll()
            (self._file or self._buffer).write(data)
            if self._file is not None and self._behind is not None:
                self._behind.wrote(self._file, len(data))
        except OSError as error:
            raise StoreError(f"a body cannot be written to disk: {error.strerror}") from error

    def finish(self) -> Body:
        """Raises StoreError when the disk does not take the last bytes."""
        if self._file is None or self._path is None or self._cleanup is None:
            return MemoryBody(self._buffer.getvalue())
        try:
            self._file.close()
            if self._behind is not None:
                self._behind.end()
        except OSError as error:
            raise StoreError(f"a body cannot be written to disk: {error.strerror}") from error
        self._cleanup.detach()
        self._body = FileBody(self._path, self._size, temporary=True)
        return self._body

    def discard(self) -> None:
        self._buffer = io.BytesIO()
        if self._cleanup is not None:
            self._cleanup()
        if self._body is not None and self._body.temporary:
            _unlink(self._body.path)
        self._body = None

    def _roll(self) -> BinaryIO:
        self._path, descriptor = _create(self._folder)
        file = os.fdopen(descriptor, "wb", CHUNK)
        self._cleanup = weakref.finalize(self, _abandon, file, self._path)
        file.write(self._buffer.getbuffer())
        self._buffer = io.BytesIO()
        return file


class FileBlobs:
    """`ports.Blobs` in the folder `root`; what is larger than `threshold` bytes goes to disk while it is written."""

    def __init__(self, root: Path, threshold: int = 262144) -> None:
        self._threshold = threshold
        self._spools = root / "spool"
        self._kept = root / "kept"
        try:
            for folder in (root, self._spools, self._kept):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of stored payloads cannot be made: {error.strerror}") from error

    def spool(self, *, kept: bool = True, read_soon: bool = True) -> Spool:
        return FileSpool(self._spools, self._threshold, kept=kept, read_soon=read_soon)

    def owns(self, body: Body) -> bool:
        return body.resident or (isinstance(body, FileBody) and self._is_ours(body))

    def check_space(self) -> None:
        """Raises StoreError when the disk is nearly full."""
        try:
            free = shutil.disk_usage(self._kept).free
        except OSError as error:
            raise StoreError(f"the folder of stored payloads cannot be looked at: {error.strerror}") from error
        if free < LEAST_FREE:
            raise StoreError(f"the disk is full: {free // 1048576} MiB are left, and a message may need more")

    def body(self, name: str, size: int) -> FileBody:
        """The kept file `name`."""
        return FileBody(self._place(name), size)

    def adopt(self, body: Body) -> FileBody:
        """Make a body durable under kept/: moved if it is a spool of ours, copied otherwise. Waits for the disk.

        Its name is `.path.name`. The object given stays readable. Until a row names the file, undo it with release().
        Raises StoreError.
        """
        try:
            if isinstance(body, FileBody) and self._is_ours(body) and body.take():
                return self._keep(body)
            copy = self._copy(body)
            copy.take()
            return self._keep(copy)
        except OSError as error:
            raise StoreError(f"a payload cannot be stored: {error.strerror}") from error

    def release(self, files: Iterable[FileBody]) -> None:
        """No row names these after all: each goes when the last one who reads it lets go."""
        for file in files:
            file.disown()

    def remove(self, names: Iterable[str]) -> None:
        """Delete kept files whose rows are gone."""
        for name in names:
            _unlink(self._place(name))

    def sweep(self, known: Callable[[Collection[str]], Collection[str]]) -> int:
        """Delete what a crash left behind; `known` tells which of these names are in the database. Returns how many."""
        oldest = time.time() - ABANDONED
        old = {path.name: path for path in _files_before(self._kept, oldest)}
        wanted = known(old) if old else ()
        orphans = [path for name, path in old.items() if name not in wanted]
        orphans += _files_before(self._spools, oldest)
        for path in orphans:
            _unlink(path)
        return len(orphans)

    def _is_ours(self, body: FileBody) -> bool:
        """A spool, or a file released after a transaction that failed."""
        return body.path in (self._spools / body.path.name, self._place(body.path.name))

    def _copy(self, body: Body) -> FileBody:
        path, descriptor = _create(self._spools)
        file = FileBody(path, body.size, temporary=True)
        with io.FileIO(descriptor, "wb") as target:
            for chunk in body.chunks():
                view = memoryview(chunk)
                while view:
                    view = view[target.write(view) :]
        return file

    def _keep(self, file: FileBody) -> FileBody:
        try:
            _sync(file.path)
            os.utime(file.path)  # so that a sweep between here and the commit sees a young file
            place = self._place(file.path.name)
            if not place.parent.is_dir():
                place.parent.mkdir(mode=0o700, exist_ok=True)
                _sync(self._kept)
            file.move(place)
            _sync(place.parent)
        except BaseException:
            file.disown()
            raise
        return file

    def _place(self, name: str) -> Path:
        return self._kept / name[:2] / name


def _read(file: io.FileIO, remaining: int) -> Iterator[bytes]:
    while remaining:
        chunk = file.read(min(CHUNK, remaining))
        if not chunk:
            raise StoreError(
                "a stored payload is shorter than when it was stored",
                fix="Check the file system; restore the folder of payloads from its backup.",
            )
        remaining -= len(chunk)
        yield chunk


def _create(folder: Path) -> tuple[Path, int]:
    path = folder / secrets.token_hex(16)
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_before(folder: Path, oldest: float) -> list[Path]:
    """The files below a folder that nobody wrote to since `oldest`; what vanishes meanwhile is another's business."""
    found = []
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file() and status.st_mtime < oldest:
            found.append(path)
    return found


def _abandon(file: BinaryIO, path: Path) -> None:
    with suppress(OSError):  # its last bytes need not reach a full disk
        file.close()
    _unlink(path)


def _unlink(path: Path) -> None:
    # A file that cannot be deleted now is deleted by a later sweep; whoever is here has nothing better to do.
    with suppress(OSError):
        path.unlink(missing_ok=True)
