"""What the machine allows: the lean operations timed on one core, for 10 KB messages and for large payloads."""

import hashlib
import io
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from isal import igzip_lib, isal_zlib

from tests.bench import lean

TIMESTAMP = "2026-01-01T00:00:00.000Z"
CHUNK = 256 * 1024
SYNC_EVERY = 32 * 1024 * 1024


ROUNDS = 5


def per_second(agreement: lean.Agreement, payload: bytes, seconds: float) -> dict[str, float]:
    """Messages per second and core of the lean sender (with its receipt) and the lean receiver: median of the rounds."""
    rates: dict[str, list[float]] = {"send": [], "receive": []}
    for _ in range(ROUNDS):
        spent = {"send": 0.0, "receive": 0.0}
        count = 0
        deadline = time.perf_counter() + seconds / ROUNDS
        while time.perf_counter() < deadline:
            start = time.thread_time()
            message = lean.send(agreement, f"{count}@floor.example", payload, TIMESTAMP)
            sent = time.thread_time()
            got, answer = lean.receive(agreement, message.body, TIMESTAMP)
            received = time.thread_time()
            lean.conclude(agreement, answer, message.references)
            spent["send"] += sent - start + time.thread_time() - received
            spent["receive"] += received - sent
            assert got == payload
            count += 1
        for side, seconds_spent in spent.items():
            rates[side].append(count / seconds_spent)
    return {side: statistics.median(values) for side, values in rates.items()}


def fhir_like(size: int) -> Iterator[bytes]:
    """XML that compresses about as FHIR does, never the same block twice; in chunks."""
    made = 0
    number = 0
    while made < size:
        lines = []
        for _ in range(512):
            number += 1
            tag = hashlib.sha256(number.to_bytes(8, "big")).hexdigest()[:24]
            lines.append(
                f'<entry><fullUrl value="urn:uuid:{tag}"/><resource><Observation><status value="final"/>'
                f'<valueQuantity><value value="{number % 1000 / 10}"/><unit value="mmol/L"/></valueQuantity>'
                f'<effectiveDateTime value="2026-01-{number % 28 + 1:02d}T08:00:00+01:00"/></Observation></resource></entry>\n'
            )
        block = "".join(lines).encode()[: size - made]
        made += len(block)
        yield block


def _give_to_disk(file: io.FileIO) -> int:
    """Durable, and out of the page cache, whose fresh pages cost more than the disk on some machines."""
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return 0


def bulk(folder: Path, source: Path) -> dict[str, float]:
    """Seconds of CPU-bound work for one payload, disk to disk: pack in one pass, open in one pass."""
    key, iv = os.urandom(16), os.urandom(12)
    packed, plain = folder / "floor.bin", folder / "floor.out"
    start = time.perf_counter()
    encryptor = Cipher(algorithms.AES(key), modes.GCM(iv)).encryptor()
    gzip = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    digest = hashlib.sha256()
    buffer = bytearray(2 * CHUNK)
    with source.open("rb", buffering=0) as reader, packed.open("wb", buffering=0) as writer:
        while chunk := reader.read(CHUNK):
            data = gzip.compress(chunk)
            digest.update(data)
            if data:
                count = encryptor.update_into(data, buffer)
                writer.write(memoryview(buffer)[:count])
        data = gzip.flush()
        digest.update(data)
        writer.write(encryptor.update(data) + encryptor.finalize())
    sent = time.perf_counter()
    decryptor = Cipher(algorithms.AES(key), modes.GCM(iv, encryptor.tag)).decryptor()
    check = hashlib.sha256()
    inflate = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
    unsynced = 0
    with packed.open("rb", buffering=0) as reader, plain.open("wb", buffering=0) as writer:
        while chunk := reader.read(CHUNK):
            count = decryptor.update_into(chunk, buffer)
            piece = bytes(memoryview(buffer)[:count])
            check.update(piece)
            while True:
                inflated = inflate.decompress(piece, CHUNK)
                unsynced += writer.write(inflated) or 0
                if inflate.needs_input or inflate.eof:
                    break
                piece = b""
            if unsynced >= SYNC_EVERY:
                unsynced = _give_to_disk(writer)
        _give_to_disk(writer)
    decryptor.finalize()
    received = time.perf_counter()
    assert check.digest() == digest.digest()
    assert plain.stat().st_size == source.stat().st_size
    packed.unlink()
    plain.unlink()
    return {"send": sent - start, "receive": received - sent}
