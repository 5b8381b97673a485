"""What the bytes of a message prove, as those find who share no code with us: the independent checker and WSS4J."""

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lxml import etree

from tests import independent, pki
from tests.interop.http1 import Http
from tests.interop.letters import Json
from tests.interop.peer import Phase4


async def right_by_wss4j(
    phase4: Phase4,
    body: bytes,
    content_type: str,
    facts: independent.Facts,
    *,
    signer: pki.Identity,
    decrypt: str | None = None,
) -> None:
    """The library alone finds what the independent checker found; `decrypt` names phase4's key, None: nothing is."""
    found = await phase4.verify(content_type, body, decrypt=decrypt)
    equal((found["signature"], found["decryption"]), ("ok", "ok" if facts.encrypted else "none"))
    equal(found["signer_sha256"], fingerprint(signer.cert))
    equal(sorted(found["covered"]), sorted(uri for uri, _ in facts.references))
    equal(sorted(part["content_id"] for part in found["parts"]), sorted(cid for cid, _, _ in facts.payloads))
    digests = {uri.removeprefix("cid:"): digest.hex() for uri, digest in facts.references}
    for part in found["parts"]:
        if not _canonicalised(facts, part["content_id"]):
            equal(part["sha256"], digests[part["content_id"]])


def _canonicalised(facts: independent.Facts, content_id: str) -> bool:
    """Whether the digest of a part is not that of its bytes: text and XML that are not compressed."""
    ns = independent.NS
    info = facts.root.find(f".//eb:PartInfo[@href='cid:{content_id}']", ns)
    assert info is not None
    compressed = info.find("eb:PartProperties/eb:Property[@name='CompressionType']", ns) is not None
    kind = info.findtext("eb:PartProperties/eb:Property[@name='MimeType']", "", ns)
    return not compressed and ("xml" in kind or kind.startswith("text/"))


def receipt_proves(given: Http, request: Http, *, signer: pki.Identity) -> independent.Facts:
    """The receipt is signed by `signer`, is about this request, and repeats all that was signed in it."""
    facts = independent.check(*given.content, certificates=[signer.pem])
    equal((facts.signed, facts.signer, facts.errors), (True, signer.cert, []))
    equal(sorted(facts.receipt), sorted(signed_references(request)))
    about = facts.root.findtext(".//eb:SignalMessage/eb:MessageInfo/eb:RefToMessageId", "", independent.NS)
    equal(about, message_id_of(request))
    return facts


def signed_references(request: Http) -> list[tuple[str, bytes]]:
    """URI and digest of every reference that a message's signature has; nothing is verified."""
    root = etree.fromstring(independent.split(*request.content)[0][1])
    found = root.iterfind("s:Header/wsse:Security/ds:Signature/ds:SignedInfo/ds:Reference", independent.NS)
    return [(e.get("URI", ""), base64.b64decode(e.findtext("ds:DigestValue", "", independent.NS))) for e in found]


def message_id_of(request: Http) -> str:
    root = etree.fromstring(independent.split(*request.content)[0][1])
    return root.findtext(".//eb:UserMessage/eb:MessageInfo/eb:MessageId", "", independent.NS)


def fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def holds(found: Json, expected: Json) -> None:
    """Every key that is expected is there, with that value."""
    equal({key: found[key] for key in expected}, expected)


def equal(found: object, expected: object) -> None:
    """As `assert ==`, with both in the message: this does not run under pytest."""
    assert found == expected, f"found    {_short(found)}\nexpected {_short(expected)}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 4000 else text[:4000] + "…"
