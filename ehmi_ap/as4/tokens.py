"""wsse:SecurityTokenReference, written and read: how a message says whose key (as4-wire 3.5).

Six forms, each a word of the P-Mode: bst, pkipath (WSS X.509 token profile 1.1.1, 3.1 and 3.2: the token travels
along), ski, issuer-serial, thumbprint (the receiver has to know the certificate), x509-ski (ds:X509Data without a
SecurityTokenReference, as BDEW writes it). Reading follows the reference; that a token stands first in the header
means nothing (peers-live 10, sender 8).
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from xml.sax.saxutils import escape

from lxml import etree

from ehmi_ap.as4.names import (
    BASE64_BINARY,
    DS,
    THUMBPRINT_SHA1,
    WSSE,
    WSSE11,
    X509_PKIPATH,
    X509_SKI,
    X509_V3,
    qname,
)
from ehmi_ap.crypto.certs import Certificate, pkipath, to_pkipath
from ehmi_ap.errors import MalformedSecurity, NotAllowedAlgorithm, TokenNotFound

_STR = qname(WSSE, "SecurityTokenReference")
_REFERENCE = qname(WSSE, "Reference")
_KEY_IDENTIFIER = qname(WSSE, "KeyIdentifier")
BINARY_SECURITY_TOKEN = qname(WSSE, "BinarySecurityToken")
_X509_DATA = qname(DS, "X509Data")
_BINARY_FORMS = {X509_V3: "bst", X509_PKIPATH: "pkipath"}
_IDENTIFIER_FORMS = {X509_SKI: "ski", THUMBPRINT_SHA1: "thumbprint"}


@dataclass(frozen=True, slots=True)
class Written:
    """`binary` goes into wsse:Security before what refers to it; `reference` is the content of ds:KeyInfo."""

    binary: str
    reference: str


@dataclass(frozen=True, slots=True)
class Direct:
    """A wsse:Reference to a token in the same document; whether it is bst or pkipath, the token says."""

    uri: str


@dataclass(frozen=True, slots=True)
class KeyIdentifier:
    """ski, x509-ski or thumbprint."""

    form: str
    value: bytes


@dataclass(frozen=True, slots=True)
class IssuerSerial:
    issuer: str
    serial: int


TokenReference = Direct | KeyIdentifier | IssuerSerial


@dataclass(frozen=True, slots=True)
class BinaryToken:
    """The certificates of a wsse:BinarySecurityToken: the one meant, and those that came along."""

    form: str
    certificate: Certificate
    others: tuple[Certificate, ...] = ()


def write_token(form: str, chain: tuple[Certificate, ...], token_id: str) -> Written:
    """How to name the key of `chain[0]` (leaf first) in the form the P-Mode says; `token_id` is the BST's wsu:Id."""
    binary, reference = _template(form, chain)
    return Written(binary.replace(_ID, token_id), reference.replace(_ID, token_id))


_ID = "TOKEN-ID"


@lru_cache(maxsize=256)
def _template(form: str, chain: tuple[Certificate, ...]) -> tuple[str, str]:
    """The two texts with _ID in place of the id: a certificate is written thousands of times."""
    leaf = chain[0]
    match form:
        case "bst":
            return _binary(X509_V3, leaf.der), _direct(X509_V3, "")
        case "pkipath":
            token_type = f' xmlns:wsse11="{WSSE11}" wsse11:TokenType="{X509_PKIPATH}"'
            return _binary(X509_PKIPATH, to_pkipath(chain)), _direct(X509_PKIPATH, token_type)
        case "ski":
            return "", _str(_key_identifier(X509_SKI, leaf.ski))
        case "thumbprint":
            return "", _str(_key_identifier(THUMBPRINT_SHA1, leaf.sha1))
        case "issuer-serial":
            issuer = escape(leaf.issuer)
            return "", _str(
                f'<ds:X509Data xmlns:ds="{DS}"><ds:X509IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>'
                f"<ds:X509SerialNumber>{leaf.serial_number}</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"
            )
        case "x509-ski":
            return "", f'<ds:X509Data xmlns:ds="{DS}"><ds:X509SKI>{_text(leaf.ski)}</ds:X509SKI></ds:X509Data>'
        case _:
            raise NotAllowedAlgorithm("token form", form)


def _binary(value_type: str, content: bytes) -> str:
    """Always with EncodingType and ValueType (BSP R3029, R3031)."""
    return (
        f'<wsse:BinarySecurityToken EncodingType="{BASE64_BINARY}" ValueType="{value_type}" wsu:Id="{_ID}">'
        f"{_text(content)}</wsse:BinarySecurityToken>"
    )


def _direct(value_type: str, attributes: str) -> str:
    return _str(f'<wsse:Reference URI="#{_ID}" ValueType="{value_type}"></wsse:Reference>', attributes)


