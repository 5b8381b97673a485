"""A body that is encrypted while it is read (as4-wire 3.4): no ciphertext is kept, its size is known beforehand.

The initialisation vector is drawn once per sealed part, so reading twice gives the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ehmi_ap.body import Body
from ehmi_ap.crypto.xenc import encrypt

IV_BYTES = 12
TAG_BYTES = 16
OVERHEAD = IV_BYTES + TAG_BYTES


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """IV, ciphertext and tag of `plain` under AES-GCM; `cipher` is a word of crypto.algorithms."""

    plain: Body
    key: bytes
    iv: bytes
    cipher: str

    @property
    def size(self) -> int:
        return self.plain.size + OVERHEAD

    @property
    def resident(self) -> bool:
        return self.plain.resident

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to `stop`; those before `start` are encrypted too, since the tag needs them."""
        end = self.size if stop is None else min(stop, self.size)
        if start >= end:
            return
        offset = 0
        for chunk in encrypt(self.plain.chunks(), self.key, self.iv, self.cipher):
            low, high = max(start - offset, 0), min(end - offset, len(chunk))
            if low < high:
                yield chunk if high - low == len(chunk) else bytes(chunk[low:high])
            offset += len(chunk)
            if offset >= end:
                return
