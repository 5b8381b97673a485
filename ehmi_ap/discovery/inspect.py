"""A stored answer of an SMP, judged by the code of look-ups; it goes on as far as it can and says what it saw.

Where a look-up stops at the first fault, this notes it and goes on: SHA-1 is computed and then held against the
network, endpoints of a document whose signature is wrong are shown and none is chosen. Revocation is not asked, and
whether an endpoint's certificate stands below an anchor is not judged: the anchors given are those of SMPs.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from lxml import etree

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.findings import Findings, TrustState
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.identifiers import means
from ehmi_ap.discovery.network import Network, Publishers, Receivers
from ehmi_ap.discovery.published import Group, Metadata, Redirect, Target
from ehmi_ap.discovery.selection import Judged, Reason, other_participant, select
from ehmi_ap.discovery.signer import check_signer
from ehmi_ap.discovery.smp import Form
from ehmi_ap.discovery.urls import refusal
from ehmi_ap.errors import DiscoveryError
from ehmi_ap.model import Participant

ANY_AS4 = Network(
    name="",
    wildcards=True,
    publishers=Publishers(https_only=False, private_addresses=True),
    receivers=Receivers(
        transport_profiles=("bdxr-transport-ebms3-as4-v1p0", "peppol-transport-as4-v2_0"),
        https_only=False,
        private_addresses=True,
    ),
)
"""The network of those who name none: AS4, and no rule on addresses."""

_OUT_OF_TIME = ("SIGNER_EXPIRED", "SIGNER_NOT_YET_VALID")


def inspect(
    data: bytes,
    *,
    network: Network = ANY_AS4,
    participant: Participant | None = None,
    document: Identifier | None = None,
    process: Identifier | None = None,
    anchors: Sequence[Certificate] | None = None,
    at: datetime,
) -> Findings:
    """What can be said of an answer of an SMP.

    Args:
        participant, document: what was asked for; None: what the answer says.
        process: the process to choose an endpoint for; None: the first that has one.
        anchors: below which the signer has to stand; None leaves that unchecked.
        at: the time for which dates and certificates are judged; aware.

    Never raises for anything that is in the answer.
    """
    try:
        root = smp.tree(data)
        form = smp.form_of(root)
    except DiscoveryError as error:
        return Findings(at=at, problems=(error,))
    findings = _content(root, form, _signature(root, form, network, at), network)
    if findings.signed is not None:
        findings = _trust(findings, findings.signed, network, anchors, at)
    return _endpoints(findings, network, participant, document, process, at)


def _noted(findings: Findings, error: DiscoveryError) -> Findings:
    return replace(findings, problems=(*findings.problems, error))


def _signature(root: etree._Element, form: Form, network: Network, at: datetime) -> Findings:
    findings = Findings(at=at, dialect=form.dialect, kind=form.kind)
    try:
        signed = smp.verify(root, form, sha1=True)
        findings = replace(findings, signed=signed, signature="none-expected" if signed is None else "ok")
        smp.check_dialect(form, network.publishers)
        smp.verify(root, form, sha1=network.publishers.sha1)
    except DiscoveryError as error:
        if findings.signature == "missing" and error.reason != "SIGNATURE_MISSING":
            findings = replace(findings, signature="wrong")
        return _noted(findings, error)
    return findings


def _content(root: etree._Element, form: Form, findings: Findings, network: Network) -> Findings:
    """What it says: of the tree that was verified, else of the one that came, which is only looked at."""
    signed = findings.signed
    try:
        document = smp.content(root if signed is None else signed.root, form, signed)
    except DiscoveryError as error:
        return _noted(findings, error)
    findings = replace(findings, document=document)
    if isinstance(document, Redirect):
        return _redirected(replace(findings, kind="redirect"), document.target, network)
    return findings


def _redirected(findings: Findings, target: Target, network: Network) -> Findings:
    publishers = network.publishers
    refused = refusal(target.href, https_only=publishers.https_only, private=publishers.private_addresses)
    findings = replace(findings, redirect=target)
    if refused is None:
        return findings
    return _noted(
        findings, fault("REDIRECT_URL_REFUSED", f"the redirect leads to {target.href or 'nowhere'}: {refused}")
    )


def _trust(
    findings: Findings, signed: Enveloped, network: Network, anchors: Sequence[Certificate] | None, at: datetime
) -> Findings:
    if anchors is None:
        return findings
    try:
        chain = check_signer(signed, network.publishers, anchors, at=at)
    except DiscoveryError as error:
        trust: TrustState = "expired" if error.reason in _OUT_OF_TIME else "untrusted"
        return _noted(replace(findings, trust=trust), error)
    return replace(findings, trust="trusted", chain=chain)


def _endpoints(
    findings: Findings,
    network: Network,
    participant: Participant | None,
    document: Identifier | None,
    process: Identifier | None,
    at: datetime,
) -> Findings:
    content = findings.document
    if content is None or isinstance(content, Redirect):
        return findings
    wanted = Wanted(
        participant=participant or content.participant,
        document=document or (content.document if isinstance(content, Metadata) else Identifier("")),
        process=process or Identifier(""),
    )
    if isinstance(content, Group):
        error = other_participant(content, wanted, network) or _not_listed(content, document, network)
        return findings if error is None else _noted(findings, error)
    return _chosen(findings, content, wanted, network, at)


def _not_listed(group: Group, document: Identifier | None, network: Network) -> DiscoveryError | None:
    if document is None or any(means(each, document, network) for each in group.documents):
        return None
    return fault("DOCUMENT_NOT_REGISTERED", f"{group.participant} is not registered for {document}")


def _chosen(findings: Findings, metadata: Metadata, wanted: Wanted, network: Network, at: datetime) -> Findings:
    """With no process asked for, the first one in which something can be chosen."""
    listed = tuple(Judged(process=process, published=published) for process, published in metadata.endpoints)
    findings = replace(findings, endpoints=listed)
    if findings.signed is None:
        return findings
    named = [each.identifiers[0] for each in metadata.processes if each.identifiers]
    asked = [wanted.process] if wanted.process.value else named or [wanted.process]
    selections = [
        select(metadata, replace(wanted, process=each), network, anchors=None, now=at) for each in dict.fromkeys(asked)
    ]
    best = next((each for each in selections if each.error is None), selections[0])
    judged = tuple(map(_nearest, zip(*(each.judged for each in (best, *selections)), strict=True)))
    findings = replace(findings, endpoints=judged or listed, chosen=best.chosen)
    if best.redirect is not None:
        return _redirected(findings, best.redirect, network)
    return findings if best.error is None else _noted(findings, best.error)


def _nearest(judged: tuple[Judged, ...]) -> Judged:
    """Of what is said of one endpoint, process by process, that of its own process."""
    return next((each for each in judged if each.reason is not Reason.PROCESS), judged[0])
