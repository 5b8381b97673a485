"""What the platform makes of a capture: no product code, only lxml and the tests' own checker.

`nrr` and `err` are the Commission's two answers; `sent` is a user message of ours, checked, decrypted and unpacked.
"""

from collections.abc import Sequence

from cryptography import x509
from lxml import etree

from tests import independent
from tests.conformance.world import Capture, Exchange, Node
from tests.independent import NS, Facts


def sent(exchange: Exchange, recipient: Node, certificates: Sequence[bytes] = ()) -> Facts:
    """A user message as `recipient` opens it; its signature, digests and coverage hold, and peers' wishes are met.

    `certificates` are for tokens that carry none.
    """
    request = exchange.request
    facts = independent.check(
        request.body, request.content_type, keys=[recipient.side.identity.key_pem], certificates=certificates
    )
    assert facts.signed
    independent.insist(request.body, request.content_type, facts)
    return facts


def envelope(capture: Capture) -> etree._Element:
    """The SOAP envelope, whatever else is wrong."""
    parts = independent.split(capture.body, capture.content_type)
    data = next(data for kind, data, _ in parts if kind.startswith("application/soap+xml"))
    return etree.fromstring(data.removeprefix(b"\xef\xbb\xbf"))


def text(root: etree._Element, path: str) -> str:
    """The text of the one element at `path` below eb:Messaging."""
    [found] = root.findall(f"s:Header/eb:Messaging/{path}", NS)
    return found.text or ""


def properties(root: etree._Element, path: str = "eb:UserMessage/eb:MessageProperties") -> dict[str, str]:
    """eb:Property name -> value of the one element at `path`."""
    [found] = root.findall(f"s:Header/eb:Messaging/{path}", NS)
    return {item.get("name", ""): item.text or "" for item in found.iterfind("eb:Property", NS)}


def part_properties(root: etree._Element) -> list[dict[str, str]]:
    """The part properties of each eb:PartInfo, in order."""
    infos = root.findall(".//eb:PartInfo", NS)
    return [
        {item.get("name", ""): item.text or "" for item in info.iterfind("eb:PartProperties/eb:Property", NS)}
        for info in infos
    ]


def hrefs(root: etree._Element) -> list[str]:
    """What each eb:PartInfo points at, in order."""
    return [info.get("href", "") for info in root.iterfind(".//eb:PartInfo", NS)]


def nrr(exchange: Exchange, signer: Node) -> etree._Element:
    """A synchronous non-repudiation receipt for exactly this request, signed by `signer`; its SignalMessage."""
    answer = exchange.answered
    assert 200 <= answer.status < 300
    assert answer.content_type.startswith("application/soap+xml")
    facts = independent.check(answer.body, answer.content_type)
    assert facts.signer == x509.load_pem_x509_certificate(signer.side.identity.pem)
    request = envelope(exchange.request)
    signal = _signal(facts.root, text(request, "eb:UserMessage/eb:MessageInfo/eb:MessageId"))
    information = signal.findall("eb:Receipt/ebbp:NonRepudiationInformation/ebbp:MessagePartNRInformation", NS)
    assert all([etree.QName(child).localname for child in each] == ["Reference"] for each in information)
    wanted = request.findall("s:Header/wsse:Security/ds:Signature/ds:SignedInfo/ds:Reference", NS)
    assert [_canonical(each[0]) for each in information] == [_canonical(reference) for reference in wanted] != []
    assert signal.find("eb:Error", NS) is None
    return signal


def err(exchange: Exchange, code: str | None = None) -> etree._Element:
    """An ebMS error about this request and no receipt; its eb:Error. `code` None: any."""
    answer = exchange.answered
    facts = independent.check(answer.body, answer.content_type)
    message_id = text(envelope(exchange.request), "eb:UserMessage/eb:MessageInfo/eb:MessageId")
    signal = _signal(facts.root, message_id)
    [error] = signal.findall("eb:Error", NS)
    assert (error.get("severity"), error.get("refToMessageInError")) == ("failure", message_id)
    assert signal.find("eb:Receipt", NS) is None
    assert code in (None, error.get("errorCode"))
    return error


def _signal(root: etree._Element, ref_to: str) -> etree._Element:
    """The one signal of an answer, which has an id of its own and nothing beside it."""
    [messaging] = root.findall("s:Header/eb:Messaging", NS)
    [signal] = messaging
    assert etree.QName(signal).localname == "SignalMessage"
    assert text(root, "eb:SignalMessage/eb:MessageInfo/eb:RefToMessageId") == ref_to
    assert text(root, "eb:SignalMessage/eb:MessageInfo/eb:MessageId") not in ("", ref_to)
    return signal


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True)
