"""Which of the published endpoints is sent to, and why not the others (spec/discovery.md 2.3).

Rules: the first endpoint that passes every step, in the network's order of transport profiles. The steps in order are
the reasons below; an endpoint is dropped at the first that it fails, and the one that came furthest decides what the
sender is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import Purpose, check_chain, check_fit
from ehmi_ap.discovery import urls
from ehmi_ap.discovery.faults import certificate_fault, fault
from ehmi_ap.discovery.found import Endpoint, Identifier, Wanted
from ehmi_ap.discovery.identifiers import means, same_participant
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.published import Group, Metadata, Process, PublishedCertificate, PublishedEndpoint, Target
from ehmi_ap.errors import CertificateRefused, DiscoveryError


class Reason(StrEnum):
    """Why an endpoint was not chosen, in the order of the steps."""

    PROCESS = "process"  # it is of another process
    TRANSPORT_PROFILE = "transport-profile"  # it is none that the network names
    UNREADABLE_DATES = "unreadable-dates"
    NOT_YET_ACTIVE = "not-yet-active"
    EXPIRED = "expired"
    NO_URL = "no-url"
    URL = "url"  # it must not be sent to
    CERTIFICATE = "certificate"  # there is none that can be read, is valid, fits its use and is trusted
    LESS_PREFERRED = "less-preferred"  # it could be used, and another comes first


_LESS = Reason.LESS_PREFERRED
_ORDER: dict[Reason | None, int] = {reason: position for position, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An endpoint of the metadata: usable as `endpoint`, or refused by `error`; `reason` is None for the chosen one."""

    process: Process
    published: PublishedEndpoint
    endpoint: Endpoint | None = None
    reason: Reason | None = None
    error: DiscoveryError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the metadata is used: one of `endpoint`, `redirect` (of the process) and `error` is there.

    `judged` are all endpoints in the order of the document.
    """

    endpoint: Endpoint | None = None
    redirect: Target | None = None
    error: DiscoveryError | None = None
    judged: tuple[Judged, ...] = ()

    @property
    def chosen(self) -> Judged | None:
        return next((each for each in self.judged if each.reason is None), None)


def select(
    metadata: Metadata,
    wanted: Wanted,
    network: Network,
    *,
    anchors: Sequence[Certificate] | None,
    now: datetime,
) -> Selection:
    """The endpoint for `wanted`, with the reason for each other one.

    Args:
        metadata: signed, and by somebody who may (signer.check_signer); unsigned metadata gives an error.
        anchors: the certificates that `network.receivers.trust` names; None leaves the chains unchecked, and nobody
            may send on that.
        now: aware.

    The error is Untrusted (SIGNATURE_MISSING, OTHER_IDENTIFIERS and the ENDPOINT_ reasons but ENDPOINT_REVOKED) or
    NotSupported (PROCESS_NOT_REGISTERED, NO_TRANSPORT_PROFILE, NO_ACTIVE_ENDPOINT, ENDPOINT_WITHOUT_URL).
    """
    if metadata.signature is None:
        return Selection(error=fault("SIGNATURE_MISSING", "the SMP's metadata is not signed"))
    if error := other_participant(metadata, wanted, network) or _other_document(metadata, wanted, network):
        return Selection(error=error)
    processes = _processes(metadata, wanted.process, network)
    judge = _Judge(network, processes, anchors, now)
    judged = [judge.judged(process, published) for process, published in metadata.endpoints]
    chosen = min((each for each in judged if each.endpoint), key=judge.preference, default=None)
    judged = [replace(each, reason=_LESS) if each.endpoint and each is not chosen else each for each in judged]
    if chosen is not None:
        return Selection(endpoint=chosen.endpoint, judged=tuple(judged))
    if redirect := next((each.redirect for each in processes if each.redirect is not None), None):
        return Selection(redirect=redirect, judged=tuple(judged))
    return Selection(error=_error(wanted, judged), judged=tuple(judged))


def other_participant(document: Metadata | Group, wanted: Wanted, network: Network) -> DiscoveryError | None:
    """An SMP that answers for another participant than was asked for is broken, or up to something."""
    if same_participant(document.participant, wanted.participant, network):
        return None
    what = f"the SMP answered for the participant {document.participant}, not for {wanted.participant}"
    return fault("OTHER_IDENTIFIERS", what)


def _other_document(metadata: Metadata, wanted: Wanted, network: Network) -> DiscoveryError | None:
    if means(metadata.document, wanted.document, network):
        return None
    return fault(
        "OTHER_IDENTIFIERS", f"the SMP answered for the document {metadata.document}, not for {wanted.document}"
    )


def _processes(metadata: Metadata, wanted: Identifier, network: Network) -> tuple[Process, ...]:
    """Those for exactly this process; where there are none, those for any."""
    exact = tuple(
        process for process in metadata.processes if any(means(each, wanted, network) for each in process.identifiers)
    )
    return exact or tuple(process for process in metadata.processes if not process.identifiers)


class _Unusable(Exception):
    """An endpoint failed the step `reason`; `fault_reason` is a key of FAULTS."""

    def __init__(self, reason: Reason, fault_reason: str, what: str) -> None:
        super().__init__(what)
        self.reason = reason
        self.error = fault(fault_reason, what)


@dataclass(frozen=True, slots=True)
class _Judge:
    """The steps on one endpoint."""

    network: Network
    processes: Sequence[Process]
    anchors: Sequence[Certificate] | None
    now: datetime

    def preference(self, judged: Judged) -> int:
        return self.network.receivers.transport_profiles.index(judged.published.transport_profile)

    def judged(self, process: Process, published: PublishedEndpoint) -> Judged:
        try:
            if process not in self.processes:
                raise _Unusable(Reason.PROCESS, "PROCESS_NOT_REGISTERED", f"it is of the process {_named(process)}")
            return Judged(process=process, published=published, endpoint=self._endpoint(published))
        except _Unusable as no:
            return Judged(process=process, published=published, reason=no.reason, error=no.error)

    def _endpoint(self, published: PublishedEndpoint) -> Endpoint:
        """Raises _Unusable."""
        if published.transport_profile not in self.network.receivers.transport_profiles:
            what = f"its transport profile is {published.transport_profile}"
            raise _Unusable(Reason.TRANSPORT_PROFILE, "NO_TRANSPORT_PROFILE", what)
        self._check_dates(published)
        url = self._url(published)
        encryption, signing = self._certificates(published, "encrypt")[0], self._certificates(published, "sign")
        return Endpoint(
            url=url,
            transport_profile=published.transport_profile,
            encryption=encryption,
            signing=signing,
            activates=published.activates,
            expires=_end(published, (encryption, *signing)),
        )

    def _check_dates(self, published: PublishedEndpoint) -> None:
        if published.fault is not None:
            raise _Unusable(Reason.UNREADABLE_DATES, "NO_ACTIVE_ENDPOINT", published.fault)
        if published.activates is not None and self.now < published.activates:
            raise _Unusable(
                Reason.NOT_YET_ACTIVE, "NO_ACTIVE_ENDPOINT", f"it becomes active at {published.activates:%F %T}Z"
            )
        if published.expires is not None and self.now >= published.expires:
            raise _Unusable(Reason.EXPIRED, "NO_ACTIVE_ENDPOINT", f"it expired at {published.expires:%F %T}Z")

    def _url(self, published: PublishedEndpoint) -> str:
        if published.url is None:
            raise _Unusable(Reason.NO_URL, "ENDPOINT_WITHOUT_URL", "it has no URL")
        receivers = self.network.receivers
        refused = urls.refusal(
            published.url, https_only=receivers.https_only, private=receivers.private_addresses, query=True
        )
        if refused is not None:
            raise _Unusable(Reason.URL, "ENDPOINT_URL_REFUSED", f"its URL is refused: {refused}")
        return published.url

    def _certificates(self, published: PublishedEndpoint, purpose: Purpose) -> tuple[Certificate, ...]:
        """Those that may be used so, one at least."""
        meant = [each for each in published.certificates if _is_meant(each, purpose, published.certificates)]
        if not meant:
            raise _Unusable(Reason.CERTIFICATE, "ENDPOINT_UNFIT", f"it has no certificate to {purpose} with")
        good: list[Certificate] = []
        refused: _Unusable | None = None
        for each in meant:
            try:
                good.append(self._certificate(each, purpose))
            except _Unusable as no:
                refused = refused or no
        if not good and refused is not None:
            raise refused
        return tuple(good)

    def _certificate(self, published: PublishedCertificate, purpose: Purpose) -> Certificate:
        certificate = published.certificate
        if certificate is None or published.fault is not None:
            raise _Unusable(
                Reason.CERTIFICATE, "ENDPOINT_UNREADABLE", f"its certificate cannot be read: {published.fault}"
            )
        if published.activates is not None and self.now < published.activates:
            raise _Unusable(
                Reason.CERTIFICATE,
                "ENDPOINT_NOT_YET_VALID",
                f"its certificate is to be used from {published.activates:%F %T}Z on",
            )
        if published.expires is not None and self.now >= published.expires:
            raise _Unusable(
                Reason.CERTIFICATE,
                "ENDPOINT_EXPIRED",
                f"its certificate was to be used until {published.expires:%F %T}Z",
            )
        try:
            check_fit(certificate, purpose, self.now)
            if self.anchors is not None:
                policies = self.network.receivers.policies
                check_chain(certificate, intermediates=(), anchors=self.anchors, at=self.now, policies=policies)
        except CertificateRefused as error:
            what = f"its certificate, {certificate.subject}: {error.what}"
            raise _Unusable(Reason.CERTIFICATE, certificate_fault("ENDPOINT", error).reason, what) from None
        return certificate


def _is_meant(published: PublishedCertificate, purpose: Purpose, all_of_them: Sequence[PublishedCertificate]) -> bool:
    """A TypeCode that we do not know is no obstacle where there is one certificate for everything."""
    return published.use in ("any", purpose) or (published.use == "other" and len(all_of_them) == 1)


def _end(published: PublishedEndpoint, used: Sequence[Certificate]) -> datetime | None:
    """When it is over: the endpoint itself, or (OASIS SMP 2.0) the use of one of its certificates."""
    ends = [published.expires, *(each.expires for each in published.certificates if each.certificate in used)]
    return min((end for end in ends if end is not None), default=None)


def _named(process: Process) -> str:
    return ", ".join(map(str, process.identifiers)) or "any"


def _error(wanted: Wanted, judged: Sequence[Judged]) -> DiscoveryError:
    """Of the endpoint that came furthest."""
    last = max(judged, key=lambda each: _ORDER.get(each.reason, 0), default=None)
    if last is None or last.error is None or last.reason is Reason.PROCESS:
        what = f"the receiver has no endpoint for the document in the process {wanted.process}"
        return fault("PROCESS_NOT_REGISTERED", what)
    return fault(last.error.reason, f"no endpoint of the process can be used; of the nearest one, {last.error.what}")
