"""Payloads of any size stream through in chunks, both ways: memory does not grow with them (decision 24)."""

import hashlib
import random
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sample_exchange import (
    alpha,
    beta,
    certificate,
    contents,
    keys_of,
    message,
    outbound,
    payload,
    received,
    sent,
    verified,
)

from ehmi_ap.as4.pack import seal, sign
from ehmi_ap.as4.unpack import Rejected, Verified
from ehmi_ap.body import CHUNK, Body
from ehmi_ap.model import Wire

SIZE = 24 * 1024 * 1024
FEW = 8 * 1024 * 1024
"""What both ways may hold at once; a third of the payload."""


@dataclass(frozen=True)
class _File:
    """A body in a file, as the store's."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    @property
    def resident(self) -> bool:
        return False

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        end = self.size if stop is None else min(stop, self.size)
        with self.path.open("rb") as file:
            file.seek(start)
            while start < end and (piece := file.read(min(CHUNK, end - start))):
                start += len(piece)
                yield piece


class _FileSpool:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._file.write(data)

    def finish(self) -> Body:
        self._file.close()
        return _File(self._path)

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def spool(self) -> _FileSpool:
        self._count += 1
        return _FileSpool(self._path / str(self._count))


def _digest(body: Body) -> str:
    digest = hashlib.sha256()
    for chunk in body.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _drop_on(folder: Path, wire: Wire) -> Wire:
    """The network: every byte goes to a file, chunk by chunk."""
    spool = _FileSpool(folder / "wire")
    for chunk in wire.body.chunks():
        spool.write(chunk)
    return replace(wire, body=spool.finish())


@pytest.mark.parametrize(("mime_type", "compress"), [("application/octet-stream", True), ("text/plain", False)])
def test_memory_does_not_grow_with_the_payload(tmp_path: Path, mime_type: str, compress: bool) -> None:
    """Half of it shrinks well, half hardly; alpha signs and seals, beta reads, nothing is ever whole in memory."""
    with (tmp_path / "payload").open("wb") as file:
        chance = random.Random(1)
        for number in range(SIZE // CHUNK):
            file.write(chance.randbytes(CHUNK) if number % 2 else b"line of text\r\n" * (CHUNK // 14 + 1))
    plain = _File(tmp_path / "payload")
    made = message(replace(payload(), body=plain, mime_type=mime_type))
    mode = outbound(compress=compress)
    (tmp_path / "alpha").mkdir()
    (tmp_path / "beta").mkdir()
    tracemalloc.start()
    try:
        signed = sign(made, mode, keys=keys_of(alpha()), new_spool=_Folder(tmp_path / "alpha").spool)
        packed = seal(signed, made.message_id, mode, to=certificate(beta()))
        wire = _drop_on(tmp_path, packed.wire)
        result = received(wire, new_spool=_Folder(tmp_path / "beta").spool)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(result, Verified), getattr(result, "error", result)
    assert _digest(result.message.payloads[0].body) == _digest(plain)
    assert peak < FEW, f"{peak / 1024 / 1024:.1f} MiB"


def test_a_damaged_big_message_leaves_no_file(tmp_path: Path) -> None:
    """The tag is at the very end: what was written until then is discarded."""
    made = message(payload(bytes(4 * CHUNK), "application/octet-stream"))
    mode = outbound(compress=False)
    signed = sign(made, mode, keys=keys_of(alpha()), new_spool=_Folder(tmp_path).spool)
    wire = _drop_on(tmp_path, seal(signed, made.message_id, mode, to=certificate(beta())).wire)
    path = tmp_path / "wire"
    data = bytearray(path.read_bytes())
    data[-len(b"\r\n--=_" + b"0" * 32 + b"--\r\n") - 1] ^= 1  # the last byte of the tag
    path.write_bytes(data)
    (tmp_path / "beta").mkdir()
    result = received(wire, new_spool=_Folder(tmp_path / "beta").spool)
    assert isinstance(result, Rejected)
    assert result.error.code == "peer.0102"
    assert list((tmp_path / "beta").iterdir()) == []


def test_a_payload_of_nothing_but_zeros_arrives() -> None:
    """Design decision 41: what compresses a thousand times is no bomb when we send it."""
    dense = bytes(6 * 1024 * 1024)
    assert contents(verified(sent(message(payload(dense, "application/octet-stream"))).wire).message.payloads) == [
        dense
    ]
