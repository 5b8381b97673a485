"""The floor: the operations that no AS4 message can avoid, in the leanest loop we know.

No product code is used here. A message is built and read with the same profile as the product (gzip, SHA-256,
RSA-2048 signature over Messaging, Body and one part, AES-128-GCM, RSA-OAEP, signed receipt with
NonRepudiationInformation), but without P-Modes, trust, storage, checks of form or HTTP. It serves three ends:
the floor figures, a generator of load that is cheap enough to saturate the product, and a peer that answers
with valid receipts at little cost.
"""

import base64
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from isal import igzip, isal_zlib
from lxml import etree

EB = "http://docs.oasis-open.org/ebxml-msg/ebms/v3.0/ns/core/200704/"
S12 = "http://www.w3.org/2003/05/soap-envelope"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSSE11 = "http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
SWA = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1"
X509P = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0"
SMS10 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0"
SMS11 = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1"
EBBP = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_PKCS1 = padding.PKCS1v15()
_HASH = hashes.SHA256()
_PARSER = etree.XMLParser(
    encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
)
_IDS = etree.XPath("//*[@wsu:Id or @Id]", namespaces={"wsu": WSU})


@dataclass(frozen=True, slots=True)
class Identity:
    """A key with its certificate, and that certificate as the text of a BinarySecurityToken."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def token(self) -> str:
        return base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()

    @property
    def public(self) -> rsa.RSAPublicKey:
        public = self.certificate.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        return public


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def sha(data: bytes) -> str:
    return b64(hashlib.sha256(data).digest())


def _reference(uri: str, transform: str, digest: str) -> str:
    return (
        f'<ds:Reference URI="{uri}"><ds:Transforms><ds:Transform Algorithm="{transform}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
    )


def _signature(references: str, key: rsa.RSAPrivateKey, token_id: str) -> str:
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXC}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    value = b64(key.sign(info.encode(), _PKCS1, _HASH))
    return (
        f'<ds:Signature xmlns:ds="{DS}" Id="SIG">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo>'
        f'<wsse:SecurityTokenReference><wsse:Reference URI="#{token_id}" ValueType="{X509P}#X509v3"/>'
        f"</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>"
    )


def _token(token_id: str, token: str) -> str:
    return (
        f'<wsse:BinarySecurityToken EncodingType="{SMS10}#Base64Binary" ValueType="{X509P}#X509v3" '
        f'wsu:Id="{token_id}">{token}</wsse:BinarySecurityToken>'
    )


_BODY = f'<env:Body xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="body"></env:Body>'
_BODY_DIGEST = sha(_BODY.encode())
_MESSAGING = (
    f'<eb:Messaging xmlns:eb="{EB}" xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="messaging" env:mustUnderstand="true">'
)


def _envelope(security: str, messaging: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{S12}"><env:Header>'
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" env:mustUnderstand="true">{security}</wsse:Security>'
        f"{messaging}</env:Header>{_BODY}</env:Envelope>"
    ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What the two lean sides agree on; the product's P-Mode says the same."""

    sender: Identity
    receiver: Identity
    from_id: str
    to_id: str
    party_type: str
    service: str
    action: str


@dataclass(frozen=True, slots=True)
class Message:
    content_type: str
    body: bytes
    references: str


BOUNDARY = "lean-boundary-5e1f"
CONTENT_TYPE = (
    f'multipart/related; boundary="{BOUNDARY}"; type="application/soap+xml"; start="<root@lean.example>"; '
    'start-info="application/soap+xml"'
)


