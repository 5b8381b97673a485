"""The SOAP 1.2 envelope: what is where, and that nothing else is there (as4-wire 1.4; SOAP 1.2 part 1, 5).

Blocks are found by their place, never by a search: eb:Messaging and wsse:Security are children of env:Header,
env:Header and env:Body are children of env:Envelope, each once. A signature is checked against these very
elements, which is what keeps wrapping attacks out (as4-wire 9.15).
"""

from dataclasses import dataclass

from lxml import etree

from ehmi_ap.as4.names import EB, ROLE_ULTIMATE_RECEIVER, S12, WSSE, qname
from ehmi_ap.crypto.safexml import XmlLimits, index_ids, parse
from ehmi_ap.errors import BudgetExceeded, HttpRefusal, InvalidHeader, MalformedXml, MustUnderstand

SECURITY = qname(WSSE, "Security")
MESSAGING = qname(EB, "Messaging")
_ENVELOPE, _HEADER, _BODY = qname(S12, "Envelope"), qname(S12, "Header"), qname(S12, "Body")
_ROLE, _MUST_UNDERSTAND = qname(S12, "role"), qname(S12, "mustUnderstand")
_ROLE_NEXT = f"{S12}/role/next"
_BAD_REQUEST, _TOO_LARGE = 400, 413


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


@dataclass(frozen=True, slots=True)
class Blocks:
    """An envelope taken apart and not judged yet: the children of env:Header, and env:Body."""

    root: etree._Element
    headers: tuple[etree._Element, ...]
    body: etree._Element


def read_envelope(data: bytes, limits: XmlLimits) -> Envelope:
    """Parse and take apart a SOAP 1.2 envelope.

    Raises:
        HttpRefusal: 400 (not XML, no SOAP 1.2 Envelope, Header or Body missing or twice), 413 (a budget).
        MustUnderstand: a header with mustUnderstand that is not ours.
        InvalidHeader (0009): eb:Messaging missing or twice, duplicate ids, a second Security for us.
    """
    blocks = take_apart(data, limits)
    check_understood(blocks)
    return Envelope(
        root=blocks.root,
        security=only_security(blocks),
        messaging=only_messaging(blocks),
        body=blocks.body,
        ids=unique_ids(blocks),
    )


def take_apart(data: bytes, limits: XmlLimits) -> Blocks:
    """The envelope's blocks by their places. Raises HttpRefusal 400 or 413."""
    try:
        root = parse(data, limits)
    except BudgetExceeded as error:
        raise HttpRefusal(_TOO_LARGE, f"The SOAP envelope has {error}.") from None
    except MalformedXml as error:
        raise HttpRefusal(
            _BAD_REQUEST, f"The SOAP part is not usable: {error}", public="The SOAP part is not well-formed XML."
        ) from None
    if root.tag != _ENVELOPE:
        raise HttpRefusal(_BAD_REQUEST, "The SOAP part is no SOAP 1.2 envelope.")
    children = _elements(root)
    if [child.tag for child in children] != [_HEADER, _BODY]:
        raise HttpRefusal(_BAD_REQUEST, "The SOAP envelope does not consist of one Header and one Body.")
    return Blocks(root, tuple(_elements(children[0])), children[1])


def check_understood(blocks: Blocks) -> None:
    """Raises MustUnderstand for a mandatory header block for us that is neither Security nor Messaging."""
    for block in blocks.headers:
        mandatory = block.get(_MUST_UNDERSTAND, "").strip() in ("true", "1")
        if mandatory and block.tag not in (SECURITY, MESSAGING) and _for_us(block):
            raise MustUnderstand("the envelope has a mandatory header block other than Security and Messaging")


def only_messaging(blocks: Blocks) -> etree._Element:
    """The one eb:Messaging. Raises InvalidHeader (0009)."""
    found = [block for block in blocks.headers if block.tag == MESSAGING]
    if len(found) != 1:
        raise InvalidHeader("the envelope has " + ("no eb:Messaging" if not found else "more than one eb:Messaging"))
    return found[0]


def only_security(blocks: Blocks) -> etree._Element | None:
    """The wsse:Security that is for us, if any. Raises InvalidHeader (0009) for a second one."""
    found = [block for block in blocks.headers if block.tag == SECURITY and _last_receiver(block)]
    if len(found) > 1:
        raise InvalidHeader("the envelope has more than one wsse:Security for us")
    return found[0] if found else None


def unique_ids(blocks: Blocks) -> dict[str, etree._Element]:
    """Every id of the document. Raises InvalidHeader (0009) when two elements have the same."""
    try:
        return index_ids(blocks.root)
    except MalformedXml as error:
        raise InvalidHeader(str(error)) from None


def write_envelope(security: str, messaging: str, body: str) -> bytes:
    """The envelope as UTF-8 with XML declaration; `security` may be empty. The three texts are put in unchanged.

    Security comes first, as phase4 and Holodeck write it (as4-wire 1.4).
    """
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{S12}">'
        f"<env:Header>{security}{messaging}</env:Header>{body}</env:Envelope>"
    ).encode()


def _elements(parent: etree._Element) -> list[etree._Element]:
    """The child elements; comments between them are legal (as4-wire 9.44)."""
    return [child for child in parent if not isinstance(child, etree._Comment)]


def _for_us(block: etree._Element) -> bool:
    return _last_receiver(block) or block.get(_ROLE) == _ROLE_NEXT


def _last_receiver(block: etree._Element) -> bool:
    return block.get(_ROLE, "") in ("", ROLE_ULTIMATE_RECEIVER)
