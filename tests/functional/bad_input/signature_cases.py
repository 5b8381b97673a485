"""Signature, certificates and the profile: 0004, 0101, 0103 (as4-wire 3, 6.4; conformance CP_TA35)."""

import base64
import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes

from tests import pki
from tests.bench.lean import DS, EB, EXC, SMS10, SWA, WSU, X509P, XENC
from tests.craft import Message, Part, canonical
from tests.functional.bad_input.faults import (
    UNKNOWN_SKI,
    Case,
    Make,
    cases,
    element_gone,
    flipped,
    gone,
    into,
    resub,
    swap,
    text_flipped,
    with_part,
    with_second,
    with_security,
)
from tests.functional.bad_input.receiver import CANARY, GAMMA, HYPHENATED, PART, XML, Receiver

C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_TRANSFORM = f'<ds:Transform Algorithm="{EXC}"></ds:Transform>'
_BODY = f'URI="#body"><ds:Transforms>{_TRANSFORM}</ds:Transforms>'


def _signed(change: Callable[[str], str]) -> Make:
    """SignedInfo, changed before it is signed."""
    return lambda r: r.message(signed_info=change)


# -- signature and coverage


def _method(uri: str) -> Callable[[str], str]:
    return resub('<ds:SignatureMethod Algorithm="[^"]*"', f'<ds:SignatureMethod Algorithm="{uri}"')


def _body_transform(uri: str, inside: str = "") -> Callable[[str], str]:
    return swap(
        _BODY, f'URI="#body"><ds:Transforms><ds:Transform Algorithm="{uri}">{inside}</ds:Transform></ds:Transforms>'
    )


def _repeated(times: int) -> Callable[[str], str]:
    """Further references, each to something else of that name."""
    inside = f'<ds:Transforms>{_TRANSFORM}</ds:Transforms><ds:DigestMethod Algorithm="{XENC}sha256"></ds:DigestMethod><ds:DigestValue>{"A" * 43}=</ds:DigestValue>'
    return into("ds:SignedInfo", "".join(f'<ds:Reference URI="#x{n}">{inside}</ds:Reference>' for n in range(times)))


_PREFIXES = f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{" ".join(f"n{n}" for n in range(33))}"></ec:InclusiveNamespaces>'


def _timestamp(*expires: str) -> Callable[[str], str]:
    return into(
        "wsse:Security",
        "".join(f"<wsu:Timestamp><wsu:Expires>{each}</wsu:Expires></wsu:Timestamp>" for each in expires),
    )


def _inner_signed(receiver: Receiver) -> Message:
    """All of eb:UserMessage is signed, and nothing around it."""
    whole = f'<eb:UserMessage xmlns:eb="{EB}" xmlns:wsu="{WSU}" wsu:Id="um">'
    signed: list[bytes] = []

    def note(text: str) -> str:
        text = swap("<eb:UserMessage>", whole)(text)
        signed.append(canonical(text[text.index(whole) : text.index("</eb:Messaging>")]))
        return text

    def point(info: str) -> str:
        digest = base64.b64encode(hashlib.sha256(signed[0]).digest()).decode()
        return resub("<ds:DigestValue>[^<]*", f"<ds:DigestValue>{digest}", 1)(swap('"#messaging"', '"#um"')(info))

    return receiver.message(messaging=note, signed_info=point)


