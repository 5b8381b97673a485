"""Which bytes go into the row and which into a file, decided before the transaction begins."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ehmi_ap.body import Body, read_all
from ehmi_ap.model import Wire
from ehmi_ap.store.blobs import FileBlobs, FileBody
from ehmi_ap.store.codec import Place

INLINE = 64 * 1024
"""A larger body becomes a file: beyond this size a file costs less than pages of the log and of the database."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The parts of a message, placed: `inline` goes into its row, `files` are durable already."""

    inline: bytes
    places: tuple[Place, ...]
    files: tuple[FileBody, ...]

    @property
    def names(self) -> list[str]:
        return [file.path.name for file in self.files]


async def lay_out(bodies: Sequence[Body], blobs: FileBlobs) -> Layout:
    """Place bodies, in a thread where that waits for a disk. Raises StoreError; no file is left then."""
    if all(body.resident and body.size <= INLINE for body in bodies):
        return _place(bodies, blobs)
    working = asyncio.get_running_loop().run_in_executor(None, _place, bodies, blobs)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        working.add_done_callback(partial(_release, blobs))
        raise


def _release(blobs: FileBlobs, working: "asyncio.Future[Layout]") -> None:
    """Nobody waits for this layout any more."""
    if not working.cancelled() and working.exception() is None:
        blobs.release(working.result().files)


def _place(bodies: Sequence[Body], blobs: FileBlobs) -> Layout:
    inline: list[bytes] = []
    places: list[Place] = []
    files: list[FileBody] = []
    offset = 0
    try:
        for body in bodies:
            if body.size <= INLINE:
                inline.append(read_all(body))
                places.append(Place(body.size, offset))
                offset += body.size
            else:
                files.append(blobs.adopt(body))
                places.append(Place(body.size, 0, files[-1].path.name))
    except BaseException:
        blobs.release(files)
        raise
    return Layout(inline[0] if len(inline) == 1 else b"".join(inline), tuple(places), tuple(files))


async def wire_row(wire: Wire) -> tuple[int, str, bytes]:
    """A receipt as it stands in its row: status, content type and bytes."""
    body = wire.body
    data = read_all(body) if body.resident else await asyncio.to_thread(read_all, body)
    return (wire.status, wire.content_type, data)
