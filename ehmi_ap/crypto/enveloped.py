"""An XML document with its signature inside: judged, and made (XML Signature 1.1; spec/discovery.md 2.6).

Rules: exactly one ds:Signature that is a child of the root, with one Reference to the whole document and no transform
but the enveloped one; any other signature in the document is content. What was signed is a copy of the tree without
that child, and `verify` gives out nothing else: whoever reads the copy reads what was verified. A signature says who
signed, never that this one may: the signer's chain, validity and subject are for the caller.
"""

import base64
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from lxml import etree

from ehmi_ap.crypto import algorithms
from ehmi_ap.crypto.algorithms import C14N, C14N11, DIGESTS, DS, ENVELOPED, EXC_C14N, SIGNATURES
from ehmi_ap.crypto.c14n import canonical_document, inclusive_document
from ehmi_ap.crypto.certificate import MAX_CERTIFICATE, Certificate
from ehmi_ap.crypto.dsig import (
    ParsedReference,
    ParsedSignature,
    SignatureLimits,
    check_digest,
    check_value,
    digest_of,
    read_signature,
    sign,
)
from ehmi_ap.crypto.elements import base64_of
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.safexml import XmlLimits, parse
from ehmi_ap.errors import BudgetExceeded, MalformedSecurity, NotAllowedAlgorithm, WrongSignature

LIMITS = XmlLimits(bytes=1_048_576, elements=5_000, namespaces=300, scope=16)
"""Budgets on a document: inclusive C14N takes 0.2 s at the worst within them, and minutes without (python-stack 8)."""

SIGNATURE = f"{{{DS}}}Signature"
_CERTIFICATE = f"{{{DS}}}X509Data/{{{DS}}}X509Certificate"
_FORMS = (C14N, C14N11, EXC_C14N)
_SIGNATURE_LIMITS = SignatureLimits(references=1, elements=1)
_MAX_CERTIFICATES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Enveloped:
    """What a signature holds for. `root` is the document without it; `algorithm` and `digest` are words.

    `octets` is its canonical form, of which the digest was taken: the same as bytes.
    `others` are the further certificates of its ds:KeyInfo, to build a chain with; nothing vouches for them.
    """

    root: etree._Element = field(repr=False)
    octets: bytes = field(repr=False)
    signer: Certificate
    others: tuple[Certificate, ...]
    algorithm: str
    digest: str


def signature_of(root: etree._Element) -> etree._Element | None:
    """The signature of the document, None when it is not signed.

    Raises:
        MalformedSecurity: the root has several; each would be in what the others sign.
    """
    found = root.findall(SIGNATURE)
    if len(found) > 1:
        raise MalformedSecurity(f"the document has {len(found)} signatures where one was expected")
    return found[0] if found else None


def verify(root: etree._Element, *, sha1: bool = False, forms: Sequence[str] = ()) -> Enveloped:
    """Verifies the signature of a document that safexml.parse has read under LIMITS; `root` is left as it is.

    Args:
        sha1: rsa-sha1 and SHA-1 digests are as good as others (Peppol before 2020).
        forms: URIs of the canonical forms that may follow the enveloped transform, as many libraries write it.

    Raises:
        MalformedSecurity: not signed, or not in the one shape accepted here.
        NotAllowedAlgorithm: an algorithm or transform that is not allowed; also SHA-1 without `sha1`.
        WrongSignature: the value does not verify with any certificate of ds:KeyInfo.
        WrongDigest: the document was changed after it was signed.
        CertificateRefused: a kind of key that we do not know.
        MalformedXml: the document has no canonical form.
        BudgetExceeded: too many references, transforms or certificates.
    """
    element = signature_of(root)
    if element is None:
        raise MalformedSecurity("the document is not signed")
    signature = read_signature(element, _SIGNATURE_LIMITS, c14n=_FORMS)
    reference = _reference(signature, forms)
    algorithm, digest = SIGNATURES.by_uri(signature.algorithm), DIGESTS.by_uri(reference.digest_method)
    if not sha1 and (algorithm.legacy or digest.legacy):
        weak: tuple[str, str] = (
            (SIGNATURES.purpose, algorithm.uri) if algorithm.legacy else (DIGESTS.purpose, digest.uri)
        )
        raise NotAllowedAlgorithm(*weak)
    certificates = _certificates(signature)
    signer = _signer(signature, certificates)
    content = _without(root, root.index(element))
    octets = _form(content, reference)
    check_digest(reference, digest_of((octets,), digest.uri))
    return Enveloped(
        root=content,
        octets=octets,
        signer=signer,
        others=tuple(each for each in certificates if each != signer),
        algorithm=algorithm.word,
        digest=digest.word,
    )


