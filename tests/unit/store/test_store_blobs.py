"""Bodies on disk: where they are, how long they stay, and what they cost."""

import errno
import gc
import os
import stat
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehmi_ap.backends.outbox import FileBody as OutboxFile
from ehmi_ap.body import CHUNK, Body, MemoryBody, Slice, read_all
from ehmi_ap.errors import NotFound, StoreError
from ehmi_ap.store import blobs as blobs_module
from ehmi_ap.store.blobs import ABANDONED, FileBlobs, FileBody

DATA = bytes(range(256)) * 16


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "payloads", threshold=1000)


def spooled(blobs: FileBlobs, data: bytes = DATA) -> FileBody:
    spool = blobs.spool()
    for start in range(0, len(data), 700):
        spool.write(memoryview(data)[start : start + 700])
    body = spool.finish()
    assert isinstance(body, FileBody)
    return body


def files(tmp_path: Path, part: str = "") -> list[Path]:
    return [path for path in (tmp_path / "payloads" / part).rglob("*") if path.is_file()]


def test_what_is_ours_nobody_else_can_change(blobs: FileBlobs, tmp_path: Path) -> None:
    """Bytes in memory, spools and kept files; no file of somebody else, though it has the name of one of ours."""
    spool = spooled(blobs)
    kept = blobs.adopt(spooled(blobs))
    (tmp_path / "theirs").mkdir()
    theirs = tmp_path / "theirs" / kept.path.name
    theirs.write_bytes(DATA)

    assert all(blobs.owns(body) for body in (MemoryBody(DATA), spool, kept))
    assert not blobs.owns(FileBody(theirs, len(DATA)))
    assert not blobs.owns(OutboxFile(theirs, len(DATA)))
    assert not FileBlobs(tmp_path / "another store").owns(kept)


def test_small_bodies_stay_in_memory(blobs: FileBlobs, tmp_path: Path) -> None:
    spool = blobs.spool()
    spool.write(b"x" * 600)
    spool.write(bytearray(b"y" * 400))
    body = spool.finish()
    assert body.resident
    assert read_all(body) == b"x" * 600 + b"y" * 400
    assert files(tmp_path) == []


def test_a_body_above_the_threshold_is_a_file(blobs: FileBlobs, tmp_path: Path) -> None:
    spool = blobs.spool()
    spool.write(b"x" * 1000)
    assert files(tmp_path) == []
    spool.write(b"y")
    body = spool.finish()
    assert (body.size, body.resident) == (1001, False)
    assert read_all(body) == b"x" * 1000 + b"y"
    assert read_all(body) == b"x" * 1000 + b"y"
    assert len(files(tmp_path, "spool")) == 1


def test_only_we_can_read_what_is_stored(blobs: FileBlobs, tmp_path: Path) -> None:
    """Patient data: folders 0700, files 0600, whatever the umask lets through."""
    old = os.umask(0)
    try:
        kept, spool = blobs.adopt(spooled(blobs)), spooled(blobs)
    finally:
        os.umask(old)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "payloads").rglob("*")}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {kept.path, spool.path} <= set(modes)


def test_what_nobody_needs_any_more_goes_by_itself(blobs: FileBlobs, tmp_path: Path) -> None:
    body: Body = Slice(spooled(blobs), 10, 20)
    gc.collect()
    assert read_all(body) == DATA[10:20]
    unfinished = blobs.spool()
    unfinished.write(DATA)
    del body, unfinished
    gc.collect()
    assert files(tmp_path) == []


@pytest.mark.parametrize("finished", [False, True])
def test_a_discarded_spool_leaves_nothing(blobs: FileBlobs, tmp_path: Path, finished: bool) -> None:
    spool = blobs.spool()
    spool.write(DATA)
    if finished:
        spool.finish()
    spool.discard()
    spool.discard()
    assert files(tmp_path) == []


def test_adopting_moves_a_spool_and_keeps_it(blobs: FileBlobs, tmp_path: Path) -> None:
    body = spooled(blobs)
    reading = body.chunks()
    assert next(reading) == DATA
    file = blobs.adopt(body)
    assert file is body
    name = file.path.name
    assert [path.name for path in files(tmp_path, "kept")] == [name]
    assert files(tmp_path, "spool") == []
    assert read_all(body) == DATA
    del body, file, reading
    gc.collect()
    assert read_all(blobs.body(name, len(DATA))) == DATA
    blobs.remove([name, name])
    assert files(tmp_path) == []


def test_adopting_anything_else_copies_it(blobs: FileBlobs, tmp_path: Path) -> None:
    """A part of a spool, a body in memory, a file of somebody else, one that another message has."""
    theirs = tmp_path / "theirs"
    theirs.write_bytes(DATA)
    spool = spooled(blobs)
    kept = blobs.adopt(spooled(blobs))
    for body in (MemoryBody(DATA), Slice(spool, 0, len(DATA)), FileBody(theirs, len(DATA)), kept):
        copy = blobs.adopt(body)
        assert read_all(copy) == read_all(body) == DATA
    assert len(files(tmp_path, "kept")) == 5
    assert theirs.exists()


def test_released_files_stay_while_they_are_read(blobs: FileBlobs, tmp_path: Path) -> None:
    body = spooled(blobs)
    blobs.release([blobs.adopt(body)])
    assert read_all(body) == DATA
    assert read_all(blobs.adopt(body)) == DATA  # another try takes it again
    blobs.release([body])
    del body
    gc.collect()
    assert files(tmp_path) == []


