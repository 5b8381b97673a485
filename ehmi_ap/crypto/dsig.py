"""XML Signature: reading, checking and making.

Rules: read_signature() accepts one narrow shape (W3C XML Signature 1.1 without ds:Object, exclusive C14N unless the
caller names others) and decides nothing; the caller checks its allow-lists with check_allowed(), then each reference
against what it refers to, then the value with check_value(). What a reference covers is for the caller to find in an
id index: nothing here looks anything up by URI. What is made here is text that is its own canonical form, so nothing
is parsed twice.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from ehmi_ap.crypto import algorithms
from ehmi_ap.crypto.algorithms import DIGESTS, DS, EXC_C14N, SIGNATURES
from ehmi_ap.crypto.c14n import canonical, inclusive
from ehmi_ap.crypto.elements import attribute, base64_of, children, escaped, no_children, optional, single
from ehmi_ap.errors import BudgetExceeded, MalformedSecurity, NotAllowedAlgorithm, WrongDigest, WrongSignature
from ehmi_ap.model import Reference

_INCLUSIVE = f"{{{EXC_C14N}}}InclusiveNamespaces"
_MAX_VALUE = 1024
_MAX_DIGEST = 64
"""Bytes of a SignatureValue (RSA-4096 has 512) and of a DigestValue (SHA-512 has 64)."""


@dataclass(frozen=True, slots=True)
class SignatureLimits:
    """Budgets on one signature (python-stack 8): parts of the message + 8 references, and lists within them.

    `elements` bounds those to the document itself, for each costs a canonicalisation of what it refers to, before
    anybody knows who sent it. Messages have two to four.
    """

    references: int = 108
    elements: int = 8
    transforms: int = 3
    prefixes: int = 32


DEFAULT_LIMITS = SignatureLimits()


@dataclass(frozen=True, slots=True)
class Transform:
    """A ds:Transform; `prefixes` is the PrefixList of an exclusive C14N."""

    uri: str
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedReference:
    """A ds:Reference; `digest_method` is a URI."""

    uri: str
    digest_method: str
    digest: bytes
    transforms: tuple[Transform, ...]
    element: etree._Element

    def noun(self, *, with_xml: bool = True) -> Reference:
        """The reference as receipts compare it, and `with_xml` as they carry it, which costs a canonicalisation.

        Raises:
            MalformedXml: with_xml, and the element has no canonical form.
        """
        xml = canonical(self.element) if with_xml else b""
        return Reference(self.uri, self.digest_method, self.digest, tuple(t.uri for t in self.transforms), xml)


@dataclass(frozen=True, slots=True)
class ParsedSignature:
    """A ds:Signature; `algorithm` and `c14n` are URIs, `signed_info` the canonical bytes that were signed."""

    algorithm: str
    value: bytes
    references: tuple[ParsedReference, ...]
    signed_info: bytes
    c14n: str
    key_info: etree._Element | None
    element: etree._Element


def read_signature(
    element: etree._Element, limits: SignatureLimits = DEFAULT_LIMITS, *, c14n: Sequence[str] = (EXC_C14N,)
) -> ParsedSignature:
    """Reads a ds:Signature (XML Signature 4; as4-wire 3.2); `c14n` are the URIs that may canonicalise SignedInfo.

    Raises:
        MalformedSecurity: not of the one shape accepted here.
        NotAllowedAlgorithm: SignedInfo is canonicalised in another way.
        MalformedXml: SignedInfo has no canonical form.
        BudgetExceeded: more references, transforms or prefixes than `limits` allows.
    """
    if element.tag != f"{{{DS}}}Signature":
        raise MalformedSecurity("a ds:Signature was expected")
    parts = children(element, DS, ("SignedInfo", "SignatureValue", "KeyInfo"))
    info, value = single(parts, "SignedInfo"), single(parts, "SignatureValue")
    uri, prefixes, method, references = _signed_info(info, limits, c14n)
    return ParsedSignature(
        algorithm=method,
        value=base64_of(value, _MAX_VALUE),
        references=references,
        signed_info=canonical(info, prefixes) if uri == EXC_C14N else inclusive(info),
        c14n=uri,
        key_info=optional(parts, "KeyInfo"),
        element=element,
    )


def _signed_info(
    info: etree._Element, limits: SignatureLimits, allowed: Sequence[str]
) -> tuple[str, tuple[str, ...], str, tuple[ParsedReference, ...]]:
    parts = children(info, DS, ("CanonicalizationMethod", "SignatureMethod", "Reference"))
    c14n = single(parts, "CanonicalizationMethod")
    uri, method = attribute(c14n, "Algorithm"), single(parts, "SignatureMethod")
    if uri not in allowed:
        raise NotAllowedAlgorithm("canonicalization", algorithms.shown(uri))
    if uri != EXC_C14N:
        no_children(c14n)
    no_children(method)
    references = parts.get("Reference")
    if references is None:
        raise MalformedSecurity("a signature without a reference")
    if len(references) > limits.references:
        raise BudgetExceeded("references in a signature", limits.references)
    parsed = tuple(read_reference(reference, limits) for reference in references)
    if len({reference.uri for reference in parsed}) < len(parsed):
        raise MalformedSecurity("two references of a signature to the same thing")
    if sum(reference.uri[:1] in ("", "#") for reference in parsed) > limits.elements:
        raise BudgetExceeded("references to elements in a signature", limits.elements)
    return uri, _prefixes(c14n, limits), attribute(method, "Algorithm"), parsed


def read_reference(element: etree._Element, limits: SignatureLimits = DEFAULT_LIMITS) -> ParsedReference:
    """Reads a ds:Reference, in a signature or where a receipt repeats it; raises as read_signature."""
    parts = children(element, DS, ("Transforms", "DigestMethod", "DigestValue"))
    method = single(parts, "DigestMethod")
    no_children(method)
    return ParsedReference(
        uri=attribute(element, "URI"),
        digest_method=attribute(method, "Algorithm"),
        digest=base64_of(single(parts, "DigestValue"), _MAX_DIGEST),
        transforms=_transforms(optional(parts, "Transforms"), limits),
        element=element,
    )


def _transforms(element: etree._Element | None, limits: SignatureLimits) -> tuple[Transform, ...]:
    if element is None:
        return ()
    transforms = children(element, DS, ("Transform",)).get("Transform", ())
    if len(transforms) > limits.transforms:
        raise BudgetExceeded("transforms in a reference", limits.transforms)
    return tuple(Transform(attribute(each, "Algorithm"), _prefixes(each, limits)) for each in transforms)


def _prefixes(element: etree._Element, limits: SignatureLimits) -> tuple[str, ...]:
    """The PrefixList of an exclusive C14N; an absent one and an empty one are the same."""
    if not len(element) and not element.text:  # nearly always
        return ()
    parts = children(element, EXC_C14N, ("InclusiveNamespaces",))
    inclusive = optional(parts, "InclusiveNamespaces")
    if inclusive is None:
        return ()
    prefixes = tuple(inclusive.get("PrefixList", "").split())
    if len(prefixes) > limits.prefixes:
        raise BudgetExceeded("prefixes in a PrefixList", limits.prefixes)
    return prefixes


def check_allowed(signature: ParsedSignature, sign_words: Iterable[str], digest_words: Iterable[str]) -> None:
    """Holds the algorithms of a signature against a P-Mode's allow-lists.

    Raises:
        NotAllowedAlgorithm: the signature algorithm or a digest is not on its list.
    """
    SIGNATURES.by_uri(signature.algorithm, tuple(sign_words))
    digests = tuple(digest_words)
    for reference in signature.references:
        DIGESTS.by_uri(reference.digest_method, digests)


def check_value(signature: ParsedSignature, public_key: object) -> None:
    """Checks the SignatureValue over the canonical SignedInfo. The caller has checked its allow-lists before.

    Raises:
        WrongSignature: it does not verify, or the key is not of the algorithm's kind.
        NotAllowedAlgorithm: the algorithm is unknown here.
    """
    algorithm = SIGNATURES.by_uri(signature.algorithm)
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise WrongSignature("the signer's key is not of the kind that the signature algorithm asks for")
    try:
        public_key.verify(signature.value, signature.signed_info, padding.PKCS1v15(), algorithm.hash())
    except InvalidSignature:
        raise WrongSignature("the signature value does not verify with the signer's key") from None


class Digester:
    """A digest that grows with what it is fed; `uri` names the DigestMethod.

    Raises:
        NotAllowedAlgorithm: the digest is unknown here.
    """

    def __init__(self, uri: str) -> None:
        self._hash = hashlib.new(DIGESTS.by_uri(uri).hash_name, usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        """The digest of all that was fed so far."""
        return self._hash.digest()


def digest_of(data: Iterable[bytes], digest_uri: str) -> bytes:
    """The digest of all chunks, one after the other; NotAllowedAlgorithm as Digester."""
    digester = Digester(digest_uri)
    for chunk in data:
        digester.update(chunk)
    return digester.digest()


def check_transforms(reference: ParsedReference) -> None:
    """Whether `reference` may cover an element.

    Raises:
        NotAllowedAlgorithm: the transforms are not exactly one exclusive C14N without comments (as4-wire 3.6).
    """
    if len(reference.transforms) != 1 or reference.transforms[0].uri != EXC_C14N:
        other = next((t.uri for t in reference.transforms if t.uri != EXC_C14N), "")
        raise NotAllowedAlgorithm("transform", algorithms.shown(other))


def element_form(element: etree._Element, reference: ParsedReference) -> bytes:
    """The canonical bytes of an element that `reference` covers, its PrefixList honoured.

    Raises NotAllowedAlgorithm as check_transforms.
    """
    check_transforms(reference)
    return canonical(element, reference.transforms[0].prefixes)


def element_digest(element: etree._Element, reference: ParsedReference) -> bytes:
    """The digest of an element under `reference`; NotAllowedAlgorithm as element_form and Digester."""
    return digest_of((element_form(element, reference),), reference.digest_method)


def check_digest(reference: ParsedReference, digest: bytes) -> None:
    """Raises WrongDigest when `digest` is not the one that was signed."""
    if digest != reference.digest:
        raise WrongDigest("a digest differs from what was signed")


def make_reference(uri: str, transforms: Sequence[str], digest: bytes, *, digest_word: str = "sha256") -> Reference:
    """A reference of ours; its `xml` is the text that signed_info() puts into the signature, as receipts repeat it."""
    method = DIGESTS.by_word(digest_word).uri
    text = _reference_text(uri, transforms, method, digest)
    xml = text.replace("<ds:Reference", f'<ds:Reference xmlns:ds="{DS}"', 1).encode()
    return Reference(uri, method, digest, tuple(transforms), xml)


def signed_info(
    references: Sequence[tuple[str, Sequence[str], bytes]], *, algorithm: str = "rsa-sha256", digest: str = "sha256"
) -> str:
    """A ds:SignedInfo that is its own exclusive canonical form: sign its UTF-8 bytes and embed it as it is.

    `references` are (uri, transform URIs, digest); `algorithm` and `digest` are words of algorithms.

    Raises:
        NotAllowedAlgorithm: an unknown word.
    """
    method, digest_method = SIGNATURES.by_word(algorithm).uri, DIGESTS.by_word(digest).uri
    texts = (_reference_text(uri, transforms, digest_method, value) for uri, transforms, value in references)
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXC_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{method}"></ds:SignatureMethod>{"".join(texts)}</ds:SignedInfo>'
    )


def _reference_text(uri: str, transforms: Sequence[str], method: str, digest: bytes) -> str:
    listed = "".join(f'<ds:Transform Algorithm="{escaped(each)}"></ds:Transform>' for each in transforms)
    return (
        f'<ds:Reference URI="{escaped(uri)}"><ds:Transforms>{listed}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{method}"></ds:DigestMethod>'
        f"<ds:DigestValue>{base64.b64encode(digest).decode()}</ds:DigestValue></ds:Reference>"
    )


def sign(signed_info: bytes, private_key: object, word: str) -> bytes:
    """The SignatureValue over canonical SignedInfo bytes.

    Raises:
        NotAllowedAlgorithm: an unknown word, or a key that is not of the algorithm's kind.
    """
    algorithm = SIGNATURES.by_word(word)
    if not isinstance(private_key, rsa.RSAPrivateKey):
        raise NotAllowedAlgorithm("signing with this kind of key by", word)
    return private_key.sign(signed_info, padding.PKCS1v15(), algorithm.hash())
