"""Which bytes go into the row and which into a file."""

import asyncio
import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ehmi_ap.body import Body, MemoryBody, Slice, read_all
from ehmi_ap.errors import StoreError
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.codec import Place
from ehmi_ap.store.layout import INLINE, Layout, lay_out


@pytest.fixture(autouse=True)
async def one_thread() -> None:
    """What is asked of a thread after something else begins when that is over and forgotten."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path, threshold=1000)


async def files(folder: Path) -> list[Path]:
    await asyncio.to_thread(gc.collect)
    return [path for path in folder.rglob("*") if path.is_file()]


def spooled(blobs: FileBlobs, size: int) -> Body:
    spool = blobs.spool()
    spool.write(b"s" * size)
    return spool.finish()


class Broken:
    """A body whose disk fails while it is read."""

    size = INLINE + 1
    resident = False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        yield b"x"
        raise StoreError("a stored payload cannot be read")


async def test_each_body_has_its_place(blobs: FileBlobs, tmp_path: Path) -> None:
    """Up to 64 KiB inline one after the other, also from a spool; above, a file each."""
    large = MemoryBody(b"l" * (INLINE + 1))
    bodies = [MemoryBody(b"ab"), large, MemoryBody(b""), spooled(blobs, INLINE), spooled(blobs, INLINE + 1)]
    layout = await lay_out(bodies, blobs)
    assert layout.inline == b"ab" + b"s" * INLINE
    assert layout.places == (
        Place(2, 0),
        Place(INLINE + 1, 0, layout.names[0]),
        Place(0, 2),
        Place(INLINE, 2),
        Place(INLINE + 1, 0, layout.names[1]),
    )
    assert [read_all(file) for file in layout.files] == [large.data, b"s" * (INLINE + 1)]
    del bodies
    assert sorted(path.name for path in await files(tmp_path)) == sorted(layout.names)


async def test_small_bodies_in_memory_wait_for_no_thread(blobs: FileBlobs) -> None:
    """The hot path: it is done before anybody else runs."""
    laying = lay_out([MemoryBody(b"abc")], blobs)
    with pytest.raises(StopIteration) as done:
        laying.send(None)
    assert done.value.value == Layout(b"abc", (Place(3),), ())


async def test_a_failure_in_between_leaves_no_file(blobs: FileBlobs, tmp_path: Path) -> None:
    broken: Body = Broken()
    with pytest.raises(StoreError, match="cannot be read") as told:
        await lay_out([MemoryBody(b"l" * (INLINE + 1)), broken], blobs)
    del told
    await asyncio.sleep(0)
    assert await files(tmp_path) == []


async def test_a_stretch_of_a_spool_is_copied(blobs: FileBlobs, tmp_path: Path) -> None:
    """A part of a message that came unencrypted lies in the spool of the whole."""
    whole = spooled(blobs, 3 * INLINE)
    layout = await lay_out([Slice(whole, 10, 2 * INLINE)], blobs)
    assert layout.files[0].size == 2 * INLINE - 10
    assert read_all(whole) == b"s" * 3 * INLINE
    assert len(await files(tmp_path)) == 2
