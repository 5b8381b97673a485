"""The certificates that the suite makes are what they claim to be."""

import pki
from cryptography import x509


def test_every_certificate_is_signed_by_its_issuer(test_pki):
    for cert, issuer in zip(test_pki.sender.chain, test_pki.sender.chain[1:], strict=False):
        cert.verify_directly_issued_by(issuer)


def test_pss_signed_certificates_say_so():
    cert = pki.make_leaf(pki.make_ca(), pss=True).cert

    assert cert.signature_algorithm_oid == x509.SignatureAlgorithmOID.RSASSA_PSS
