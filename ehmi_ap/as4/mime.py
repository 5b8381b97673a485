"""multipart/related and bare SOAP, read in place and written without copying (as4-wire 1.1, 1.2, 9; RFC 2046, 2387).

STUB in the making: signatures are final, bodies follow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ehmi_ap.body import Body
from ehmi_ap.model import Wire


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """Budgets: `parts` counts the root too; `part_bytes` is for one part, others in bytes."""

    parts: int = 101
    header_bytes: int = 16384
    preamble: int = 1024
    soap_bytes: int = 262144
    part_bytes: int = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Part:
    """A MIME part. Header names in lower case; `content_id` without angle brackets; `body` has its CTE undone."""

    headers: Mapping[str, str]
    content_id: str | None
    content_type: str
    body: Body


def media_type(value: str) -> tuple[str, dict[str, str]]:
    """Type/subtype and parameters, names in lower case; tolerant of quotes, case and order.

    Raises ValueError when there is no type/subtype.
    """
    raise NotImplementedError


def read(wire: Wire, limits: MimeLimits = MimeLimits()) -> list[Part]:
    """The parts, root (the SOAP envelope) first; a bare application/soap+xml is one part.

    Raises HttpRefusal with the status of as4-wire 6.4 (400, 413, 415, 431).
    """
    raise NotImplementedError


def find(parts: Sequence[Part], href: str) -> int | None:
    """Index of the part that a `cid:` URI names: the raw id first, then percent-decoded (as4-wire 1.2)."""
    raise NotImplementedError


def join(root: bytes, parts: Sequence[tuple[str, str, Body]], boundary: str) -> Wire:
    """multipart/related of the root and (content id, content type, body) parts; no parts: bare application/soap+xml.

    Nothing is read; the size is known. `boundary` is of RFC 2046 characters and occurs in no part.
    """
    raise NotImplementedError
