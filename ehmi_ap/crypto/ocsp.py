"""OCSP (RFC 6960): what is asked of a responder, and whether its answer may be believed.

Rules: an answer counts when the issuer of the certificate signed it, or a certificate that the issuer gave out for
this alone (id-kp-OCSPSigning), with SHA-2; when it is about exactly the certificate that was asked for; and when it
is neither old nor from the future. No nonce is sent: most responders answer with what they signed beforehand and would
leave it out, so freshness is that of thisUpdate and nextUpdate, and an answer without nextUpdate holds
for an hour. Hashes of the CertID are SHA-1, which every responder knows (RFC 5019 2.1.1); nothing rests on them.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import check_fit
from ehmi_ap.crypto.standing import SHA2, SKEW, Standing
from ehmi_ap.errors import CertificateRefused, MalformedSecurity, WrongSignature

REQUEST = "application/ocsp-request"
MAX_RESPONSE = 65_536
_WITHOUT_NEXT = timedelta(hours=1)
_MAX_CERTIFICATES = 8


def request(certificate: Certificate, issuer: Certificate) -> bytes:
    """The OCSPRequest for one certificate, DER."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate.x509, issuer.x509, hashes.SHA1())  # noqa: S303 - see the rules above
    return builder.build().public_bytes(Encoding.DER)


def judge(
    data: bytes, certificate: Certificate, issuer: Certificate, *, now: datetime
) -> tuple[Standing, datetime, Certificate]:
    """What an OCSPResponse says of the certificate, until when that holds, and who signed it.

    Raises:
        MalformedSecurity: not an answer to request(), too old, or from the future.
        WrongSignature: not signed by anybody who may.
        CertificateRefused: the responder's certificate must not be used.
    """
    try:
        response = ocsp.load_der_ocsp_response(data)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise MalformedSecurity(f"the OCSP responder answered {response.response_status.name.lower()}")
        single = _about(response, certificate, issuer)
        until = _until(single, now)
        signer = _signer(response, issuer, now)
        return _STANDINGS[single.certificate_status], until, signer
    except (ValueError, TypeError, KeyError, OverflowError, UnsupportedAlgorithm):
        raise MalformedSecurity("the OCSP response cannot be read") from None


_STANDINGS = {
    ocsp.OCSPCertStatus.GOOD: Standing.GOOD,
    ocsp.OCSPCertStatus.REVOKED: Standing.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: Standing.UNKNOWN,
}


def _about(response: ocsp.OCSPResponse, certificate: Certificate, issuer: Certificate) -> ocsp.OCSPSingleResponse:
    """The single response whose CertID is that of the certificate (RFC 6960 3.2, 1)."""
    wanted = ocsp.load_der_ocsp_request(request(certificate, issuer))
    for single in response.responses:
        if (
            single.serial_number == wanted.serial_number
            and isinstance(single.hash_algorithm, hashes.SHA1)
            and single.issuer_name_hash == wanted.issuer_name_hash
            and single.issuer_key_hash == wanted.issuer_key_hash
        ):
            return single
    raise MalformedSecurity("the OCSP response is about another certificate")


def _until(single: ocsp.OCSPSingleResponse, now: datetime) -> datetime:
    if single.this_update_utc > now + SKEW:
        raise MalformedSecurity("the OCSP response is from the future")
    until = single.next_update_utc or single.this_update_utc + _WITHOUT_NEXT
    if until <= now:
        raise MalformedSecurity(f"the OCSP response was good until {until:%F %T}Z only")
    return until


def _signer(response: ocsp.OCSPResponse, issuer: Certificate, now: datetime) -> Certificate:
    """Who signed the answer: the issuer itself, or its delegate (RFC 6960 4.2.2.2)."""
    if _is_signed_by(response, issuer.public_key):
        return issuer
    for each in response.certificates[:_MAX_CERTIFICATES]:
        if _is_signed_by(response, each.public_key()):
            delegate = Certificate.from_x509(each)
            _check_delegate(delegate, issuer, now)
            return delegate
    raise WrongSignature("the OCSP response is not signed by the issuer or by a certificate that it holds")


def _check_delegate(delegate: Certificate, issuer: Certificate, now: datetime) -> None:
    check_fit(delegate, "sign", now)
    if not isinstance(delegate.x509.signature_hash_algorithm, (*SHA2, type(None))):  # None: Ed25519
        raise CertificateRefused("weak", "the OCSP responder's certificate is not signed with SHA-2")
    try:
        delegate.x509.verify_directly_issued_by(issuer.x509)
        usages = delegate.x509.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateRefused("untrusted", "the issuer did not issue the OCSP responder's certificate") from None
    except x509.ExtensionNotFound:
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    if ExtendedKeyUsageOID.OCSP_SIGNING not in usages:
        raise CertificateRefused("unfit", "the OCSP responder's certificate was not issued for OCSP")


def _is_signed_by(response: ocsp.OCSPResponse, key: object) -> bool:
    try:
        _check(response, key)
    except InvalidSignature:
        return False
    return True


def _check(response: ocsp.OCSPResponse, key: object) -> None:
    """Raises InvalidSignature, also for a key of another kind than the algorithm's."""
    signature, data = response.signature, response.tbs_response_bytes
    if isinstance(key, rsa.RSAPublicKey) and response.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS:
        _check_pss(key, signature, data)
        return
    digest = response.signature_hash_algorithm
    if isinstance(key, ed25519.Ed25519PublicKey) and digest is None:
        key.verify(signature, data)
    elif isinstance(key, rsa.RSAPublicKey) and isinstance(digest, SHA2):
        key.verify(signature, data, padding.PKCS1v15(), digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(digest, SHA2):
        key.verify(signature, data, ec.ECDSA(digest))
    else:
        raise InvalidSignature


def _check_pss(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> None:
    """cryptography does not tell the parameters of an OCSP response; each hash that they may name is as good."""
    for each in SHA2:
        try:
            key.verify(signature, data, padding.PSS(padding.MGF1(each()), padding.PSS.AUTO), each())
            return
        except InvalidSignature:
            continue
    raise InvalidSignature


def needs_check(delegate: Certificate) -> bool:
    """Whether a responder's certificate may itself be revoked: it lacks id-pkix-ocsp-nocheck (RFC 6960 4.2.2.2.1)."""
    try:
        delegate.x509.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except x509.ExtensionNotFound:
        return True
    return False