NOT_SIGNED_AS_AGREED = cases(
    "EBMS:0103",
    {
        "not signed": lambda r: r.message(sign=False),
        "not signed, not encrypted": lambda r: r.message(sign=False, encrypt=False, action="sign-only"),
        "no Security header at all": lambda r: r.message(sign=False, encrypt=False),
        "a Security header without a signature": with_security(element_gone("ds:Signature")),
        "eb:Messaging not signed": lambda r: r.message(sign_messaging=False),
        "the Body not signed": lambda r: r.message(sign_body=False),
        "the part not signed": with_part(signed=False),
        "the second of two parts not signed": with_second(signed=False),
        "only the Body signed": lambda r: r.message(sign_messaging=False, parts=[Part(data=XML, signed=False)]),
        "eb:UserMessage signed, not eb:Messaging": _inner_signed,
        "rsa-sha1": lambda r: r.message(signature_algorithm=f"{DS}rsa-sha1", signature_hash=hashes.SHA1()),
        "rsa-sha512 when it is not agreed": lambda r: r.message(signature_algorithm=f"{MORE}rsa-sha512", signature_hash=hashes.SHA512()),
        "dsa-sha1": _signed(_method(f"{DS}dsa-sha1")),
        "hmac-sha256": _signed(_method(f"{MORE}hmac-sha256")),
        "ecdsa-sha256": _signed(_method(f"{MORE}ecdsa-sha256")),
        "a patient for an algorithm": _signed(_method(f"urn:{CANARY}:x")),
        "a patient for a digest": lambda r: r.message(digest=(f"urn:{CANARY}", "md5")),
        "a patient for a transform": _signed(_body_transform(f"urn:{HYPHENATED}")),
        "digest of SHA-1": lambda r: r.message(digest=(f"{DS}sha1", "sha1")),
        "digest of SHA-1 for one part": _signed(resub('(cid:.*?<ds:DigestMethod Algorithm=")[^"]*', rf"\1{DS}sha1", 1)),
        "digest of MD5": lambda r: r.message(digest=(f"{MORE}md5", "md5")),
        "inclusive C14N of SignedInfo": _signed(swap(f'Method Algorithm="{EXC}"', f'Method Algorithm="{C14N}"')),
        "C14N of SignedInfo with comments": _signed(swap(f'Method Algorithm="{EXC}"', f'Method Algorithm="{EXC}WithComments"')),
        "inclusive C14N of the Body": _signed(_body_transform(C14N)),
        "STR-Transform": _signed(_body_transform(f"{SMS10}#STR-Transform")),
        "enveloped-signature": _signed(_body_transform(f"{DS}enveloped-signature")),
        "XPath": _signed(_body_transform("http://www.w3.org/TR/1999/REC-xpath-19991116")),
        "XSLT": _signed(_body_transform("http://www.w3.org/TR/1999/REC-xslt-19991116")),
        "no transform of the Body": _signed(swap(_BODY, 'URI="#body">')),
        "Attachment-Complete-Signature-Transform": _signed(swap("#Attachment-Content-Signature-Transform", "#Attachment-Complete-Signature-Transform")),
        "exclusive C14N of a part": _signed(swap(f"{SWA}#Attachment-Content-Signature-Transform", EXC)),
        "a reference to no element": _signed(swap('URI="#body"', 'URI="#nothing"')),
        "a reference to no part": _signed(swap('URI="cid:p1', 'URI="cid:p9')),
        "a reference to the envelope as a part": _signed(swap('URI="cid:p1@', 'URI="cid:root@')),
        "a reference to the whole document": _signed(swap('URI="#body"', 'URI=""')),
        "a reference to the outside": _signed(swap('URI="#body"', 'URI="http://127.0.0.1:9/"')),
        "a reference to a file": _signed(swap('URI="#body"', 'URI="file:///etc/passwd"')),
        "an XPointer": _signed(swap('URI="#body"', 'URI="#xpointer(/)"')),
        "109 references": _signed(_repeated(106)),
        "9 references to elements": _signed(_repeated(7)),
        "4 transforms": _signed(swap(_TRANSFORM, _TRANSFORM * 4)),
        "33 prefixes": _signed(swap(_BODY, _BODY.replace("></ds:Transform>", f">{_PREFIXES}</ds:Transform>"))),
        "33 prefixes for SignedInfo": _signed(swap("></ds:CanonicalizationMethod>", f">{_PREFIXES}</ds:CanonicalizationMethod>")),
        "a UsernameToken": with_security(into("wsse:Security", f"<wsse:UsernameToken><wsse:Username>{CANARY}</wsse:Username></wsse:UsernameToken>")),
        "an expired Timestamp": with_security(_timestamp("2020-01-01T00:00:00Z")),
        "an unreadable Timestamp": with_security(_timestamp("soon")),
        "two Timestamps": with_security(_timestamp("2120-01-01T00:00:00Z", "2120-01-01T00:00:00Z")),
        "a signer by its bare key": with_security(resub('<wsse:SecurityTokenReference><wsse:Reference URI="#tok-s".*?</wsse:SecurityTokenReference>', "<ds:KeyValue/>")),
        "a signer by an embedded token": with_security(resub('<wsse:Reference URI="#tok-s"[^>]*/>', "<wsse:Embedded/>")),
        "a signer somewhere else": with_security(swap('URI="#tok-s"', 'URI="http://127.0.0.1:9/"')),
        "a signer by a form that is not agreed": lambda r: r.message(action="bst-only", security=resub('<wsse:Reference URI="#tok-s"[^>]*/>', UNKNOWN_SKI)),
        "a token of another type": with_security(swap(f'ValueType="{X509P}#X509v3" wsu:Id="tok-s"', f'ValueType="{X509P}#PKCS7" wsu:Id="tok-s"')),
    },
)  # fmt: skip