def send(agreement: Agreement, message_id: str, payload: bytes, timestamp: str) -> Message:
    """Header, compress, digest, sign, wrap the key, encrypt, join."""
    packed = igzip.compress(payload, 1, mtime=0)
    cid = f"p1.{message_id}"
    messaging = (
        f"{_MESSAGING}<eb:UserMessage><eb:MessageInfo><eb:Timestamp>{timestamp}</eb:Timestamp>"
        f"<eb:MessageId>{message_id}</eb:MessageId></eb:MessageInfo><eb:PartyInfo>"
        f'<eb:From><eb:PartyId type="{agreement.party_type}">{agreement.from_id}</eb:PartyId><eb:Role>{EB}initiator</eb:Role></eb:From>'
        f'<eb:To><eb:PartyId type="{agreement.party_type}">{agreement.to_id}</eb:PartyId><eb:Role>{EB}responder</eb:Role></eb:To>'
        f"</eb:PartyInfo><eb:CollaborationInfo><eb:Service>{agreement.service}</eb:Service>"
        f"<eb:Action>{agreement.action}</eb:Action><eb:ConversationId>{message_id}</eb:ConversationId></eb:CollaborationInfo>"
        '<eb:MessageProperties><eb:Property name="originalSender">c1</eb:Property>'
        '<eb:Property name="finalRecipient">c4</eb:Property></eb:MessageProperties>'
        f'<eb:PayloadInfo><eb:PartInfo href="cid:{cid}"><eb:PartProperties>'
        '<eb:Property name="MimeType">application/fhir+xml</eb:Property>'
        '<eb:Property name="CompressionType">application/gzip</eb:Property></eb:PartProperties></eb:PartInfo></eb:PayloadInfo>'
        "</eb:UserMessage></eb:Messaging>"
    )
    references = (
        _reference("#messaging", EXC, sha(messaging.encode()))
        + _reference("#body", EXC, _BODY_DIGEST)
        + _reference(f"cid:{cid}", f"{SWA}#Attachment-Content-Signature-Transform", sha(packed))
    )
    signature = _signature(references, agreement.sender.key, "tok-s")
    key, iv = os.urandom(16), os.urandom(12)
    wrapped = b64(agreement.receiver.public.encrypt(key, _OAEP))
    ciphertext = AESGCM(key).encrypt(iv, packed, None)
    security = (
        _token("tok-r", agreement.receiver.token)
        + f'<xenc:EncryptedKey xmlns:xenc="{XENC}" Id="EK"><xenc:EncryptionMethod Algorithm="{XENC11}rsa-oaep">'
        f'<ds:DigestMethod xmlns:ds="{DS}" Algorithm="{SHA256}"/><xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{XENC11}mgf1sha256"/>'
        f'</xenc:EncryptionMethod><ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference><wsse:Reference URI="#tok-r" '
        f'ValueType="{X509P}#X509v3"/></wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{wrapped}'
        '</xenc:CipherValue></xenc:CipherData><xenc:ReferenceList><xenc:DataReference URI="#ED-1"/></xenc:ReferenceList></xenc:EncryptedKey>'
        f'<xenc:EncryptedData xmlns:xenc="{XENC}" Id="ED-1" MimeType="application/gzip" Type="{SWA}#Attachment-Content-Only">'
        f'<xenc:EncryptionMethod Algorithm="{XENC11}aes128-gcm"/><ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference '
        f'xmlns:wsse11="{WSSE11}" wsse11:TokenType="{SMS11}#EncryptedKey"><wsse:Reference URI="#EK"/></wsse:SecurityTokenReference>'
        f'</ds:KeyInfo><xenc:CipherData><xenc:CipherReference URI="cid:{cid}"><xenc:Transforms><ds:Transform xmlns:ds="{DS}" '
        f'Algorithm="{SWA}#Attachment-Ciphertext-Transform"/></xenc:Transforms></xenc:CipherReference></xenc:CipherData></xenc:EncryptedData>'
        + _token("tok-s", agreement.sender.token)
        + signature
    )
    body = b"".join(
        (
            f"--{BOUNDARY}\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\n"
            "Content-ID: <root@lean.example>\r\n\r\n".encode(),
            _envelope(security, messaging),
            f"\r\n--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{cid}>\r\n\r\n".encode(),
            iv,
            ciphertext,
            f"\r\n--{BOUNDARY}--\r\n".encode(),
        )
    )
    return Message(CONTENT_TYPE, body, references)


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def receipt(signer: Identity, message_id: str, references: str, timestamp: str) -> bytes:
    """A signed non-repudiation receipt that repeats `references`."""
    info = "".join(
        f"<ebbp:MessagePartNRInformation>{r}</ebbp:MessagePartNRInformation>"
        for r in re.findall(r"<ds:Reference.*?</ds:Reference>", references, re.DOTALL)
    )
    # ds: is declared on each Reference, where exclusive canonicalisation renders it.
    info = info.replace("<ds:Reference ", f'<ds:Reference xmlns:ds="{DS}" ')
    messaging = (
        f"{_MESSAGING}<eb:SignalMessage><eb:MessageInfo><eb:Timestamp>{timestamp}</eb:Timestamp>"
        f"<eb:MessageId>{os.urandom(16).hex()}@lean.example</eb:MessageId><eb:RefToMessageId>{message_id}</eb:RefToMessageId>"
        f'</eb:MessageInfo><eb:Receipt><ebbp:NonRepudiationInformation xmlns:ebbp="{EBBP}">{info}'
        "</ebbp:NonRepudiationInformation></eb:Receipt></eb:SignalMessage></eb:Messaging>"
    )
    own = _reference("#messaging", EXC, sha(messaging.encode())) + _reference("#body", EXC, _BODY_DIGEST)
    return _envelope(_token("tok-s", signer.token) + _signature(own, signer.key, "tok-s"), messaging)


