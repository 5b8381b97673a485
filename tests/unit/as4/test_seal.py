"""A body that is encrypted while it is read."""

import os
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ehmi_ap.as4.seal import OVERHEAD, Sealed
from ehmi_ap.body import CHUNK, Joined, MemoryBody, read_all

KEY, IV = bytes(range(16)), bytes(range(12))


@pytest.mark.parametrize("size", [0, 1, 16, 10_000, CHUNK, 3 * CHUNK + 5])
def test_the_whole_and_every_stretch_of_it(size: int) -> None:
    """as4-wire 3.4: IV, ciphertext, tag; 28 bytes more, known beforehand."""
    plain = os.urandom(size)
    sealed = Sealed(MemoryBody(plain), KEY, IV, "aes128-gcm")
    whole = IV + AESGCM(KEY).encrypt(IV, plain, None)
    assert sealed.size == len(whole) == size + OVERHEAD
    assert read_all(sealed) == whole
    for start in {0, 1, 12, size // 2, size, size + 27, size + 28, size + 50}:
        for stop in {0, start, start + 1, start + 100, size + 28, size + 99, None}:
            assert b"".join(sealed.chunks(start, stop)) == whole[start:stop]


def test_a_big_body_is_never_whole_in_memory() -> None:
    plain = Joined(tuple(MemoryBody(bytes([n]) * CHUNK) for n in range(8)))
    sealed = Sealed(plain, KEY, IV, "aes128-gcm")
    pieces = list(sealed.chunks())
    assert len(pieces) >= 8
    assert max(map(len, pieces)) <= CHUNK + OVERHEAD
    assert b"".join(pieces) == IV + AESGCM(KEY).encrypt(IV, read_all(plain), None)


def test_reading_stops_where_the_reader_stops() -> None:
    taken = 0

    class Counted(MemoryBody):
        def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
            nonlocal taken
            for _ in range(4):
                taken += 1
                yield self.data[: CHUNK * 5]

        @property
        def size(self) -> int:
            return 4 * CHUNK * 5

    sealed = Sealed(Counted(bytes(CHUNK * 5)), KEY, IV, "aes128-gcm")
    assert len(b"".join(sealed.chunks(0, 100))) == 100
    assert taken <= 2


def test_it_is_resident_as_its_plain_body_is_and_shows_no_key() -> None:
    sealed = Sealed(MemoryBody(b"secret"), KEY, IV, "aes128-gcm")
    assert sealed.resident
    assert "secret" not in repr(sealed)
    assert KEY.hex() not in repr(sealed)