DOES_NOT_HOLD = cases(
    "EBMS:0101",
    {
        "the header changed": lambda r: r.message(envelope=swap(b"<eb:ConversationId>c1", b"<eb:ConversationId>c2")),
        "the Body changed": lambda r: r.message(envelope=swap(b'wsu:Id="body"', b'wsu:Id="body" x="y"')),
        "a payload changed before it was encrypted": with_part(after_sign=flipped(-1)),
        "two payloads exchanged": lambda r: r.message(parts=[PART, Part(content_id="2@x")], mime=lambda body: body.replace(b"<p1@craft.example>", b"<_>").replace(b"<2@x>", b"<p1@craft.example>").replace(b"<_>", b"<2@x>")),
        "a payload exchanged": with_part(after_sign=lambda _: gzip.compress(b"<forged/>")),
        "a digest changed": with_security(text_flipped("ds:DigestValue")),
        "a digest cut": with_security(resub("<ds:DigestValue>[^<]*", "<ds:DigestValue>AAAA", 1)),
        "the signature value changed": with_security(text_flipped("ds:SignatureValue")),
        "the signature value cut": with_security(resub("<ds:SignatureValue>[^<]*", "<ds:SignatureValue>AAAA")),
        "the signature value empty": with_security(resub("<ds:SignatureValue>[^<]*", "<ds:SignatureValue>")),
        "the signature value no base64": with_security(swap("<ds:SignatureValue>", "<ds:SignatureValue>*")),
        "another algorithm named than used": lambda r: r.message(signature_hash=hashes.SHA512()),
        "SignedInfo changed": with_security(swap("<ds:SignatureMethod", "<!-- no --> <ds:SignatureMethod")),
        "signed, then compressed": with_part(compress=False, mime_type="text/plain", properties='<eb:Property name="MimeType">text/plain</eb:Property><eb:Property name="CompressionType">application/gzip</eb:Property>', after_sign=gzip.compress),
        "signed, then compressed, XML": with_part(compress=False, properties='<eb:Property name="MimeType">application/xml</eb:Property><eb:Property name="CompressionType">application/gzip</eb:Property>', after_sign=gzip.compress),
        "signed, then compressed, not encrypted (CP_TA35)": lambda r: r.message(action="sign-only", encrypt=False, parts=[Part(data=XML, compress=False, mime_type="text/plain", after_sign=gzip.compress)]),
        "an uncompressed XML part that is none": with_part(compress=False, after_sign=lambda data: data[:-5]),
        "one reference twice": _signed(resub("(<ds:Reference URI=\"#body\".*?</ds:Reference>)", r"\1\1", 1)),
        "no reference": _signed(gone("<ds:Reference.*</ds:Reference>")),
        "an Object in the signature": with_security(swap("<ds:SignatureValue>", "<ds:Object></ds:Object><ds:SignatureValue>")),
        "no KeyInfo": with_security(resub("(</ds:SignatureValue>)<ds:KeyInfo>.*?</ds:KeyInfo>", r"\1")),
        "two tokens in KeyInfo": with_security(resub('(<wsse:SecurityTokenReference><wsse:Reference URI="#tok-s".*?</wsse:SecurityTokenReference>)', r"\1\1")),
        "no token": with_security(swap('URI="#tok-s"', 'URI="#nothing"')),
        "another's token": with_security(swap('URI="#tok-s"', 'URI="#tok-r"')),
        "a token that is no certificate": with_security(resub('(wsu:Id="tok-s">)[^<]*', r"\1AAAA", 1)),
        "a token that is no base64": with_security(resub('(wsu:Id="tok-s">)[^<]*', rf"\g<1>{CANARY}*", 1)),
        "an unknown key identifier": with_security(resub('<wsse:Reference URI="#tok-s"[^>]*/>', UNKNOWN_SKI)),
    },
)  # fmt: skip


