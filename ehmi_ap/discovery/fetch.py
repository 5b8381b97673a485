"""Metadata asked of an SMP: the URLs in their order, and what an answer of HTTP means (spec/discovery.md 2.8, 2.9).

Rules: only 404 says that something is not there, and one request for the ServiceGroup tells the participant from the
document. No answer of HTTP leads anywhere else. The group is not signed: it says which document to ask for, and the
metadata, which is signed, has to be of that document or another spelling of it.
"""

import hashlib
from dataclasses import dataclass

from ehmi_ap.discovery import smp
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import Found, Identifier
from ehmi_ap.discovery.identifiers import forms, same_identifier
from ehmi_ap.discovery.inquiry import Asking, Inquiry
from ehmi_ap.discovery.locate import Place
from ehmi_ap.discovery.published import Group
from ehmi_ap.discovery.selection import other_participant
from ehmi_ap.discovery.smp_urls import group_urls, metadata_urls, shapes
from ehmi_ap.questions import WebAnswer, WebFailure, WebQuestion

_SHOWN = 20  # documents of a group that an error names

_FAILURES = {
    WebFailure.CONNECT: "SMP_UNREACHABLE",
    WebFailure.TLS: "SMP_TLS",
    WebFailure.CLIENT_CERTIFICATE: "CLIENT_CERTIFICATE_REFUSED",
    WebFailure.TIMEOUT: "SMP_TIMEOUT",
    WebFailure.TOO_LARGE: "SMP_TOO_LARGE",
    WebFailure.ADDRESS: "ADDRESS_REFUSED",
    WebFailure.BROKEN: "SMP_BROKEN",
}
_OURS = (401, 403, 407)
_ELSEWHERE = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Metadata as it came for `document`, not judged yet. `smp2`: it was asked for at a URL of SMP 2.0."""

    url: str
    data: bytes
    document: Identifier
    smp2: bool | None = None
    last_modified: str | None = None
    ttl: int | None = None


def fetch(place: Place, inquiry: Inquiry, known: Found | None) -> Asking[Fetched]:
    """The metadata for the document, or for the spelling of it that the participant is registered for.

    `known` is what an earlier look-up found: it is used again where the SMP says that nothing changed.

    Raises:
        NotRegistered, NotSupported, Unavailable, Untrusted, Misconfigured: as spec/discovery.md 2.8 and 2.9 have it.
    """
    wanted = inquiry.wanted
    found = yield from _metadata(place, wanted.document, inquiry, known)
    if found is None:
        registered = yield from _registered(place, inquiry)
        if registered != wanted.document:
            found = yield from _metadata(place, registered, inquiry, known)
        if found is None:
            what = f"{place.base} lists {registered} for {wanted.participant}, and has no metadata for it"
            raise fault("DOCUMENT_WITHOUT_METADATA", what)
    return found


def _metadata(place: Place, document: Identifier, inquiry: Inquiry, known: Found | None) -> Asking[Fetched | None]:
    """None: it is at none of the URLs."""
    inquiry.trail.begin("Ask the SMP for the metadata")
    for smp2 in shapes(place.service, inquiry.network.publishers.dialects):
        for url in metadata_urls(place.base, inquiry.wanted.participant, document, smp2=smp2):
            answer = yield from get(url, inquiry, known)
            if answer is not None:
                return Fetched(
                    url=url,
                    data=answer.body,
                    document=document,
                    smp2=smp2,
                    last_modified=answer.last_modified,
                    ttl=place.ttl,
                )
    return None


def _registered(place: Place, inquiry: Inquiry) -> Asking[Identifier]:
    """Of the documents that the participant is registered for, the one that is meant."""
    network, wanted = inquiry.network, inquiry.wanted
    group = yield from _group(place, inquiry)
    if error := other_participant(group, wanted, network):
        raise error
    for form in forms(wanted.document, network):
        for document in group.documents:
            if same_identifier(document, form, network):
                inquiry.trail.saw(f"the participant is registered for {document}")
                return document
    listed = [str(each) for each in group.documents[:_SHOWN]]
    more = f" and {len(group.documents) - _SHOWN} more" if len(group.documents) > _SHOWN else ""
    what = f"{wanted.participant} is registered for {', '.join(listed) or 'nothing'}{more}, not for {wanted.document}"
    raise fault("DOCUMENT_NOT_REGISTERED", what)


def _group(place: Place, inquiry: Inquiry) -> Asking[Group]:
    inquiry.trail.begin("Ask the SMP for what the participant is registered for")
    for smp2 in shapes(place.service, inquiry.network.publishers.dialects):
        for url in group_urls(place.base, inquiry.wanted.participant, smp2=smp2):
            answer = yield from get(url, inquiry)
            if answer is not None:
                document = smp.read(answer.body, inquiry.network.publishers)
                if not isinstance(document, Group):
                    raise fault("UNKNOWN_DIALECT", f"{url} has no ServiceGroup")
                return document
    raise fault("PARTICIPANT_UNKNOWN_TO_SMP", f"{place.base} does not know {inquiry.wanted.participant}")


# --- HTTP ---------------------------------------------------------------------------------------------------------


def get(url: str, inquiry: Inquiry, known: Found | None = None) -> Asking[WebAnswer | None]:
    """The document at `url`, or the `known` one where that is unchanged; None: 404.

    Raises:
        NotSupported, Unavailable, Untrusted, Misconfigured: any other answer, or none.
    """
    same = known if known is not None and known.smp == url and known.metadata else None
    since = same.last_modified if same else None
    private = inquiry.network.publishers.private_addresses
    answer = yield WebQuestion(url=url, purpose="smp", if_modified_since=since, private=private)
    assert isinstance(answer, WebAnswer)
    if answer.failure is None and answer.status == 304 and same is not None and since is not None:
        inquiry.trail.saw(f"{url}: unchanged since {since}")
        return WebAnswer(status=200, body=same.metadata, last_modified=since)
    _check(answer, url)
    if answer.status == 404:
        inquiry.trail.saw(f"{url}: not there (404)")
        return None
    digest = hashlib.sha256(answer.body).hexdigest()
    inquiry.trail.saw(f"{url}: {len(answer.body)} bytes, SHA-256 {digest}")
    return answer


def _check(answer: WebAnswer, url: str) -> None:
    """Raises for everything but 200 and 404."""
    if answer.failure is not None:
        raise fault(_FAILURES[answer.failure], f"{url}: {answer.detail or answer.failure}")
    if answer.status in (200, 404):
        return
    said = f"{url}: HTTP {answer.status}"
    if answer.status == 400:
        raise fault("SMP_BAD_REQUEST", said)
    if answer.status in _OURS:
        raise fault("SMP_FORBIDDEN", said)
    if answer.status in _ELSEWHERE:
        raise fault("SMP_HTTP_REDIRECT", said)
    raise fault("SMP_STATUS", said, retry_after=answer.retry_after)
