"""Microseconds per message of the protocol alone: no network, no store. Run: python -m tests.bench.as4_messages

10 KB of XML, gzip, RSA-2048, BST; the best of nine rounds, beside the RSA operations that nothing can save.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

_TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_TESTS), str(_TESTS / "unit" / "as4")]

import sample_exchange as exchange  # noqa: E402 - found by the path set above
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import padding  # noqa: E402

from ehmi_ap.body import read_all  # noqa: E402

ROUNDS, MESSAGES = 9, 200


def best(work: Callable[[], object]) -> float:
    """Microseconds of one call in the best round; others may be busy on the same cores."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(MESSAGES):
            work()
        rounds.append((time.perf_counter() - start) / MESSAGES)
    return min(rounds) * 1e6


def document(size: int = 10_000) -> bytes:
    """XML that shrinks as clinical documents do."""
    chance = random.Random(1)
    pieces = (
        f'<observation id="{chance.randrange(10**6)}"><value unit="mmol/l" value="{chance.random():.4f}"/></observation>'
        for _ in range(size // 60)
    )
    return "".join(pieces).encode()[:size]


def main() -> None:
    made = exchange.message(exchange.payload(document()))
    packed = exchange.sent(made)
    verified = exchange.verified(packed.wire)
    reply = exchange.answered(verified)
    key = exchange.alpha().key
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = key.public_key().encrypt(bytes(16), oaep)
    rows: list[tuple[str, Callable[[], object]]] = [
        ("RSA-2048 sign", lambda: key.sign(b"", padding.PKCS1v15(), hashes.SHA256())),
        ("RSA-2048 decrypt", lambda: key.decrypt(wrapped, oaep)),
        ("sign + seal + read", lambda: exchange.sent(made)),
        ("unpack", lambda: exchange.received(packed.wire)),
        ("receipt + pack_receipt", lambda: exchange.answered(verified)),
        ("conclude", lambda: exchange.concluded(reply, packed)),
    ]
    print(f"{made.payloads[0].body.size} bytes, {len(read_all(packed.wire.body))} on the wire")
    for name, work in rows:
        print(f"{name:24} {best(work):8.0f} us")


if __name__ == "__main__":
    main()
