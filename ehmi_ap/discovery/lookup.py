"""The conversation of a look-up: from a participant to an endpoint that may be believed (spec/discovery.md 2.9).

Rules: questions are yielded, answers sent in, and the result is returned; nothing is raised. Metadata counts only as
its signature covers it, and only when everything holds: signature, signer, its standing, identifiers, redirect,
endpoint, its certificate and its standing. There is one judge, whether the metadata has just come or lay in a folder.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import check_chain
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.crypto.revocation import Standing, check_path
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.fetch import Fetched, fetch, get
from ehmi_ap.discovery.found import Endpoint, Found, Missed, Result, Wanted
from ehmi_ap.discovery.identifiers import gln_doubt
from ehmi_ap.discovery.inquiry import Asking, Inquiry, Trail
from ehmi_ap.discovery.locate import locate
from ehmi_ap.discovery.network import Network, Revocation, gaps
from ehmi_ap.discovery.published import Group, Metadata, Redirect, Target
from ehmi_ap.discovery.selection import Judged, select
from ehmi_ap.discovery.signer import check_signer
from ehmi_ap.discovery.smp_urls import redirected
from ehmi_ap.discovery.urls import refusal
from ehmi_ap.errors import DiscoveryError, TokenNotFound


def lookup(
    wanted: Wanted, network: Network, trust: Trust, *, now: datetime, known: Found | None = None
) -> Asking[Result]:
    """Find the endpoint for `wanted`.

    Args:
        trust: the certificates that the network names.
        now: aware; the moment at which everything has to be valid.
        known: what an earlier look-up found; spares the SMP from sending again what did not change.
    """
    trail = Trail()
    try:
        inquiry = _begun(wanted, network, trust, now, trail)
        place = yield from locate(inquiry)
        fetched = yield from fetch(place, inquiry, known)
        return (yield from _judged(fetched, inquiry, known=known))
    except DiscoveryError as error:
        return Missed(error=error, steps=trail.failed(error))


def judge_metadata(data: bytes, wanted: Wanted, network: Network, trust: Trust, *, now: datetime) -> Asking[Result]:
    """Judge metadata that was stored as an SMP signed it, as if it had just come; arguments as lookup().

    What is still asked is whether certificates are revoked, and what a redirect leads to. Who can ask nothing, in a
    closed network, answers with a WebFailure: the network's `revocation` says whether that is good enough.
    """
    trail = Trail()
    try:
        inquiry = _begun(wanted, network, trust, now, trail)
        return (yield from _judged(Fetched(url="", data=data, document=wanted.document), inquiry))
    except DiscoveryError as error:
        return Missed(error=error, steps=trail.failed(error))


def _begun(wanted: Wanted, network: Network, trust: Trust, now: datetime, trail: Trail) -> Inquiry:
    trail.begin("Read what is wanted")
    if not network.publishers.trust or not network.receivers.trust:
        raise fault("NETWORK_INCOMPLETE", f"the network {network.name} lacks: {'; '.join(gaps(network))}")
    try:
        publishers, receivers = trust.anchors(network.publishers.trust), trust.anchors(network.receivers.trust)
    except TokenNotFound as error:
        raise fault("TRUST_MISSING", f"the network {network.name} trusts what is not there: {error.what}") from None
    trail.saw(f"{wanted.document} to {wanted.participant} in the process {wanted.process}")
    doubt = gln_doubt(wanted.participant)
    if doubt:
        trail.saw(doubt, warning=True)
    return Inquiry(wanted=wanted, network=network, publishers=publishers, receivers=receivers, now=now, trail=trail)


# --- judging ------------------------------------------------------------------------------------------------------


def _judged(
    fetched: Fetched, inquiry: Inquiry, *, announced: Target | None = None, known: Found | None = None
) -> Asking[Found]:
    """The endpoint in the metadata, if all of it may be believed. `announced` is the redirect that led to it."""
    document, signature = _verified(fetched, inquiry)
    path = yield from _signer(signature, inquiry, announced)
    used = document.target if isinstance(document, Redirect) else _used(document, inquiry)
    if isinstance(used, Target):
        _check_redirect(used, document, fetched, inquiry, announced)
        there = yield from _followed(used, document, fetched, inquiry, known)
        found = yield from _judged(there, inquiry, announced=used, known=known)
        return replace(found, usable_until=min(found.usable_until, _end(path)))
    paths = yield from _receiver(used, inquiry)
    return Found(
        endpoint=used,
        steps=inquiry.trail.steps,
        usable_until=min(_end((*path, *paths)), used.expires or datetime.max.replace(tzinfo=UTC)),
        smp=fetched.url,
        signer=signature.signer.subject,
        metadata=fetched.data,
        last_modified=fetched.last_modified,
        ttl=fetched.ttl,
    )


def _verified(fetched: Fetched, inquiry: Inquiry) -> tuple[Metadata | Redirect, Enveloped]:
    inquiry.trail.begin("Verify the signature of the metadata")
    document = smp.read(fetched.data, inquiry.network.publishers)
    if isinstance(document, Group) or document.signature is None:
        raise fault("UNKNOWN_DIALECT", "the SMP answered with a ServiceGroup where metadata was asked for")
    if fetched.smp2 and document.dialect != "oasis2":
        raise fault("DIALECT_NOT_ALLOWED", f"the SMP answered in the dialect {document.dialect} for OASIS SMP 2.0")
    signature = document.signature
    inquiry.trail.saw(
        f"{document.dialect}, {signature.algorithm} with {signature.digest}, by {_shown(signature.signer)}"
    )
    return document, signature


def _signer(signature: Enveloped, inquiry: Inquiry, announced: Target | None) -> Asking[Sequence[Certificate]]:
    """The signer's path, if it may sign metadata."""
    network = inquiry.network
    inquiry.trail.begin("Check who signed")
    path = check_signer(signature, network.publishers, inquiry.publishers, at=inquiry.now)
    if announced is not None and not announced.accepts(signature.signer):
        raise fault(
            "REDIRECT_CERTIFICATE",
            f"the redirect named {announced.subject or 'another certificate'}, and {_shown(signature.signer)} signed",
        )
    inquiry.trail.saw(" below ".join(each.subject for each in path))
    yield from _standing("SIGNER", path, network.publishers.revocation, inquiry)
    return path


