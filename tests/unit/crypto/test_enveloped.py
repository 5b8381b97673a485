"""Enveloped signatures: our own, and every shape that must not pass though its numbers hold; libxmlsec as oracle.

What is refused here was signed by libxmlsec, which accepts it: so it is the shape that is refused.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import pki
import pytest
import xmlsec
from lxml import etree
from xmlsec import constants as xc

from ehmi_ap.crypto import enveloped
from ehmi_ap.crypto.algorithms import C14N, C14N11, DS, EXC_C14N
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    MalformedSecurity,
    MalformedXml,
    NotAllowedAlgorithm,
    WrongDigest,
    WrongSignature,
    XmlSecurityError,
)

CA = pki.make_ca()
LEAF = pki.make_leaf(CA, "SMP_1")
PAIR = KeyPair(LEAF.key, Certificate.from_x509(LEAF.cert), ())
DOCUMENT = '<a:r xmlns:a="urn:a" xmlns="urn:d"><x Id="x">æ &amp; &#13;<!-- c --></x> <a:y b="1"/>\n</a:r>'.encode()
SIGNATURE = f"{{{DS}}}Signature"
WHOLE = (("", (xc.TransformEnveloped,)),)


def verify(document: bytes, **options: Any) -> enveloped.Enveloped:
    return enveloped.verify(parse(document, enveloped.LIMITS, instructions=True), **options)


def by_libxmlsec(
    document: bytes = DOCUMENT,
    *,
    references: Sequence[tuple[str, Sequence[object]]] = WHOLE,
    c14n: object = xc.TransformInclC14N,
    method: object = xc.TransformRsaSha256,
    below: str | None = None,
    certificates: Sequence[bytes] = (LEAF.pem,),
    prefix: str | None = None,
) -> bytes:
    """The document signed; `below` is the path of the element that gets the signature as its last child."""
    root = etree.fromstring(document)
    xmlsec.tree.add_ids(root, ["Id"])
    template = xmlsec.template.create(root, c14n, method, ns=prefix)
    for uri, transforms in references:
        reference = xmlsec.template.add_reference(template, xc.TransformSha256, uri=uri)
        for transform in transforms:
            xmlsec.template.add_transform(reference, transform)
    key_info = xmlsec.template.ensure_key_info(template)
    if certificates:
        xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(key_info))
    place = root if below is None else root.find(below)
    place.append(template)
    context = xmlsec.SignatureContext()
    if method == xc.TransformHmacSha256:
        context.key = xmlsec.Key.from_binary_data(xc.KeyDataHmac, b"secret")
    else:
        context.key = xmlsec.Key.from_memory(LEAF.key_pem, xc.KeyDataFormatPem)
    for certificate in certificates:
        context.key.load_cert_from_memory(certificate, xc.KeyDataFormatPem)
    context.sign(template)
    return etree.tostring(root)


def libxmlsec_verifies(document: bytes) -> bool:
    root = etree.fromstring(document)
    context = xmlsec.SignatureContext()
    der = base64.b64decode("".join(root.findtext(f".//{{{DS}}}X509Certificate").split()))
    context.key = xmlsec.Key.from_memory(der, xc.KeyDataFormatCertDer)
    try:
        context.verify(root.find(SIGNATURE))
    except xmlsec.Error:
        return False
    return True


# -- what passes


@pytest.mark.parametrize("c14n", [C14N, C14N11, EXC_C14N])
@pytest.mark.parametrize(("algorithm", "digest"), [("rsa-sha256", "sha256"), ("rsa-sha512", "sha384")])
def test_what_we_sign_verifies_here_and_with_libxmlsec(c14n, algorithm, digest):
    signed = enveloped.signed(DOCUMENT, PAIR, c14n=c14n, algorithm=algorithm, digest=digest)

    found = verify(signed)

    assert (found.signer, found.others, found.algorithm, found.digest) == (PAIR.certificate, (), algorithm, digest)
    assert [child.tag for child in found.root] == ["{urn:d}x", "{urn:a}y"]
    assert libxmlsec_verifies(signed)


@pytest.mark.parametrize("c14n", [xc.TransformInclC14N, xc.TransformInclC14N11, xc.TransformExclC14N])
@pytest.mark.parametrize("prefix", [None, "ds", "a"])
def test_what_libxmlsec_signs_verifies_here(c14n, prefix):
    document = DOCUMENT.replace(b'xmlns="urn:d"', b'xmlns="urn:d" xmlns:s="http://www.w3.org/2000/09/xmldsig#"')

    assert verify(by_libxmlsec(document, c14n=c14n, prefix=prefix)).signer == PAIR.certificate


@pytest.mark.parametrize(
    ("transform", "form"),
    [
        (xc.TransformInclC14N, C14N),
        (xc.TransformInclC14N11, C14N11),
        (xc.TransformExclC14N, EXC_C14N),
    ],
)
def test_a_canonical_form_after_the_enveloped_transform_passes_where_the_caller_names_it(transform, form):
    document = DOCUMENT.replace(b'xmlns="urn:d"', b'xmlns="urn:d" xmlns:unused="urn:u"')
    signed = by_libxmlsec(document, references=[("", (xc.TransformEnveloped, transform))])

    found = verify(signed, forms=(form,))

    assert found.signer == PAIR.certificate
    exclusive = form == EXC_C14N
    assert found.octets == etree.tostring(
        etree.fromstring(document), method="c14n", exclusive=exclusive, with_comments=False
    )
    assert (b"unused" in found.octets) is not exclusive
    for forms in ((), tuple({C14N, C14N11, EXC_C14N} - {form})):
        with pytest.raises(NotAllowedAlgorithm, match="transform"):
            verify(signed, forms=forms)


def test_a_prefix_list_is_no_form_of_a_whole_document():
    """libxmlsec takes it; nothing needs one there, so it is one thing less to be right about."""
    root = etree.fromstring(DOCUMENT)
    template = xmlsec.template.create(root, xc.TransformExclC14N, xc.TransformRsaSha256)
    reference = xmlsec.template.add_reference(template, xc.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, xc.TransformEnveloped)
    last = xmlsec.template.add_transform(reference, xc.TransformExclC14N)
    xmlsec.template.transform_add_c14n_inclusive_namespaces(last, ["a"])
    xmlsec.template.x509_data_add_certificate(xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(template)))
    root.append(template)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(LEAF.key_pem, xc.KeyDataFormatPem)
    context.key.load_cert_from_memory(LEAF.pem, xc.KeyDataFormatPem)
    context.sign(template)
    assert libxmlsec_verifies(etree.tostring(root))

    with pytest.raises(NotAllowedAlgorithm, match="PrefixList"):
        verify(etree.tostring(root), forms=(EXC_C14N,))


def test_the_octets_are_what_was_signed_and_hold_no_signature():
    signed = enveloped.signed(DOCUMENT, PAIR)

    assert verify(signed).octets == etree.tostring(etree.fromstring(DOCUMENT), method="c14n", with_comments=False)


def test_the_tree_given_is_left_as_it_was_and_the_text_behind_the_signature_counts():
    signed = enveloped.signed(DOCUMENT, PAIR)
    root = parse(signed)

    assert enveloped.verify(root).root is not root
    assert etree.tostring(root) == etree.tostring(parse(signed))
    with pytest.raises(WrongDigest):
        verify(signed.replace(b"</Signature>", b"</Signature> "))


@pytest.mark.parametrize("before", [b"", b" ", b"<a:z/>"])
def test_a_signature_may_stand_before_other_children(before):
    """libxmlsec signs it as the last child; where it stands is of no account, for it is taken out."""
    document = DOCUMENT.replace(b"<x ", before + b"<x ")
    root = etree.fromstring(by_libxmlsec(document))
    element = root.find(SIGNATURE)
    root.remove(element)
    root.insert(1 if b"z" in before else 0, element)

    found = verify(etree.tostring(root))

    assert etree.tostring(found.root, method="c14n") == etree.tostring(etree.fromstring(document), method="c14n")


def test_a_signature_inside_is_content_whether_it_verifies_or_not():
    """An SMP signs extensions that hold the signature of another; that one need not hold any more (2.6)."""
    inner = etree.fromstring(by_libxmlsec(b"<e xmlns='urn:e'>signed before</e>"))
    outer = DOCUMENT.replace(b"</a:r>", b"<ext>" + etree.tostring(inner) + b"</ext></a:r>")
    broken = outer.replace(b"signed before", b"changed since")

    for document in (outer, broken):
        found = verify(enveloped.signed(document, PAIR))
        assert len(found.root.findall(f".//{SIGNATURE}")) == 1


def test_the_signer_is_whoever_s_key_made_the_value_among_the_certificates():
    other = pki.make_leaf(CA, "other", key="b")

    found = verify(by_libxmlsec(certificates=[CA.pem, other.pem, LEAF.pem]))

    assert found.signer == PAIR.certificate
    assert set(found.others) == {Certificate.from_x509(CA.cert), Certificate.from_x509(other.cert)}


def test_comments_put_in_after_signing_change_nothing_that_was_signed():
    signed = enveloped.signed(DOCUMENT, PAIR)

    assert verify(signed.replace(b"<a:y", b"<!-- hello --><a:y")).signer == PAIR.certificate


def test_sha1_is_allowed_by_the_switch_alone():
    signed = enveloped.signed(DOCUMENT, PAIR, algorithm="rsa-sha1", digest="sha1")
    only_digest = enveloped.signed(DOCUMENT, PAIR, digest="sha1")

    for document in (signed, only_digest):
        with pytest.raises(NotAllowedAlgorithm, match="sha1 is not allowed"):
            verify(document)
    assert verify(signed, sha1=True).algorithm == "rsa-sha1"
    assert verify(only_digest, sha1=True).digest == "sha1"


# -- what does not


def swap(*pairs: tuple[bytes, bytes]) -> Callable[[bytes], bytes]:
    def change(document: bytes) -> bytes:
        for old, new in pairs:
            assert old in document
            document = document.replace(old, new, 1)
        return document

    return change


NO_CERTIFICATE = by_libxmlsec(certificates=())
SIGNED = enveloped.signed(DOCUMENT, PAIR)
ELSEWHERE = by_libxmlsec(below="{urn:d}x")
CERTIFICATE = SIGNED[SIGNED.index(b"<X509Certificate>") : SIGNED.index(b"</X509Data>")]
DIGEST = SIGNED[SIGNED.index(b"<DigestValue>") + 13 : SIGNED.index(b"</DigestValue>")]
PREFIX_LIST = b'<e:InclusiveNamespaces xmlns:e="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="a"/>'
TWICE = etree.fromstring(SIGNED)
TWICE.append(etree.fromstring(SIGNED)[-1])

SHAPES: dict[str, tuple[bytes, type[XmlSecurityError], str]] = {
    "unsigned": (DOCUMENT, MalformedSecurity, "not signed"),
    "two signatures": (etree.tostring(TWICE), MalformedSecurity, "2 signatures"),
    "signature elsewhere": (ELSEWHERE, MalformedSecurity, "not signed"),
    "signed root inside another": (b"<r>" + SIGNED + b"</r>", MalformedSecurity, "not signed"),
    "two references": (
        by_libxmlsec(references=[*WHOLE, ("#x", ())]),
        BudgetExceeded,
        "references in a signature",
    ),
    "reference to a part": (by_libxmlsec(references=[("#x", (xc.TransformEnveloped,))]), MalformedSecurity, "a part"),
    "reference to the root by its id": (
        by_libxmlsec(b'<r Id="x"><c/></r>', references=[("#x", (xc.TransformEnveloped,))]),
        MalformedSecurity,
        "a part",
    ),
    "another transform": (
        by_libxmlsec(references=[("", (xc.TransformEnveloped, xc.TransformExclC14N))]),
        NotAllowedAlgorithm,
        "transform http://www.w3.org/2001/10/xml-exc-c14n#",
    ),
    "the enveloped transform twice": (
        by_libxmlsec(references=[("", (xc.TransformEnveloped, xc.TransformEnveloped))]),
        NotAllowedAlgorithm,
        "transform",
    ),
    "canonicalised with comments": (
        by_libxmlsec(c14n=xc.TransformInclC14NWithComments),
        NotAllowedAlgorithm,
        "canonicalization .*WithComments",
    ),
    "hmac": (
        by_libxmlsec(method=xc.TransformHmacSha256, certificates=()),
        NotAllowedAlgorithm,
        "signature algorithm .*hmac-sha256",
    ),
    "no certificate": (NO_CERTIFICATE, MalformedSecurity, "does not hold its signer's certificate"),
    "no KeyInfo": (
        swap((SIGNED[SIGNED.index(b"<KeyInfo>") : SIGNED.index(b"</Signature>")], b""))(SIGNED),
        MalformedSecurity,
        "does not hold its signer's certificate",
    ),
    "no transform": (
        swap((b'<Transforms><Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>', b""))(
            SIGNED
        ).replace(b"</Transforms>", b""),
        NotAllowedAlgorithm,
        r"transform \(none\)",
    ),
    "ds:Object": (swap((b"</KeyInfo>", b"</KeyInfo><Object/>"))(SIGNED), MalformedSecurity, "does not belong"),
    "PrefixList where none belongs": (
        swap((b'-20010315"/>', b'-20010315">' + PREFIX_LIST + b"</CanonicalizationMethod>"))(SIGNED),
        MalformedSecurity,
        "parameters",
    ),
    "too many certificates": (swap((CERTIFICATE, CERTIFICATE * 9))(SIGNED), BudgetExceeded, "certificates"),
    "no certificate in the certificate": (
        swap((CERTIFICATE, b"<X509Certificate>blacert=</X509Certificate>"))(SIGNED),
        MalformedSecurity,
        "not a certificate",
    ),
    "changed content": (swap((b'b="1"', b'b="2"'))(SIGNED), WrongDigest, "digest"),
    "more content": (swap((b"<a:y", b"<a:z></a:z><a:y"))(SIGNED), WrongDigest, "digest"),
    "an instruction beside the root": (b"<?a b?>" + SIGNED, WrongDigest, "digest"),
    "another namespace for the content": (swap((b'xmlns="urn:d"', b'xmlns="urn:e"'))(SIGNED), WrongDigest, "digest"),
    "changed digest": (swap((DIGEST, b"A" * 43 + b"="))(SIGNED), WrongSignature, "does not verify"),
    "changed value": (swap((b"<SignatureValue>", b"<SignatureValue>AAAA"))(SIGNED), WrongSignature, "does not verify"),
    "xml:base on the root": (swap((b"<a:r ", b'<a:r xml:base="http://x.test/" '))(SIGNED), MalformedXml, "xml:base"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_must_not_pass(shape):
    document, error, text = SHAPES[shape]

    with pytest.raises(error, match=text) as caught:
        verify(document)
    assert type(caught.value) is error


def test_another_key_of_the_same_name_did_not_sign():
    other = pki.make_leaf(CA, "SMP_1", key="b")
    certificate = base64.b64encode(other.der).join((b"<X509Certificate>", b"</X509Certificate>"))

    with pytest.raises(WrongSignature):
        verify(SIGNED.replace(CERTIFICATE, certificate))


@pytest.mark.parametrize("key", ["ed25519", "p256", "x25519"])
def test_a_key_of_another_kind_than_the_algorithm_s_did_not_sign(key):
    issuer = CA if key == "x25519" else None
    certificate = base64.b64encode(pki.make_leaf(issuer, key=key).der).join(
        (b"<X509Certificate>", b"</X509Certificate>")
    )

    with pytest.raises(WrongSignature):
        verify(SIGNED.replace(CERTIFICATE, certificate))


def test_a_key_of_an_unknown_kind_is_refused():
    from cryptography.hazmat.primitives.asymmetric import dsa

    key = dsa.generate_private_key(1024)
    certificate = pki.make_leaf(CA)
    builder = pki.x509.CertificateBuilder(
        certificate.cert.issuer,
        certificate.cert.subject,
        key.public_key(),
        1,
        certificate.cert.not_valid_before_utc,
        certificate.cert.not_valid_after_utc,
    )
    der = builder.sign(CA.key, pki.hashes.SHA256()).public_bytes(pki.serialization.Encoding.DER)

    with pytest.raises(CertificateRefused):
        verify(SIGNED.replace(CERTIFICATE, b"<X509Certificate>" + base64.b64encode(der) + b"</X509Certificate>"))


@pytest.mark.parametrize("c14n", [C14N, EXC_C14N])
def test_budgets_keep_canonicalisation_short(c14n):
    """What could make it take long is counted before; the worst that passes takes well under a second."""
    many = "".join(f' xmlns:n{number}="urn:n{number}"' for number in range(501))
    wide = f"<r{many}/>".encode()
    deep = f"<r{many[: many.index(' xmlns:n400=')]}>{'<c/>' * 900}</r>".encode()
    long = b"<r>" + b"<c/>" * 5_000 + b"</r>"

    for document in (wide, deep, long):
        with pytest.raises(BudgetExceeded):
            enveloped.signed(document, PAIR, c14n=c14n)