# -- certificates

_NOW = datetime.now(UTC)
_DAY = timedelta(days=1)


def _by(signer: Callable[[Receiver], pki.Identity]) -> Make:
    """A message of gamma's, whose certificate is judged by what is in it and above it."""
    return lambda r: r.message(from_id=GAMMA, sender=signer(r))


def _stranger() -> pki.Identity:
    return pki.make_ca("Pair CA", key="d", not_before=_NOW - _DAY, not_after=_NOW + _DAY)


NOT_TRUSTED = cases(
    "EBMS:0101",
    {
        "nobody's certificate": _by(lambda r: r.issued(issuer=_stranger())),
        "signed by itself": _by(lambda r: pki.make_leaf(None, GAMMA, key="c", not_before=_NOW - _DAY, not_after=_NOW + _DAY)),
        "a CA for a signer": _by(lambda r: pki.make_ca(GAMMA, issuer=r.authority, key="c", not_before=_NOW - _DAY, not_after=_NOW + _DAY)),
        "below a partner, who is no CA": _by(lambda r: r.issued(issuer=r.alpha.identity)),
        "expired": _by(lambda r: r.issued(not_before=_NOW - 9 * _DAY, not_after=_NOW - _DAY)),
        "not yet valid": _by(lambda r: r.issued(not_before=_NOW + _DAY)),
        "KeyUsage for encryption only": _by(lambda r: r.issued(key_usage=["key_encipherment"])),
        "KeyUsage for certificates": _by(lambda r: r.issued(key_usage=["key_cert_sign"])),
        "RSA of 1024 bits": _by(lambda r: r.issued(key="rsa1024-a")),
        "RSA of 8192 bits": _by(lambda r: r.issued(key="rsa8192-a")),
        "another party's certificate": _by(lambda r: r.issued("delta")),
        "another party's certificate, pinned": lambda r: r.message(sender=r.issued("alpha")),
        "a partner's certificate for another partner": lambda r: r.message(sender=r.issued()),
        "a partner who signs as another": _by(lambda r: r.alpha.identity),
        "our own certificate": lambda r: r.message(sender=r.beta.identity),
        "our own certificate, encrypted for nobody": lambda r: r.message(sender=r.beta.identity, action="sign-only", encrypt=False),
    },
)  # fmt: skip


# -- profile


def _document(inside: str) -> Part:
    sbdh = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
    return Part(data=f'<StandardBusinessDocument xmlns="{sbdh}">{inside}</StandardBusinessDocument>'.encode())


def _profile(name: str, rule: str, *parts: Part) -> Case:
    text = f"The message breaks {rule}."
    return Case(name=name, make=lambda r: r.message(action="ehmi", parts=parts), answer="EBMS:0004", text=text)


PROFILE = [
    _profile("no SBD", "V-1", PART),
    _profile("no XML", "V-1", Part(data=CANARY.encode())),
    _profile("no payload", "V-1"),
    _profile("two payloads", "V-1", PART, Part(content_id="2@x")),
    _profile("an SBD without a header", "V-2", _document(f"<PATIENTID>{CANARY}</PATIENTID>")),
    _profile("an SBD with a DOCTYPE", "V-1", Part(data=b"<!DOCTYPE x [<!ENTITY e 'x'>]>" + _document("&e;").data)),
]


CASES = [*NOT_SIGNED_AS_AGREED, *DOES_NOT_HOLD, *NOT_TRUSTED, *PROFILE]
