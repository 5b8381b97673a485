"""gzip of payloads: fast on the way out, bounded on the way in (AS4 1.0 3.1; as4-wire 2.2, 9.25; python-stack 3, 8).

isal does the work where it is installed, zlib elsewhere; which one it is shows in the bytes but not in the content.
"""

import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, cast

from ehmi_ap.body import CHUNK
from ehmi_ap.errors import DecompressionFailure

_fast: Any
_ERRORS: tuple[type[Exception], ...]
try:
    from isal import isal_zlib
except ImportError:  # pragma: no cover - a platform without wheels of isal
    _fast, _ERRORS = zlib, (zlib.error,)
else:
    _fast, _ERRORS = isal_zlib, (zlib.error, cast(type[Exception], isal_zlib.error))

_GZIP = 31
"""wbits: a 32 KiB window in a gzip wrapper, whose header has mtime 0."""

_HARDLY = 1.05
"""Below this ratio of the first chunk, deflating costs time and gains nothing."""

RATIO = 200
"""Uncompressed to compressed, beyond the first 4 MiB: what we take unless told otherwise, and keep to when we send."""

_RATIO_FREE = 4 * 1024 * 1024
_EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
"""A stored block of no bytes (RFC 1951 3.2.4)."""

_PIECE = 32 * 1024
"""Bytes that are inflated at a time: for each chunk that comes out, those not yet used are copied."""

_FLAGS = 3
_RESERVED = 0xE0
_AFTER = "there are bytes after the gzip member of a payload"
_DAMAGED = "the gzip member of a payload is damaged"


def gzip_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member, mtime 0: level 1, or stored blocks when the first 256 KiB hardly shrink.

    The same chunks give the same bytes, so that a message signed again has the same digests (as4-wire 3.4).
    """
    source = iter(chunks)
    sample, rest = _sample(source)
    trial = _compressor(_fast, 1)
    first = trial.compress(sample)
    whole = first + trial.flush()
    if len(sample) < len(whole) * _HARDLY:
        yield from _all(_compressor(zlib, 0), chain((sample, rest), source))
    elif len(sample) < CHUNK:
        yield whole
    else:
        yield from _all(_compressor(_fast, 1), chain((sample, rest), source))


def _sample(source: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The first CHUNK bytes, and what came with them beyond."""
    pieces: list[bytes] = []
    size = 0
    for piece in source:
        pieces.append(piece)
        size += len(piece)
        if size >= CHUNK:
            break
    joined = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    return (joined, b"") if size <= CHUNK else (joined[:CHUNK], joined[CHUNK:])


def _all(compressor: Any, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Compressed, and padded where it would be denser than a receiver takes (design decision 41)."""
    read = written = 0
    for piece in _pieces(chunks):
        made = compressor.compress(piece)
        read += len(piece)
        wanted = _wanted(read + CHUNK) - written  # ahead of the piece to come, so that no prefix is too dense
        if len(made) < wanted:
            made += compressor.flush(zlib.Z_SYNC_FLUSH)
            made += _padding(wanted - len(made))
        written += len(made)
        if made:
            yield made
    yield compressor.flush()


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks, none longer than CHUNK."""
    for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            yield chunk[start : start + CHUNK]


def _wanted(size: int) -> int:
    """How much a receiver has to have read before it inflates to `size` bytes."""
    return -(-size // RATIO) if size > _RATIO_FREE else 0


def _padding(size: int) -> bytes:
    """At least `size` bytes of deflate that stand for nothing, to be put at the byte border after a flush."""
    return _EMPTY_BLOCK * -(-max(size, 0) // len(_EMPTY_BLOCK))


def _compressor(library: Any, level: int) -> Any:
    return library.compressobj(level, zlib.DEFLATED, _GZIP)


class Gunzip:
    """Incremental inflate of exactly one gzip member, bounded.

    `max_bytes` bounds the output; `max_ratio` output to input, only beyond the first 4 MiB of output.
    """

    def __init__(self, max_bytes: int, max_ratio: int = RATIO) -> None:
        self._inflate: Any = _fast.decompressobj(wbits=_GZIP)
        self._max_bytes = max_bytes
        self._max_ratio = max_ratio
        self._head = b""
        self._read = 0
        self._written = 0

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Inflated chunks of at most CHUNK, to be exhausted before the next feed. Raises DecompressionFailure."""
        self._read += len(data)
        self._check_flags(data)
        view = memoryview(data)
        for start in range(0, len(data), _PIECE):
            yield from self._inflated(view[start : start + _PIECE])

    def _inflated(self, piece: memoryview) -> Iterator[bytes]:
        if self._inflate.eof:
            raise DecompressionFailure(_AFTER)
        left: Any = piece
        more = True
        while more:
            try:
                chunk = self._inflate.decompress(left, CHUNK)
            except _ERRORS:
                raise DecompressionFailure(_DAMAGED) from None
            self._count(len(chunk))
            if chunk:
                yield chunk
            left = self._inflate.unconsumed_tail
            if self._inflate.eof and (left or self._inflate.unused_data):
                raise DecompressionFailure(_AFTER)
            more = not self._inflate.eof and (left or len(chunk) == CHUNK)

    def finish(self) -> None:
        """To be called after the last feed. Raises DecompressionFailure when the member is not complete."""
        if not self._inflate.eof:
            raise DecompressionFailure("the gzip member of a payload is cut short")

    def _check_flags(self, data: bytes | bytearray | memoryview) -> None:
        """No reserved bit of the header's FLG is set (RFC 1952 2.3.1.2): isal would not mind."""
        if len(self._head) <= _FLAGS:
            self._head += bytes(data[: _FLAGS + 1 - len(self._head)])
            if self._head[_FLAGS:] and self._head[_FLAGS] & _RESERVED:
                raise DecompressionFailure(_DAMAGED)

    def _count(self, size: int) -> None:
        self._written += size
        if self._written > self._max_bytes:
            raise DecompressionFailure(f"a payload inflates to more than {self._max_bytes} bytes")
        if self._written > _RATIO_FREE and self._written > self._read * self._max_ratio:
            raise DecompressionFailure(f"a payload inflates to more than {self._max_ratio} times its size")
