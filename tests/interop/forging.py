"""Receipts that prove nothing, signed with the right key: lxml and cryptography only, no code of ours.

    Weather(answer=forger(scene.ids.phase4, wrong_digest))

A `Forgery` says what is wrong; everything else is as it has to be, so that exactly one thing can be the reason.
"""

import base64
import hashlib
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from tests import pki
from tests.bench.lean import DS, EB, EBBP, EXC, RSA_SHA256, S12, SHA256, SMS10, WSSE, WSU, X509P
from tests.independent import NS, split
from tests.interop.http1 import Http, answer

CONTENT_TYPE = "application/soap+xml; charset=UTF-8"

References = Sequence[etree._Element]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """What is wrong with a receipt; nothing, by default. `signed` lists what the signature covers."""

    references: Callable[[References], References] = list
    ref_to: str | None = None  # None: the message itself
    information: bool = True  # an NRI at all
    warning: bool = False  # an eb:Error of that severity, and no receipt
    signed: tuple[str, ...] = ("messaging", "body")
    afterwards: Callable[[bytes], bytes] = bytes


def forger(signer: pki.Identity, forgery: Forgery, *, status: int = 200) -> Callable[[Http, Http], Http]:
    """What a proxy answers in place of the true receipt."""
    return lambda request, _: answer(status, CONTENT_TYPE, receipt(request, signer, forgery))


def receipt(request: Http, signer: pki.Identity, forgery: Forgery) -> bytes:
    """A receipt for the request."""
    root = etree.fromstring(split(request.body, request.content_type)[0][1])
    message_id = forgery.ref_to or root.findtext(".//eb:UserMessage/eb:MessageInfo/eb:MessageId", "", NS)
    found = root.findall("s:Header/wsse:Security/ds:Signature/ds:SignedInfo/ds:Reference", NS)
    repeated = "".join(
        f"<ebbp:MessagePartNRInformation>{_canonical(each).decode()}</ebbp:MessagePartNRInformation>"
        for each in forgery.references(found)
    )
    proof = f'<ebbp:NonRepudiationInformation xmlns:ebbp="{EBBP}">{repeated}</ebbp:NonRepudiationInformation>'
    nothing = '<nothing xmlns="urn:ehmi-ap:interop:nothing"></nothing>'
    content = f"<eb:Receipt>{proof if forgery.information else nothing}</eb:Receipt>"
    if forgery.warning:
        content = (
            '<eb:Error category="Content" errorCode="EBMS:0002" origin="ebMS" severity="warning" '
            f'shortDescription="FeatureNotSupported" refToMessageInError="{message_id}"></eb:Error>'
        )
    messaging = (
        f'<eb:Messaging xmlns:eb="{EB}" xmlns:env="{S12}" xmlns:wsu="{WSU}" env:mustUnderstand="true" wsu:Id="messaging">'
        f"<eb:SignalMessage><eb:MessageInfo><eb:Timestamp>{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}</eb:Timestamp>"
        f"<eb:MessageId>{uuid.uuid4()}@forged.example</eb:MessageId><eb:RefToMessageId>{message_id}</eb:RefToMessageId>"
        f"</eb:MessageInfo>{content}</eb:SignalMessage></eb:Messaging>"
    )
    body = f'<env:Body xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="body"></env:Body>'
    security = _security(signer, {"messaging": messaging, "body": body}, forgery.signed) if forgery.signed else ""
    envelope = f'<env:Envelope xmlns:env="{S12}"><env:Header>{security}{messaging}</env:Header>{body}</env:Envelope>'
    return forgery.afterwards(envelope.encode())


def _security(signer: pki.Identity, elements: dict[str, str], signed: Sequence[str]) -> str:
    references = "".join(
        f'<ds:Reference URI="#{name}"><ds:Transforms><ds:Transform Algorithm="{EXC}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>'
        f"{_base64(hashlib.sha256(_canonical(etree.fromstring(elements[name]))).digest())}</ds:DigestValue></ds:Reference>"
        for name in signed
    )
    info = (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXC}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{RSA_SHA256}"></ds:SignatureMethod>{references}</ds:SignedInfo>'
    )
    value = signer.key.sign(_canonical(etree.fromstring(info)), padding.PKCS1v15(), hashes.SHA256())
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:env="{S12}" env:mustUnderstand="true">'
        f'<wsse:BinarySecurityToken EncodingType="{SMS10}#Base64Binary" ValueType="{X509P}#X509v3" wsu:Id="token">'
        f'{_base64(signer.der)}</wsse:BinarySecurityToken><ds:Signature xmlns:ds="{DS}">{info}'
        f"<ds:SignatureValue>{_base64(value)}</ds:SignatureValue><ds:KeyInfo><wsse:SecurityTokenReference>"
        f'<wsse:Reference URI="#token" ValueType="{X509P}#X509v3"></wsse:Reference></wsse:SecurityTokenReference>'
        "</ds:KeyInfo></ds:Signature></wsse:Security>"
    )


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# -- what may be wrong


def wrong_digest(references: References) -> References:
    """Another digest for the last reference, a payload where there is one."""
    value = references[-1].find("ds:DigestValue", NS)
    assert value is not None
    value.text = _base64(hashlib.sha256(b"something else").digest())
    return references


def without_last(references: References) -> References:
    return references[:-1]


def one_more(references: References) -> References:
    """The last one again, under another name."""
    extra = etree.fromstring(_canonical(references[-1]))
    extra.set("URI", "cid:one-more@forged.example")
    return [*references, extra]


def later_timestamp(envelope: bytes) -> bytes:
    """Changed after it was signed."""
    return re.sub(rb"(<eb:Timestamp>)\d{4}", rb"\g<1>2099", envelope)
