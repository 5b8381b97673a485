"""gzip out and in: one member, mtime 0, bounded (as4-wire 2.2, 3.4, 6.4 row 0303; python-stack 3, 8)."""

import gzip
import random
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from ehmi_ap.as4 import compression
from ehmi_ap.as4.compression import RATIO, Gunzip, gzip_chunks
from ehmi_ap.body import CHUNK
from ehmi_ap.errors import DecompressionFailure
from ehmi_ap.pmode import Limits

_TEXT = b"<Observation status='final'/>\n" * 50_000
_NOISE = random.Random(7).randbytes(600_000)


def _inflate(data: bytes, *, step: int = CHUNK, max_bytes: int = 10**9, max_ratio: int = RATIO) -> bytes:
    gunzip = Gunzip(max_bytes, max_ratio)
    out = b"".join(chunk for at in range(0, len(data), step) for chunk in gunzip.feed(data[at : at + step]))
    gunzip.finish()
    return out


@pytest.mark.parametrize("content", [b"", b"a", b"abc" * 1000, _TEXT, _NOISE, _NOISE[:CHUNK], _TEXT[:CHUNK]])
@pytest.mark.parametrize("step", [1 << 30, CHUNK, 65_537])
def test_any_content_comes_back(content: bytes, step: int) -> None:
    packed = b"".join(gzip_chunks(content[at : at + step] for at in range(0, len(content), step)))
    assert gzip.decompress(packed) == content
    assert _inflate(packed) == content
    assert packed[:4] == b"\x1f\x8b\x08\x00"
    assert packed[4:8] == b"\x00" * 4  # mtime 0: retries carry the same digests (as4-wire 9.23)


def test_the_same_chunks_give_the_same_bytes() -> None:
    chunks = [_TEXT[:100_000], _TEXT[100_000:700_000], _NOISE]
    assert b"".join(gzip_chunks(chunks)) == b"".join(gzip_chunks(iter(chunks)))


def test_incompressible_content_is_stored_and_hardly_grows() -> None:
    packed = b"".join(gzip_chunks([_NOISE]))
    assert len(packed) < len(_NOISE) + 200
    assert _NOISE[:1000] in packed


def test_zlib_does_where_isal_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_fast", zlib)
    packed = b"".join(gzip_chunks([_TEXT]))
    assert _inflate(packed) == _TEXT
    with pytest.raises(DecompressionFailure):
        _inflate(b"not gzip at all")


@pytest.mark.parametrize("step", [1, 7, CHUNK])
def test_inflating_goes_byte_by_byte_too(step: int) -> None:
    assert _inflate(gzip.compress(b"abc" * 100), step=step) == b"abc" * 100


DENSE = {
    "zeros": bytes(9_000_000),
    "noise, then zeros": _NOISE[:1000] + bytes(9_000_000),
    "zeros, then text": bytes(6_000_000) + _TEXT + bytes(6_000_000),
}


@pytest.mark.parametrize("library", [compression._fast, zlib], ids=["isal", "zlib"])
@pytest.mark.parametrize("content", DENSE.values(), ids=DENSE)
@pytest.mark.parametrize("step", [1000, CHUNK])
def test_what_we_compress_we_would_inflate(
    content: bytes, step: int, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Design decision 41: no prefix of it looks like a bomb to a receiver with our budget, however it is cut."""
    monkeypatch.setattr(compression, "_fast", library)
    packed = b"".join(gzip_chunks([content[:700_000], content[700_000:]]))
    assert _inflate(packed, step=step) == content
    assert gzip.decompress(packed) == content
    assert len(packed) < 1.2 * len(content) / RATIO + len(gzip.compress(_TEXT, 1)) + 2000


def test_the_budget_we_keep_to_is_the_one_we_give() -> None:
    assert Limits().inflate_ratio == RATIO


def _damaged() -> list[tuple[str, bytes]]:
    good = gzip.compress(b"clinical " * 400)
    flipped = bytearray(good)
    flipped[-6] ^= 1
    return [
        ("no gzip", b"PK\x03\x04 something else"),
        ("nothing", b""),
        ("cut short", good[:-1]),
        ("cut in the data", good[:20]),
        ("wrong checksum", bytes(flipped)),
        ("bytes after it", good + b"x"),
        ("a second member", good + good),
        ("zlib, not gzip", zlib.compress(b"clinical")),
        *((f"reserved flag {flag:#x}", good[:3] + bytes([flag]) + good[4:]) for flag in (0x20, 0x40, 0x80)),
    ]


@pytest.mark.parametrize(("what", "data"), _damaged(), ids=[what for what, _ in _damaged()])
@pytest.mark.parametrize("step", [1, CHUNK])
def test_damaged_gzip_is_0303(what: str, data: bytes, step: int) -> None:
    """as4-wire 6.4: gzip damaged, bytes after it."""
    with pytest.raises(DecompressionFailure):
        _inflate(data, step=step)


def test_more_than_max_bytes_is_0303() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert len(_inflate(packed, max_bytes=1000)) == 1000
    with pytest.raises(DecompressionFailure, match="999 bytes"):
        _inflate(packed, max_bytes=999)


def test_a_bomb_stops_early() -> None:
    """python-stack 8: refused after about 4 MiB of output, whatever it would have become."""
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    given: list[int] = []
    with pytest.raises(DecompressionFailure, match="200 times"):
        given.extend(_sizes(Gunzip(10**12), bomb))
    assert sum(given) < 6 * 1024 * 1024


def _sizes(gunzip: Gunzip, data: bytes) -> Iterator[int]:
    for at in range(0, len(data), 1024):
        yield from (len(chunk) for chunk in gunzip.feed(data[at : at + 1024]))


def test_chunks_are_bounded() -> None:
    """One byte of input may stand for a megabyte; what comes out comes in pieces all the same."""
    assert max(_sizes(Gunzip(10**9), gzip.compress(bytes(2_000_000)))) <= CHUNK


def test_a_high_ratio_within_the_first_4_mib_is_fine() -> None:
    assert len(_inflate(gzip.compress(bytes(4 * 1024 * 1024)))) == 4 * 1024 * 1024
