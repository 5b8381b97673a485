"""Bytes that may be too many for memory.

A `Body` can be read any number of times and knows its size; a `Spool` is one being written. What keeps them
(memory, a file) is the business of whoever makes them: the protocol floor is given a `NewSpool` and never
opens a file itself. Only this file and `store/blobs.py` implement the two.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

CHUNK = 256 * 1024
"""Bytes per chunk; AES-GCM, SHA-256 and inflate are all near their best speed at this size."""


class Body(Protocol):
    """Bytes of a known size, readable more than once."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    @property
    def resident(self) -> bool:
        """True when the bytes are in memory, so that reading them never waits for a disk."""

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop` in chunks of at most CHUNK (a resident body may give one chunk)."""


class Spool(Protocol):
    """A body being written; ends with exactly one of finish() or discard()."""

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def finish(self) -> Body:
        """The body of all that was written."""

    def discard(self) -> None:
        """Throw away what was written; allowed after finish() too, and more than once."""


NewSpool = Callable[[], Spool]


@dataclass(frozen=True, slots=True)
class MemoryBody:
    """A body held in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def resident(self) -> bool:
        return True

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        piece = self.data if start == 0 and stop is None else self.data[start:stop]
        if piece:
            yield piece


class MemorySpool:
    """A spool in memory, for small things and for tests."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._buffer.write(data)

    def finish(self) -> Body:
        return MemoryBody(self._buffer.getvalue())

    def discard(self) -> None:
        self._buffer = io.BytesIO()


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of another body, read in place."""

    body: Body
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def resident(self) -> bool:
        return self.body.resident

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        end = self.stop if stop is None else min(self.stop, self.start + stop)
        return self.body.chunks(self.start + start, end)


@dataclass(frozen=True, slots=True)
class Joined:
    """Several bodies, one after the other, as one."""

    bodies: tuple[Body, ...]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", sum(body.size for body in self.bodies))

    @property
    def resident(self) -> bool:
        return all(body.resident for body in self.bodies)

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        end = self.size if stop is None else stop
        offset = 0
        for body in self.bodies:
            size = body.size
            low, high = max(start - offset, 0), min(end - offset, size)
            if low == 0 and high == size:
                yield from body.chunks()
            elif low < high:
                yield from body.chunks(low, high)
            offset += size


def read_all(body: Body, limit: int | None = None) -> bytes:
    """All bytes of a body that is known to be small; raises ValueError above `limit`."""
    if limit is not None and body.size > limit:
        raise ValueError(f"{body.size} bytes, more than {limit}")
    return b"".join(body.chunks())
