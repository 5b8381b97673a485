"""What each product demands of a message and of a receipt of ours, as far as bytes show it (peers-live 3 and 5).

No product code: it rests on tests/independent.py, whose `check` decrypts, digests and verifies before anything is asked
here, and whose `insist` says what holds for all of them (order of Security and of parts, hrefs, attributes of tokens).
"""

import re
from collections.abc import Callable

from lxml import etree

from tests.independent import NS, Facts, Wrong, check, insist

Demand = Callable[[Facts], None]

_ALGORITHMS = {
    "ds:SignedInfo/ds:SignatureMethod": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "ds:Reference/ds:DigestMethod": "http://www.w3.org/2001/04/xmlenc#sha256",
    "xenc:EncryptedData/xenc:EncryptionMethod": "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "xenc:EncryptedKey/xenc:EncryptionMethod": "http://www.w3.org/2009/xmlenc11#rsa-oaep",
    "xenc:EncryptedKey/xenc:EncryptionMethod/ds:DigestMethod": "http://www.w3.org/2001/04/xmlenc#sha256",
    "xenc:EncryptedKey/xenc:EncryptionMethod/x11:MGF": "http://www.w3.org/2009/xmlenc11#mgf1sha256",
}
_FORMS = {
    "X509v3": "bst",
    "X509PKIPathv1": "pkipath",
    "X509SubjectKeyIdentifier": "ski",
    "ThumbprintSHA1": "thumbprint",
}
_RFC_2822 = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")


def hold(product: str, wire: bytes, content_type: str, keys: list[bytes], certificates: list[bytes]) -> Facts:
    """Facts of a message that this product would take, as far as can be seen; raises Wrong."""
    facts = check(wire, content_type, keys, certificates)
    insist(wire, content_type, facts)
    for demand in MESSAGE[product]:
        demand(facts)
    return facts


def hold_as_receipt(product: str, wire: bytes, content_type: str, certificates: list[bytes]) -> Facts:
    """Facts of a receipt that this product's sender would take for one; raises Wrong."""
    facts = check(wire, content_type, (), certificates)
    insist(wire, content_type, facts)
    _must(content_type.startswith("application/soap+xml"), "application/soap+xml")
    (receipt,) = facts.root.iterfind(".//eb:SignalMessage/eb:Receipt", NS)
    _must([child.tag for child in receipt] == [f"{{{NS['ebbp']}}}NonRepudiationInformation"], "one child, the NRI")
    _must(facts.signed, "a signature")
    for demand in RECEIPT[product]:
        demand(facts)
    return facts


# -- the demands


def signed_by(*forms: str) -> Demand:
    """The signature names its certificate in one of these forms."""

    def demand(facts: Facts) -> None:
        form = _form(facts.root, "s:Header/wsse:Security/ds:Signature/ds:KeyInfo")
        _must(form in forms, f"a signer's token of the form {' or '.join(forms)}, not {form}")

    return demand


def encrypted_for(*forms: str) -> Demand:
    """Everything is encrypted, and the recipient's certificate is named in one of these forms."""

    def demand(facts: Facts) -> None:
        parts = facts.root.findall(".//eb:PartInfo", NS)
        found = facts.root.findall("s:Header/wsse:Security/xenc:EncryptedData", NS)
        _must(len(parts) == len(found) > 0, "every part encrypted")
        form = _form(facts.root, "s:Header/wsse:Security/xenc:EncryptedKey/ds:KeyInfo")
        _must(form in forms, f"a recipient's token of the form {' or '.join(forms)}, not {form}")

    return demand


def the_algorithms(facts: Facts) -> None:
    """Exactly those of the profile, each one written out."""
    for path, wanted in _ALGORITHMS.items():
        found = {element.get("Algorithm") for element in facts.root.iterfind(f".//{path}", NS)}
        _must(found == {wanted}, f"{path} to be {wanted}, not {found}")


def a_message_id(facts: Facts) -> None:
    """RFC 2822, without angle brackets."""
    found = facts.root.findtext(".//eb:UserMessage/eb:MessageInfo/eb:MessageId", "", NS)
    _must(_RFC_2822.fullmatch(found) is not None, f"an RFC 2822 MessageId, not {found}")


def a_property(facts: Facts) -> None:
    _must(facts.root.find(".//eb:MessageProperties/eb:Property", NS) is not None, "a message property")


def compressed(facts: Facts) -> None:
    """Every part says so by the exact word; its MimeType is there (insist)."""
    for info in facts.root.iterfind(".//eb:PartInfo", NS):
        found = info.findtext("eb:PartProperties/eb:Property[@name='CompressionType']", None, NS)
        _must(found == "application/gzip", f"CompressionType application/gzip, not {found}")


def one_business_document(facts: Facts) -> None:
    """One part, and in it a document with its header."""
    _must(len(facts.payloads) == 1, f"one part, not {len(facts.payloads)}")
    root = etree.QName(etree.fromstring(facts.payloads[0][2]))
    _must(root.localname == "StandardBusinessDocument", f"a StandardBusinessDocument, not {root.localname}")


def no_timestamp(facts: Facts) -> None:
    _must(facts.root.find(".//wsu:Timestamp", NS) is None, "no wsu:Timestamp")


def at_most_28_payloads(facts: Facts) -> None:
    _must(len(facts.payloads) <= 28, "at most 28 payloads")


_ALL: tuple[Demand, ...] = (the_algorithms, compressed, a_message_id, no_timestamp, at_most_28_payloads)
_OXALIS = (signed_by("bst"), encrypted_for("bst", "ski"), a_property, one_business_document, *_ALL)

MESSAGE: dict[str, tuple[Demand, ...]] = {
    "phase4": (signed_by("bst"), encrypted_for("bst", "ski", "issuer-serial", "thumbprint"), *_ALL),
    "oxalis-peppol": _OXALIS,
    "oxalis-cef": _OXALIS,
    "holodeck": (signed_by("bst", "ski", "issuer-serial"), encrypted_for("bst", "ski", "issuer-serial"), *_ALL),
    "domibus": (signed_by("bst"), encrypted_for("bst"), *_ALL),  # what all its policies but PKIPath take
    "domibus-pkipath": (signed_by("pkipath"), encrypted_for("bst"), *_ALL),
}

RECEIPT: dict[str, tuple[Demand, ...]] = {
    "phase4": (),
    "oxalis-peppol": (signed_by("bst"),),
    "oxalis-cef": (signed_by("bst", "ski"),),
    "holodeck": (signed_by("bst", "ski", "issuer-serial"),),
    "domibus": (signed_by("bst"),),
    "domibus-pkipath": (signed_by("pkipath"),),
}


def _form(root: etree._Element, path: str) -> str:
    """How a KeyInfo names its certificate, in the words of our P-Modes."""
    found = root.find(f"{path}/wsse:SecurityTokenReference", NS)
    _must(found is not None, f"a SecurityTokenReference at {path}")
    assert found is not None
    if found.find("ds:X509Data/ds:X509IssuerSerial", NS) is not None:
        return "issuer-serial"
    named = found.find("wsse:KeyIdentifier", NS)
    if named is None:
        named = found.find("wsse:Reference", NS)
    assert named is not None
    return _FORMS[named.get("ValueType", "").rpartition("#")[2]]


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(f"expected: {what}")