def test_one_body_in_many_messages_at_once_is_as_many_files(blobs: FileBlobs, tmp_path: Path) -> None:
    """One submission each to several receivers, stored by several threads: none has the file of another."""
    body = spooled(blobs)
    with ThreadPoolExecutor(8) as threads:
        adopted = list(threads.map(blobs.adopt, [body] * 32))
    assert len({file.path for file in adopted}) == len(files(tmp_path, "kept")) == 32
    assert {read_all(file) for file in adopted} == {DATA}


def test_a_purged_file_is_not_found(blobs: FileBlobs) -> None:
    body = blobs.adopt(spooled(blobs))
    blobs.remove([body.path.name])
    with pytest.raises(NotFound, match="no longer kept"):
        read_all(body)


def test_a_damaged_file_is_not_delivered(blobs: FileBlobs) -> None:
    body = blobs.adopt(spooled(blobs))
    os.truncate(body.path, 10)
    with pytest.raises(StoreError, match="shorter"):
        read_all(body)


def test_a_disk_that_fails_is_a_store_error(blobs: FileBlobs, tmp_path: Path) -> None:
    """Ours, worth another try, and it names no payload."""
    body = spooled(blobs)
    (tmp_path / "payloads" / "spool").rename(tmp_path / "away")
    with pytest.raises(StoreError) as told:
        blobs.spool().write(DATA)
    assert told.value.retryable
    for lost in (body, MemoryBody(DATA)):
        with pytest.raises(StoreError, match="cannot be stored"):
            blobs.adopt(lost)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="folder"):
        FileBlobs(tmp_path / "file" / "payloads")


def test_a_file_that_cannot_be_read_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_all(FileBody(tmp_path, 5))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(start=st.integers(0, 700_000), stop=st.none() | st.integers(0, 700_000))
def test_stretches_are_those_of_the_bytes(tmp_path: Path, start: int, stop: int | None) -> None:
    path = tmp_path / "body"
    data = bytes(range(256)) * 2400
    if not path.exists():
        path.write_bytes(data)
    chunks = list(FileBody(path, len(data)).chunks(start, stop))
    assert b"".join(chunks) == data[start:stop]
    assert all(0 < len(chunk) <= CHUNK for chunk in chunks)


def test_memory_does_not_grow_with_the_body(blobs: FileBlobs) -> None:
    """Writing, adopting, copying and reading 16 MiB takes a few chunks' memory."""
    piece = b"x" * 100_000
    tracemalloc.start()
    spool = blobs.spool()
    for _ in range(168):
        spool.write(piece)
    body = blobs.adopt(spool.finish())
    copy = blobs.adopt(body)
    assert sum(len(chunk) for chunk in copy.chunks()) == 168 * len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * CHUNK


def test_the_sweep_takes_what_is_old_and_unknown(blobs: FileBlobs, tmp_path: Path) -> None:
    known, orphan, young = (blobs.adopt(spooled(blobs)).path for _ in range(3))
    body = spooled(blobs)
    asked: list[set[str]] = []
    for path in (known, orphan, body.path):
        past = path.stat().st_mtime - ABANDONED - 1
        os.utime(path, (past, past))

    def tell(names: object) -> set[str]:
        asked.append(set(names))  # type: ignore[call-overload]
        return {known.name}

    assert blobs.sweep(tell) == 2
    assert asked == [{known.name, orphan.name}]
    assert set(files(tmp_path)) == {known, young}
    assert blobs.sweep(tell) == 0


def test_an_old_spool_is_young_again_when_it_is_adopted(blobs: FileBlobs) -> None:
    """Another process may sweep between our rename and our commit."""
    body = spooled(blobs)
    os.utime(body.path, (0, 0))
    blobs.adopt(body)
    assert blobs.sweep(lambda _: ()) == 0
    assert read_all(body) == DATA


def test_repr_shows_no_content(blobs: FileBlobs) -> None:
    body = spooled(blobs)
    assert repr(body) == f"FileBody({body.path.name!r}, {len(DATA)})"


def test_a_large_file_goes_to_disk_while_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What will be kept begins early; what will not leaves the disk alone. The bytes are the same."""
    synced: list[int] = []
    sync = blobs_module._fdatasync
    monkeypatch.setattr(blobs_module, "_fdatasync", lambda descriptor: (synced.append(descriptor), sync(descriptor)))
    monkeypatch.setattr(blobs_module, "WRITE_BEHIND", 300_000)
    for kept in (True, False):
        spool = FileBlobs(tmp_path / str(kept), threshold=1000).spool(kept=kept)
        pieces = [bytes([number]) * 100_000 for number in range(12)]
        for piece in pieces:
            spool.write(piece)
        assert read_all(spool.finish()) == b"".join(pieces)
        assert bool(synced) is kept
        synced.clear()


def test_a_disk_that_failed_meanwhile_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells of a failed write once: to the sync that ran behind."""

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(blobs_module, "_fdatasync", broken)
    monkeypatch.setattr(blobs_module, "WRITE_BEHIND", 1000)
    spool = FileBlobs(tmp_path, threshold=100).spool()
    spool.write(bytes(2000))
    with pytest.raises(StoreError, match="Input/output error"):
        spool.finish()
    spool.discard()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
