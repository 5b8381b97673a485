"""Enveloped signatures: genuine ones, our own, and every shape that must not pass; libxmlsec has the second word."""

import base64

import pki
import pytest
import xmlsec
from lxml import etree

from ehmi_ap.crypto import enveloped
from ehmi_ap.crypto.algorithms import C14N, C14N11, DS, EXC_C14N
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import MalformedSecurity, NotAllowedAlgorithm, WrongDigest

LEAF = pki.make_leaf(pki.make_ca(), "SMP_1")
PAIR = KeyPair(LEAF.key, Certificate.from_x509(LEAF.cert), ())
DOCUMENT = '<a:r xmlns:a="urn:a" xmlns="urn:d"><x>æ &amp; &#13;<!-- c --></x> <a:y b="1"/>\n</a:r>'.encode()


def libxmlsec_verifies(document: bytes) -> bool:
    root = etree.fromstring(document)
    node = root.find(f"{{{DS}}}Signature")
    context = xmlsec.SignatureContext()
    der = base64.b64decode("".join(node.findtext(".//{*}X509Certificate").split()))
    context.key = xmlsec.Key.from_memory(der, xmlsec.constants.KeyDataFormatCertDer)
    try:
        context.verify(node)
    except xmlsec.Error:
        return False
    return True


@pytest.mark.parametrize("c14n", [C14N, C14N11, EXC_C14N])
@pytest.mark.parametrize(("algorithm", "digest"), [("rsa-sha256", "sha256"), ("rsa-sha512", "sha384")])
def test_what_we_sign_verifies_here_and_with_libxmlsec(c14n, algorithm, digest):
    signed = enveloped.signed(DOCUMENT, PAIR, c14n=c14n, algorithm=algorithm, digest=digest)

    found = enveloped.verify(parse(signed))

    assert (found.signer, found.others, found.algorithm, found.digest) == (PAIR.certificate, (), algorithm, digest)
    assert [child.tag for child in found.root] == ["{urn:d}x", "{urn:a}y"]
    assert libxmlsec_verifies(signed)


def test_a_changed_document_is_refused():
    signed = enveloped.signed(DOCUMENT, PAIR).replace(b'b="1"', b'b="2"')

    with pytest.raises(WrongDigest):
        enveloped.verify(parse(signed))


def test_sha1_is_allowed_by_the_switch_alone():
    signed = enveloped.signed(DOCUMENT, PAIR, algorithm="rsa-sha1", digest="sha1")

    with pytest.raises(NotAllowedAlgorithm, match="rsa-sha1 is not allowed"):
        enveloped.verify(parse(signed))
    assert enveloped.verify(parse(signed), sha1=True).algorithm == "rsa-sha1"


def test_an_unsigned_document_is_refused():
    with pytest.raises(MalformedSecurity, match="not signed"):
        enveloped.verify(parse(DOCUMENT))
