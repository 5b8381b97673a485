"""gzip of payloads: fast on the way out, bounded on the way in (as4-wire 2.2, 9.25; python-stack 3 and 8).

STUB in the making: signatures are final, bodies follow.
"""

from collections.abc import Iterable, Iterator


def gzip_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip member, mtime 0: level 1, or stored blocks when the first 256 KiB hardly shrink.

    The same chunks give the same bytes.
    """
    raise NotImplementedError


class Gunzip:
    """Incremental inflate of exactly one gzip member, bounded.

    `max_bytes` bounds the output; `max_ratio` output to input, only beyond the first 4 MiB of output.
    """

    def __init__(self, max_bytes: int, max_ratio: int = 200) -> None:
        raise NotImplementedError

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """Inflated chunks of at most CHUNK. Raises DecompressionFailure (0303); must be exhausted before the next feed."""
        raise NotImplementedError

    def finish(self) -> None:
        """To be called after the last feed. Raises DecompressionFailure when the member is not complete."""
        raise NotImplementedError
