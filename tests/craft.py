"""AS4 messages made by hand, so that exactly one thing in them can be wrong (as4-wire 6.4; EC test assertions).

No product code is used. `craft()` makes a message that is right in every respect; each keyword plants one defect, and
everything after it (digests, signature, encryption) is made over the defect, as the EC's test platform does.
"""

import base64
import gzip
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from tests import pki
from tests.bench.lean import (
    DS,
    EB,
    EXC,
    RSA_SHA256,
    S12,
    SHA256,
    SMS10,
    SMS11,
    SWA,
    WSSE,
    WSSE11,
    WSU,
    X509P,
    XENC,
    XENC11,
)

CONTENT_SIGNATURE = f"{SWA}#Attachment-Content-Signature-Transform"
CIPHERTEXT = f"{SWA}#Attachment-Ciphertext-Transform"
OAEP = f"{XENC11}rsa-oaep"
GCM = f"{XENC11}aes128-gcm"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One payload. `properties` replaces all part properties; `href` the reference; `listed` False: no PartInfo.

    `before_digest` changes the bytes that are signed; `after_sign` those that are encrypted; `after_encrypt` those sent.
    """

    content_id: str = "p1@craft.example"
    data: bytes = b"<min><der>sample</der></min>"
    mime_type: str = "application/xml"
    compress: bool = True
    properties: str | None = None
    href: str | None = None
    listed: bool = True
    attached: bool = True
    signed: bool = True
    encrypted: bool = True
    before_digest: Callable[[bytes], bytes] = bytes
    after_sign: Callable[[bytes], bytes] = bytes
    after_encrypt: Callable[[bytes], bytes] = bytes

    def packed(self) -> bytes:
        return self.before_digest(gzip.compress(self.data, mtime=0) if self.compress else self.data)

    @property
    def type(self) -> str:
        return "application/gzip" if self.compress else self.mime_type

    def info(self) -> str:
        properties = self.properties
        if properties is None:
            properties = f'<eb:Property name="MimeType">{self.mime_type}</eb:Property>'
            if self.compress:
                properties += '<eb:Property name="CompressionType">application/gzip</eb:Property>'
        inner = f"<eb:PartProperties>{properties}</eb:PartProperties>" if properties else ""
        return f'<eb:PartInfo href="{self.href or "cid:" + self.content_id}">{inner}</eb:PartInfo>'


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to be made. The functions get the finished text and give it back changed."""

    sender: pki.Identity
    recipient: pki.Identity
    from_id: str
    to_id: str
    party_type: str
    service: str
    action: str
    message_id: str = ""
    ref_to: str = ""
    timestamp: str = "2026-11-23T12:00:00.000Z"
    conversation_id: str = "c1"
    agreement: str = ""
    properties: str = (
        '<eb:Property name="originalSender">urn:c1</eb:Property><eb:Property name="finalRecipient">urn:c4</eb:Property>'
    )
    parts: Sequence[Part] = field(default_factory=lambda: (Part(),))
    user_message: Callable[[str], str] = str
    messaging: Callable[[str], str] = str  # before it is signed
    body: Callable[[str], str] = str  # before it is signed
    signed_info: Callable[[str], str] = str  # before it is signed
    security: Callable[[str], str] = str  # after all
    envelope: Callable[[bytes], bytes] = bytes  # after all
    mime: Callable[[bytes], bytes] = bytes  # after all
    sign: bool = True
    encrypt: bool = True
    sign_messaging: bool = True
    sign_body: bool = True
    signature_hash: Any = field(default_factory=hashes.SHA256)
    signature_algorithm: str = RSA_SHA256
    digest: tuple[str, str] = (SHA256, "sha256")
    cipher: str = GCM
    key_bytes: int = 16
    wrong_key: bool = False
    content_type: str | None = None

    def but(self, **changes: Any) -> "Message":
        """This message with something different."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Made:
    """What goes on the wire. `message_id` is the one in it."""

    content_type: str
    body: bytes
    message_id: str
    envelope: bytes


def canonical(xml: str) -> bytes:
    """Exclusive C14N of a stand-alone element."""
    return etree.tostring(etree.fromstring(xml.encode()), method="c14n", exclusive=True, with_comments=False)


def make(message: Message) -> Made:
    """Header, compress, sign, encrypt, join."""
    message_id = message.message_id or f"{os.urandom(8).hex()}@craft.example"
    messaging = message.messaging(_messaging(message, message_id))
    body = message.body(f'<env:Body xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="body"></env:Body>')
    packed = {part.content_id: part.packed() for part in message.parts}
    security = ""
    if message.sign:
        security = _signature(message, messaging, body, packed)
    sent = {part.content_id: part.after_sign(packed[part.content_id]) for part in message.parts}
    if message.encrypt:
        security = _encrypt(message, sent) + security
    sent = {part.content_id: part.after_encrypt(sent[part.content_id]) for part in message.parts}
    header = message.security(
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:env="{S12}" env:mustUnderstand="true">{security}</wsse:Security>'
    )
    if not (message.sign or message.encrypt):
        header = message.security("")
    envelope = message.envelope(
        f'<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="{S12}"><env:Header>{header}{messaging}'
        f"</env:Header>{body}</env:Envelope>".encode()
    )
    return _join(message, message_id, envelope, sent)


def _messaging(message: Message, message_id: str) -> str:
    def party(tag: str, value: str, role: str) -> str:
        return f'<eb:{tag}><eb:PartyId type="{message.party_type}">{value}</eb:PartyId><eb:Role>{EB}{role}</eb:Role></eb:{tag}>'

    ref = f"<eb:RefToMessageId>{message.ref_to}</eb:RefToMessageId>" if message.ref_to else ""
    listed = "".join(part.info() for part in message.parts if part.listed)
    properties = f"<eb:MessageProperties>{message.properties}</eb:MessageProperties>" if message.properties else ""
    user_message = message.user_message(
        f"<eb:UserMessage><eb:MessageInfo><eb:Timestamp>{message.timestamp}</eb:Timestamp>"
        f"<eb:MessageId>{message_id}</eb:MessageId>{ref}</eb:MessageInfo><eb:PartyInfo>"
        f"{party('From', message.from_id, 'initiator')}{party('To', message.to_id, 'responder')}</eb:PartyInfo>"
        f"<eb:CollaborationInfo>{message.agreement}<eb:Service>{message.service}</eb:Service>"
        f"<eb:Action>{message.action}</eb:Action><eb:ConversationId>{message.conversation_id}</eb:ConversationId>"
        f"</eb:CollaborationInfo>{properties}{f'<eb:PayloadInfo>{listed}</eb:PayloadInfo>' if listed else ''}</eb:UserMessage>"
    )
    return (
        f'<eb:Messaging xmlns:eb="{EB}" xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="messaging" env:mustUnderstand="true">'
        f"{user_message}</eb:Messaging>"
    )


def _signature(message: Message, messaging: str, body: str, packed: dict[str, bytes]) -> str:
    uri, name = message.digest

    def reference(target: str, transform: str, data: bytes) -> str:
        digest = base64.b64encode(hashlib.new(name, data).digest()).decode()
        return (
            f'<ds:Reference URI="{target}"><ds:Transforms><ds:Transform Algorithm="{transform}"></ds:Transform></ds:Transforms>'
            f'<ds:DigestMethod Algorithm="{uri}"></ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>'
        )

    references = reference("#messaging", EXC, canonical(messaging)) if message.sign_messaging else ""
    references += reference("#body", EXC, canonical(body)) if message.sign_body else ""
    for part in message.parts:
        if part.signed and part.attached:
            references += reference(f"cid:{part.content_id}", CONTENT_SIGNATURE, packed[part.content_id])
    info = message.signed_info(
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXC}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{message.signature_algorithm}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    value = message.sender.key.sign(canonical(info), padding.PKCS1v15(), message.signature_hash)
    return (
        _token("tok-s", message.sender)
        + f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{base64.b64encode(value).decode()}</ds:SignatureValue>'
        f'<ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI="#tok-s" ValueType="{X509P}#X509v3"/>'
        "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature>"
    )


def _token(token_id: str, identity: pki.Identity) -> str:
    der = base64.b64encode(identity.cert.public_bytes(serialization.Encoding.DER)).decode()
    return (
        f'<wsse:BinarySecurityToken EncodingType="{SMS10}#Base64Binary" ValueType="{X509P}#X509v3" '
        f'wsu:Id="{token_id}">{der}</wsse:BinarySecurityToken>'
    )


def _encrypt(message: Message, sent: dict[str, bytes]) -> str:
    """Encrypt the parts in place; the text of the key and of each EncryptedData."""
    key = os.urandom(message.key_bytes)
    wrap = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = message.recipient.cert.public_key().encrypt(os.urandom(16) if message.wrong_key else key, wrap)
    references, data = "", ""
    for number, part in enumerate((p for p in message.parts if p.encrypted and p.attached), 1):
        iv = os.urandom(12)
        sent[part.content_id] = iv + AESGCM(key).encrypt(iv, sent[part.content_id], None)
        references += f'<xenc:DataReference URI="#ED-{number}"/>'
        data += (
            f'<xenc:EncryptedData xmlns:xenc="{XENC}" Id="ED-{number}" MimeType="{part.type}" '
            f'Type="{SWA}#Attachment-Content-Only"><xenc:EncryptionMethod Algorithm="{message.cipher}"/>'
            f'<ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference xmlns:wsse11="{WSSE11}" '
            f'wsse11:TokenType="{SMS11}#EncryptedKey"><wsse:Reference URI="#EK"/></wsse:SecurityTokenReference></ds:KeyInfo>'
            f'<xenc:CipherData><xenc:CipherReference URI="cid:{part.content_id}"><xenc:Transforms><ds:Transform '
            f'xmlns:ds="{DS}" Algorithm="{CIPHERTEXT}"/></xenc:Transforms></xenc:CipherReference></xenc:CipherData>'
            "</xenc:EncryptedData>"
        )
    if not data:
        return ""
    return (
        _token("tok-r", message.recipient)
        + f'<xenc:EncryptedKey xmlns:xenc="{XENC}" Id="EK"><xenc:EncryptionMethod Algorithm="{OAEP}"><ds:DigestMethod '
        f'xmlns:ds="{DS}" Algorithm="{SHA256}"/><xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{XENC11}mgf1sha256"/>'
        f'</xenc:EncryptionMethod><ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference><wsse:Reference URI="#tok-r" '
        f'ValueType="{X509P}#X509v3"/></wsse:SecurityTokenReference></ds:KeyInfo><xenc:CipherData><xenc:CipherValue>'
        f"{base64.b64encode(wrapped).decode()}</xenc:CipherValue></xenc:CipherData><xenc:ReferenceList>{references}"
        f"</xenc:ReferenceList></xenc:EncryptedKey>{data}"
    )


def _join(message: Message, message_id: str, envelope: bytes, sent: dict[str, bytes]) -> Made:
    if not any(part.attached for part in message.parts):
        kind = message.content_type or "application/soap+xml; charset=UTF-8"
        return Made(kind, message.mime(envelope), message_id, envelope)
    boundary = "craft-7d3f0c"
    pieces = [("<root@craft.example>", "application/soap+xml; charset=UTF-8", envelope)]
    for part in message.parts:
        if part.attached:
            kind = "application/octet-stream" if message.encrypt and part.encrypted else part.type
            pieces.append((f"<{part.content_id}>", kind, sent[part.content_id]))
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {cid}\r\n\r\n".encode()
        + data
        + b"\r\n"
        for cid, kind, data in pieces
    )
    kind = message.content_type or (
        f'multipart/related; boundary="{boundary}"; type="application/soap+xml"; start="<root@craft.example>"; '
        'start-info="application/soap+xml"'
    )
    return Made(kind, message.mime(body + f"--{boundary}--\r\n".encode()), message_id, envelope)