def _key_identifier(value_type: str, value: bytes) -> str:
    return (
        f'<wsse:KeyIdentifier EncodingType="{BASE64_BINARY}" ValueType="{value_type}">{_text(value)}'
        "</wsse:KeyIdentifier>"
    )


def _str(inside: str, attributes: str = "") -> str:
    return f"<wsse:SecurityTokenReference{attributes}>{inside}</wsse:SecurityTokenReference>"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def read_reference(key_info: etree._Element | None) -> TokenReference:
    """What the ds:KeyInfo of a signature or of an encrypted key refers to.

    Raises:
        MalformedSecurity: none, several, or one that does not have the form its schema asks for.
        NotAllowedAlgorithm: a form that is none of the six.
    """
    if key_info is None:
        raise MalformedSecurity("ds:KeyInfo is missing")
    child = _only_child(key_info)
    if child.tag == _X509_DATA:
        return KeyIdentifier("x509-ski", _base64(_only_child(child, qname(DS, "X509SKI"))))
    if child.tag != _STR:
        raise NotAllowedAlgorithm("token form", "something other than a SecurityTokenReference")
    inner = _only_child(child)
    if inner.tag == _REFERENCE:
        uri = inner.get("URI", "")
        if not uri.startswith("#") or len(uri) < 2:
            raise NotAllowedAlgorithm("token form", "a reference to outside of the document")
        return Direct(uri[1:])
    if inner.tag == _KEY_IDENTIFIER:
        form = _IDENTIFIER_FORMS.get(inner.get("ValueType", ""))
        if form is None:
            raise NotAllowedAlgorithm("token form", "a KeyIdentifier of another ValueType")
        return KeyIdentifier(form, _base64(inner))
    if inner.tag == _X509_DATA:
        return _issuer_serial(_only_child(inner, qname(DS, "X509IssuerSerial")))
    raise NotAllowedAlgorithm("token form", "an unknown kind of token reference")


def _issuer_serial(element: etree._Element) -> IssuerSerial:
    issuer = element.findtext(qname(DS, "X509IssuerName"))
    serial = (element.findtext(qname(DS, "X509SerialNumber")) or "").strip()
    if not issuer or not serial.removeprefix("-").isdecimal() or len(serial) > 64:
        raise MalformedSecurity("ds:X509IssuerSerial lacks its name, or its number is none")
    return IssuerSerial(issuer.strip(), int(serial))


def read_binary(reference: Direct, tokens: Mapping[str, etree._Element]) -> BinaryToken:
    """The certificates of the wsse:BinarySecurityToken that is referred to; `tokens` are those of the header, by id.

    A token without EncodingType is taken as base64 (as4-wire 3.5).

    Raises:
        TokenNotFound: no token of this header has the id.
        NotAllowedAlgorithm: its ValueType or EncodingType is another.
        MalformedSecurity: no certificate in it.
    """
    token = tokens.get(reference.uri)
    if token is None:
        raise TokenNotFound("a token reference that points at no BinarySecurityToken of the header")
    form = _BINARY_FORMS.get(token.get("ValueType", X509_V3))
    if form is None or token.get("EncodingType", BASE64_BINARY) != BASE64_BINARY:
        raise NotAllowedAlgorithm("token form", "a BinarySecurityToken of another type")
    text = _plain_text(token)
    return _remembered(form, text) if len(text) <= _WORTH_REMEMBERING else _certificates(form, text)


_WORTH_REMEMBERING = 16_384
"""Characters of a token: a chain of four certificates has 8000. What is longer may be there to fill our memory."""


@lru_cache(maxsize=256)
def _remembered(form: str, text: str) -> BinaryToken:
    """By the very text of the token: a partner sends the same one thousands of times."""
    return _certificates(form, text)


def _certificates(form: str, text: str) -> BinaryToken:
    content = _from_base64(text)
    if form == "bst":
        return BinaryToken(form, Certificate.from_der(content))
    path = pkipath(content)
    return BinaryToken(form, path[-1], tuple(path[:-1]))


def _only_child(element: etree._Element, tag: str | None = None) -> etree._Element:
    children = [child for child in element if isinstance(child.tag, str)]
    if len(children) != 1 or (tag is not None and children[0].tag != tag):
        raise MalformedSecurity(f"{etree.QName(element).localname} has to hold exactly one token reference")
    return children[0]


def _base64(element: etree._Element) -> bytes:
    return _from_base64(_plain_text(element))


def _plain_text(element: etree._Element) -> str:
    if len(element):
        raise MalformedSecurity("a token holds something other than text")
    return element.text or ""


def _from_base64(text: str) -> bytes:
    """The bytes, whatever white space is between (as4-wire 9.22)."""
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:  # binascii.Error is one; so is what is not ASCII
        raise MalformedSecurity("the content of a token is not base64") from None