def _used(document: Metadata, inquiry: Inquiry) -> Endpoint | Target:
    """What is used of the metadata; the other endpoints are noted with what is against them."""
    inquiry.trail.begin("Choose the endpoint")
    selection = select(document, inquiry.wanted, inquiry.network, anchors=inquiry.receivers, now=inquiry.now)
    chosen = selection.endpoint
    if chosen is not None:
        others = [_against(each) for each in selection.judged if each.reason is not None]
        equals = sum(
            each.endpoint is not None for each in selection.judged if _profile(each) == chosen.transport_profile
        )
        inquiry.trail.saw(
            f"{chosen.url} over {chosen.transport_profile}, encrypted for {_shown(chosen.encryption)}"
            + "".join(f"; not {other}" for other in others),
            warning=equals > 1,  # which of them is meant, the document's order decides (2.3)
        )
        return chosen
    if selection.redirect is not None:
        return selection.redirect
    assert selection.error is not None
    raise selection.error


def _profile(judged: Judged) -> str:
    return judged.published.transport_profile


def _against(judged: Judged) -> str:
    why = "as the chosen one comes first" if judged.error is None else judged.error.what
    return f"{judged.published.url} over {_profile(judged)}: {why}"


def _receiver(endpoint: Endpoint, inquiry: Inquiry) -> Asking[Sequence[Certificate]]:
    """The certificates of the endpoint and those above them, none of them revoked."""
    receivers = inquiry.network.receivers
    found: list[Certificate] = []
    for certificate in dict.fromkeys((endpoint.encryption, *endpoint.signing)):
        path = check_chain(certificate, intermediates=(), anchors=inquiry.receivers, at=inquiry.now)
        yield from _standing("ENDPOINT", path, receivers.revocation, inquiry)
        found += path
    return found


def _standing(whose: str, path: Sequence[Certificate], mode: Revocation, inquiry: Inquiry) -> Asking[None]:
    """Ask whether a certificate of the path is revoked, as the network demands it."""
    inquiry.trail.begin(f"Ask whether the certificate of the {whose.lower()} is revoked")
    if mode == "off":
        inquiry.trail.saw("not asked: `revocation` is off", warning=True)
        return
    status = yield from check_path(path, now=inquiry.now, private=inquiry.network.publishers.private_addresses)
    if status.standing is Standing.REVOKED:
        raise fault(f"{whose}_REVOKED", f"{_shown(path[0])}: {status.what}")
    if status.standing is not Standing.GOOD and mode == "hard":
        reason = "REVOCATION_UNKNOWN" if status.standing is Standing.UNKNOWN else "REVOCATION_UNAVAILABLE"
        raise fault(reason, f"{_shown(path[0])}: {status.what}")
    inquiry.trail.saw(status.what, warning=status.standing is not Standing.GOOD)


def _check_redirect(
    target: Target, document: Metadata | Redirect, fetched: Fetched, inquiry: Inquiry, announced: Target | None
) -> None:
    """One redirect is followed at most, and it has to say who signs what it leads to."""
    inquiry.trail.begin("Follow the redirect")
    if announced is not None:
        raise fault("REDIRECT_TWICE", f"{fetched.url} redirects again, to {target.href}")
    if not inquiry.network.publishers.redirects:
        raise fault("REDIRECT_NOT_ALLOWED", f"the SMP redirects to {target.href}")
    if document.dialect != "oasis2" and not target.subject:
        raise fault("REDIRECT_CERTIFICATE", f"the redirect to {target.href} names no certificate")


def _followed(
    target: Target, document: Metadata | Redirect, fetched: Fetched, inquiry: Inquiry, known: Found | None
) -> Asking[Fetched]:
    """What the redirect leads to."""
    publishers = inquiry.network.publishers
    smp2 = document.dialect == "oasis2"
    url = redirected(target.href, inquiry.wanted.participant, fetched.document, smp2=smp2)
    refused = refusal(url, https_only=publishers.https_only, private=publishers.private_addresses)
    if refused:
        raise fault("REDIRECT_URL_REFUSED", f"the SMP redirects to {url}: {refused}")
    answer = yield from get(url, inquiry, known)
    if answer is None:
        raise fault("DOCUMENT_WITHOUT_METADATA", f"there is nothing at {url}, to which the SMP redirects")
    return replace(fetched, url=url, data=answer.body, last_modified=answer.last_modified)


def _shown(certificate: Certificate) -> str:
    return (
        f"{certificate.subject} (serial {certificate.serial_number:x}, issued by {certificate.issuer}, "
        f"valid until {certificate.not_after:%F})"
    )


def _end(certificates: Sequence[Certificate]) -> datetime:
    return min(each.not_after for each in certificates)
