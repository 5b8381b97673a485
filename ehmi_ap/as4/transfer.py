"""Content-Transfer-Encoding undone (RFC 2045 6; as4-wire 1.1, 9.42): base64 and quoted-printable, as bodies.

A decoded body is decoded anew each time it is read, chunk by chunk; it was read once through when it was made, to
know its size and that it is what its header says. Nothing is kept.
"""

import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ehmi_ap.body import Body

_SPACE = b" \t\r\n"
_BAD_QUOTE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r?\n|\Z))")
_LINE = 1000
"""RFC 5321 4.5.3.1.6: no line of a quoted-printable part is longer."""


class FalseEncoding(ValueError):
    """The octets are not what the Content-Transfer-Encoding says."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Another body, seen through a decoding."""

    source: Body
    decode: Callable[[Iterator[bytes]], Iterator[bytes]]
    size: int

    @property
    def resident(self) -> bool:
        return self.source.resident

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The decoded bytes from `start` up to `stop`; those before `start` are decoded too."""
        end = self.size if stop is None else min(stop, self.size)
        offset = 0
        for chunk in self.decode(self.source.chunks()):
            if offset >= end:
                return
            piece = chunk[max(start - offset, 0) : end - offset]
            if piece:
                yield piece
            offset += len(chunk)


def undo(encoding: str, body: Body) -> Body:
    """The body without its transfer encoding; `encoding` is the header's value, empty when there is none.

    Raises FalseEncoding for an unknown encoding, or when the octets are not what it says.
    """
    word = encoding.strip().lower()
    if word in ("", "7bit", "8bit", "binary"):
        return body
    decode = _DECODERS.get(word)
    if decode is None:
        raise FalseEncoding("unknown Content-Transfer-Encoding")
    return Decoded(body, decode, sum(len(chunk) for chunk in decode(body.chunks())))


def _base64(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Groups of four characters; the last group is held back, since only it may end in padding."""
    carry = b""
    for chunk in chunks:
        text = carry + chunk.translate(None, _SPACE)
        whole = max(len(text) - 1, 0) // 4 * 4
        groups, carry = text[:whole], text[whole:]
        if b"=" in groups:
            raise FalseEncoding("a part said to be base64 has padding within")
        if groups:
            yield _unbase64(groups)
    if carry:
        yield _unbase64(carry)


def _unbase64(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise FalseEncoding("a part said to be base64 is not") from None


def _quoted_printable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    carry = b""
    for chunk in chunks:
        text = carry + chunk
        whole = text.rfind(b"\n") + 1
        carry = text[whole:]
        if len(carry) > _LINE:
            raise FalseEncoding("a part said to be quoted-printable has a line without end")
        if whole:
            yield _unquote(text[:whole])
    if carry:
        yield _unquote(carry)


def _unquote(text: bytes) -> bytes:
    if _BAD_QUOTE.search(text):
        raise FalseEncoding("a part said to be quoted-printable is not")
    return binascii.a2b_qp(text)


_DECODERS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "base64": _base64,
    "quoted-printable": _quoted_printable,
}