def _reference(signature: ParsedSignature, forms: Sequence[str]) -> ParsedReference:
    """The one reference; to the whole document and with the transforms that make sense there."""
    [reference] = signature.references
    if reference.uri != "":
        raise MalformedSecurity("the signature refers to a part of the document, not to the whole")
    transforms = [each.uri for each in reference.transforms]
    if transforms[:1] != [ENVELOPED] or transforms[1:] not in ([], *([form] for form in forms)):
        other = next((uri for uri in transforms if uri != ENVELOPED), "")
        raise NotAllowedAlgorithm("transform", algorithms.shown(other))
    return reference


def _form(content: etree._Element, reference: ParsedReference) -> bytes:
    """The canonical form that the digest is of: inclusive C14N, unless a transform says otherwise."""
    last = reference.transforms[-1]
    if last.uri != EXC_C14N:
        return inclusive_document(content)
    if last.prefixes:
        raise NotAllowedAlgorithm("transform with a PrefixList", EXC_C14N)
    return canonical_document(content)


def _certificates(signature: ParsedSignature) -> tuple[Certificate, ...]:
    found = [] if signature.key_info is None else signature.key_info.findall(_CERTIFICATE)
    if not found:
        raise MalformedSecurity("the signature does not hold its signer's certificate")
    if len(found) > _MAX_CERTIFICATES:
        raise BudgetExceeded("certificates in a signature", _MAX_CERTIFICATES)
    return tuple(dict.fromkeys(Certificate.from_der(base64_of(each, MAX_CERTIFICATE)) for each in found))


def _signer(signature: ParsedSignature, certificates: Sequence[Certificate]) -> Certificate:
    """The certificate whose key made the value: ds:X509Data may hold its chain beside it, in any order."""
    refusal = WrongSignature("the signature value does not verify with the signer's key")
    for certificate in certificates:
        try:
            check_value(signature, certificate.public_key)
        except WrongSignature as error:
            refusal = error
        else:
            return certificate
    raise refusal


def _without(root: etree._Element, index: int) -> etree._Element:
    """A copy of the document without the child at `index`; the text behind that child stays."""
    content = copy.deepcopy(root.getroottree()).getroot()
    removed = content[index]
    if removed.tail:
        before = removed.getprevious()
        if before is None:
            content.text = (content.text or "") + removed.tail
        else:
            before.tail = (before.tail or "") + removed.tail
    content.remove(removed)
    return content


def signed(
    document: bytes, pair: KeyPair, *, c14n: str = C14N, algorithm: str = "rsa-sha256", digest: str = "sha256"
) -> bytes:
    """The document in canonical form, with its signature as the last child of the root, as phoss SMP writes it.

    Args:
        c14n: URI of the form in which SignedInfo is signed: C14N (Peppol, OASIS SMP 1.0), C14N11 (OASIS SMP 2.0).
        algorithm, digest: words of algorithms.

    Raises:
        MalformedXml, BudgetExceeded: as safexml.parse; the document has to keep what `verify` demands.
        NotAllowedAlgorithm: an unknown word, or a key that is not of the algorithm's kind.
    """
    content = inclusive_document(parse(document, LIMITS))
    method = DIGESTS.by_word(digest).uri
    info = _info_text(c14n, SIGNATURES.by_word(algorithm).uri, method, digest_of((content,), method))
    start = content.rindex(b"</")
    head, tail = content[:start] + f'<Signature xmlns="{DS}">{info}'.encode(), b"</Signature>" + content[start:]
    unsigned = read_signature(parse(head + b"<SignatureValue>AA==</SignatureValue>" + tail, LIMITS)[-1], c14n=(c14n,))
    value = sign(unsigned.signed_info, pair.private_key, algorithm)
    return head + _value_text(value, pair.certificate).encode() + tail


def _info_text(c14n: str, method: str, digest_method: str, digest: bytes) -> str:
    return (
        f'<SignedInfo><CanonicalizationMethod Algorithm="{c14n}"/><SignatureMethod Algorithm="{method}"/>'
        f'<Reference URI=""><Transforms><Transform Algorithm="{ENVELOPED}"/></Transforms>'
        f'<DigestMethod Algorithm="{digest_method}"/><DigestValue>{base64.b64encode(digest).decode()}</DigestValue>'
        "</Reference></SignedInfo>"
    )


def _value_text(value: bytes, certificate: Certificate) -> str:
    return (
        f"<SignatureValue>{base64.b64encode(value).decode()}</SignatureValue><KeyInfo><X509Data>"
        f"<X509SubjectName>{escape(certificate.subject)}</X509SubjectName>"
        f"<X509Certificate>{base64.b64encode(certificate.der).decode()}</X509Certificate></X509Data></KeyInfo>"
    )