def _parse(data: bytes) -> tuple[etree._Element, dict[str, etree._Element]]:
    root = etree.fromstring(data, _PARSER)
    ids = {e.get(f"{{{WSU}}}Id") or e.get("Id") or "": e for e in _IDS(root)}
    return root, ids


def _verify(
    root: etree._Element, ids: dict[str, etree._Element], parts: dict[str, bytes], public: rsa.RSAPublicKey
) -> str:
    info = root.find(f".//{{{DS}}}SignedInfo")
    value = root.findtext(f".//{{{DS}}}SignatureValue")
    assert info is not None
    assert value is not None
    public.verify(base64.b64decode(value), _canonical(info), _PKCS1, _HASH)
    for reference in info.findall(f"{{{DS}}}Reference"):
        uri = reference.get("URI", "")
        data = _canonical(ids[uri[1:]]) if uri[0] == "#" else parts[uri[4:]]
        assert sha(data) == reference.findtext(f"{{{DS}}}DigestValue")
    return etree.tostring(info).decode()


def receive(agreement: Agreement, body: bytes, timestamp: str) -> tuple[bytes, bytes]:
    """Split, parse, unwrap, decrypt, verify, decompress, read, answer: payload and receipt."""
    head, soap, part, _ = body.split(f"--{BOUNDARY}".encode(), 3)
    del head
    soap_bytes = soap[soap.index(b"\r\n\r\n") + 4 : -2]
    ciphertext = part[part.index(b"\r\n\r\n") + 4 : -2]
    root, ids = _parse(soap_bytes)
    wrapped = root.findtext(f".//{{{XENC}}}CipherValue")
    assert wrapped is not None
    key = agreement.receiver.key.decrypt(base64.b64decode(wrapped), _OAEP)
    packed = AESGCM(key).decrypt(ciphertext[:12], ciphertext[12:], None)
    fields = {etree.QName(e).localname: e.text for e in ids["messaging"].iter(f"{{{EB}}}*")}
    message_id = fields["MessageId"] or ""
    _verify(root, ids, {f"p1.{message_id}": packed}, agreement.sender.public)
    references = "".join(_canonical(r).decode() for r in root.iter(f"{{{DS}}}Reference"))
    payload = isal_zlib.decompress(packed, 31)
    return payload, receipt(agreement.receiver, message_id, references.replace(f' xmlns:ds="{DS}"', ""), timestamp)


def conclude(agreement: Agreement, answer: bytes, references: str) -> None:
    """Verify the receipt and compare what it acknowledges with what was sent."""
    root, ids = _parse(answer)
    _verify(root, ids, {}, agreement.receiver.public)
    digests = [e.text for e in ids["messaging"].iter(f"{{{DS}}}DigestValue")]
    assert digests == re.findall(r"<ds:DigestValue>(.*?)</ds:DigestValue>", references)


_REFERENCES = re.compile(rb"<(?:\w+:)?SignedInfo\b.*?(<(?:\w+:)?Reference .*</(?:\w+:)?Reference>)", re.DOTALL)
_MESSAGE_ID = re.compile(rb"<(?:\w+:)?MessageId>([^<]+)<")


def answer(signer: Identity) -> Callable[[bytes, str], bytes]:
    """A peer's answer at the least cost: a valid signed receipt without having verified anything."""

    def reply(body: bytes, timestamp: str) -> bytes:
        found, ids = _REFERENCES.search(body), _MESSAGE_ID.search(body)
        assert found is not None
        assert ids is not None
        return receipt(signer, ids[1].decode(), found[1].decode(), timestamp)

    return reply
