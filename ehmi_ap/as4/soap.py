"""The SOAP 1.2 envelope: what is where, and that nothing else is there (as4-wire 1.4).

STUB in the making: signatures are final, bodies follow.
"""

from dataclasses import dataclass

from lxml import etree

from ehmi_ap.crypto.safexml import XmlLimits


@dataclass(frozen=True, slots=True)
class Envelope:
    """A read envelope. `security` is the wsse:Security for us (no role, or ultimateReceiver), None when there is none.

    `ids` maps wsu:Id, Id, ID and id to elements of the whole document; duplicates were refused.
    """

    root: etree._Element
    security: etree._Element | None
    messaging: etree._Element
    body: etree._Element
    ids: dict[str, etree._Element]


def read_envelope(data: bytes, limits: XmlLimits) -> Envelope:
    """Parse and take apart a SOAP 1.2 envelope.

    Raises:
        HttpRefusal 415 (SOAP 1.1), 400 (not XML, no Envelope, Header or Body missing), 413 (a budget).
        MustUnderstand: a header with mustUnderstand that is not ours.
        InvalidHeader (0009): eb:Messaging missing or twice, duplicate ids, a second Security for us.
    """
    raise NotImplementedError


def write_envelope(security: str, messaging: str, body: str) -> bytes:
    """The envelope as UTF-8 with XML declaration; `security` may be empty. The three texts are put in unchanged."""
    raise NotImplementedError
