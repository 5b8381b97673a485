"""An envelope opened: its header, and the document in it (spec/ehmi.md 2.1). For message service handlers alone.

An access point never does this (design decision 13).
"""

from base64 import b64decode
from dataclasses import dataclass, field

from ehmi_ap.body import Body, MemoryBody
from ehmi_ap.ehmi.envelope import Reading, read
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.message import LARGEST
from ehmi_ap.errors import EnvelopeError


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """The header of an envelope and its document."""

    header: Header
    content: bytes = field(repr=False)


def unwrap(envelope: bytes) -> Unwrapped:
    """Open an envelope. What it says is not judged beyond V-1 and V-2; see `judge`.

    Raises:
        EnvelopeError: it is not a right ehmiSBDH, or its content is not base64 or larger than 100 MiB.
    """
    reading, content = open_envelope(MemoryBody(envelope))
    if reading.header is None:
        raise EnvelopeError("; ".join(f"{each.rule}: {each.what}" for each in reading.findings))
    return Unwrapped(reading.header, decode(content))


def open_envelope(envelope: Body) -> tuple[Reading, str | None]:
    """What reading an envelope comes to, and the text of its BinaryContent; None: larger than we take."""
    pieces: list[str] = []
    size = 0

    def keep(text: str) -> None:
        nonlocal size
        size += len(text)
        if size <= _LONGEST:
            pieces.append(text)

    reading = read(envelope, keep)
    return reading, "".join(pieces) if size <= _LONGEST else None


_LONGEST = LARGEST * 3 // 2
"""Characters of base64, line breaks included."""


def decode(content: str | None) -> bytes:
    """The document in a BinaryContent.

    Raises:
        EnvelopeError: it is not base64, empty, or too large.
    """
    if content is None:
        raise EnvelopeError(f"BinaryContent is larger than {_LONGEST} characters")
    try:
        decoded = b64decode("".join(content.split()), validate=True)
    except ValueError:
        raise EnvelopeError("BinaryContent is not base64") from None
    if not decoded:
        raise EnvelopeError("BinaryContent is empty")
    return decoded
