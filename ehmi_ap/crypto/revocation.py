"""Is a certificate revoked? OCSP first, then the CRL, as a conversation without I/O (RFC 6960, RFC 5280).

Rules: each generator yields WebQuestions, is sent WebAnswers and returns a Status. Whom to ask stands in the
certificate (AuthorityInformationAccess, CRLDistributionPoints) and is asked over http alone: the answers are signed,
and a TLS connection would raise the same question again. An answer that may not be believed is as good as none. What
follows from a Status is for the caller, whose network may let pass what nobody could tell.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ehmi_ap.crypto import crl, ocsp
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.standing import Standing
from ehmi_ap.errors import XmlSecurityError
from ehmi_ap.questions import WebAnswer, WebQuestion

__all__ = ["Asking", "Standing", "Status", "check", "check_path"]

_MAX_URLS = 2
_URL = re.compile(r"http://[!-~]{1,2000}", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a certificate; `what` is the evidence in words, `until` when it has to be asked anew."""

    standing: Standing
    what: str
    until: datetime | None = None


Asking = Generator[WebQuestion, WebAnswer, Status]


def check_path(path: Sequence[Certificate], *, now: datetime, private: bool = False) -> Asking:
    """The worst of the certificates of a path, leaf first, below its anchor, which is trusted as it is.

    Args:
        path: as certs.check_chain gives it; of one certificate when that is an anchor itself.
        now: aware.
        private: responders may be at addresses that are not public ones.
    """
    statuses = [Status(standing=Standing.GOOD, what=f"{path[-1].subject} is trusted as it is")]
    for certificate, issuer in pairwise(path):
        statuses.append((yield from check(certificate, issuer, now=now, private=private)))
    worst = max((each.standing for each in statuses), key=list(Standing).index)
    counted = [each for each in statuses if each.standing is worst]
    untils = [each.until for each in counted if each.until is not None]
    return Status(standing=worst, what="; ".join(each.what for each in counted), until=min(untils, default=None))


def check(certificate: Certificate, issuer: Certificate, *, now: datetime, private: bool = False) -> Asking:
    """What the issuer says of one certificate of its own; arguments as check_path()."""
    by_ocsp = yield from _by_ocsp(certificate, issuer, now, private)
    if by_ocsp is not None and by_ocsp.standing in (Standing.GOOD, Standing.REVOKED):
        return by_ocsp
    by_crl = yield from _by_crl(certificate, issuer, now, private)
    if by_crl is not None and (by_ocsp is None or by_crl.standing is not Standing.UNAVAILABLE):
        return by_crl
    return by_ocsp or Status(
        standing=Standing.UNKNOWN, what=f"{certificate.subject} names neither an OCSP responder nor a CRL over http"
    )


def _by_ocsp(
    certificate: Certificate, issuer: Certificate, now: datetime, private: bool
) -> Generator[WebQuestion, WebAnswer, Status | None]:
    """None when the certificate names no responder."""
    status = None
    for url in _responders(certificate):
        body = ocsp.request(certificate, issuer)
        answer = yield WebQuestion(
            url=url,
            purpose="status",
            body=body,
            content_type=ocsp.REQUEST,
            private=private,
            limit=ocsp.MAX_RESPONSE,
        )
        try:
            data = _body(answer)
            standing, until, signer = ocsp.judge(data, certificate, issuer, now=now)
        except XmlSecurityError as error:
            status = _unavailable(url, error.what)
            continue
        if signer != issuer and ocsp.needs_check(signer):
            delegate = yield from _by_crl(signer, issuer, now, private)
            if delegate is not None and delegate.standing is not Standing.GOOD:
                status = _unavailable(url, f"the responder's own certificate is {delegate.standing}")
                continue
        return Status(standing=standing, what=f"OCSP at {url}: {standing}", until=until)
    return status


def _by_crl(
    certificate: Certificate, issuer: Certificate, now: datetime, private: bool
) -> Generator[WebQuestion, WebAnswer, Status | None]:
    """None when the certificate names no list."""
    status = None
    urls = tuple(_lists(certificate))
    for url in urls:
        answer = yield WebQuestion(url=url, purpose="status", private=private, limit=crl.MAX_LIST)
        try:
            standing, until = crl.judge(_body(answer), certificate, issuer, urls=urls, now=now)
        except XmlSecurityError as error:
            status = _unavailable(url, error.what)
            continue
        return Status(standing=standing, what=f"CRL at {url}: {standing}", until=until)
    return status


class _NoAnswer(XmlSecurityError):
    """There is nothing to judge."""


def _body(answer: WebAnswer) -> bytes:
    if answer.failure is not None:
        raise _NoAnswer(f"no answer ({answer.failure})")
    if answer.status != 200:
        raise _NoAnswer(f"HTTP {answer.status}")
    return answer.body


def _unavailable(url: str, what: str) -> Status:
    return Status(standing=Standing.UNAVAILABLE, what=f"{url}: {what}")


def _responders(certificate: Certificate) -> Iterator[str]:
    try:
        access = certificate.x509.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return
    locations = (each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP)
    yield from _http(locations)


def _lists(certificate: Certificate) -> Iterator[str]:
    """Of the distribution points whose list is complete and the issuer's own."""
    try:
        points = certificate.x509.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return
    names = (name for point in points if not point.reasons and not point.crl_issuer for name in point.full_name or ())
    yield from _http(names)


def _http(names: Iterator[x509.GeneralName]) -> Iterator[str]:
    urls = (each.value for each in names if isinstance(each, x509.UniformResourceIdentifier))
    yield from [url for url in urls if _URL.fullmatch(url)][:_MAX_URLS]
