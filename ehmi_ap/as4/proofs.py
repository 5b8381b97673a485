"""The signature of a captured message, reference by reference (for inspect).

Steps 6 to 8 of verify without a P-Mode: every algorithm that is known is computed, whether the profile allows it or
not; every reference is judged for itself; a certificate that is not at hand leaves the value unchecked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from lxml import etree

from ehmi_ap.as4 import mime, tokens, verify
from ehmi_ap.as4.findings import Notes, ReferenceFinding, SignatureFinding, TrustFinding, TrustState, ValueState
from ehmi_ap.as4.mime import Part
from ehmi_ap.as4.names import DS, SWA_CONTENT_SIGNATURE, qname
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.verify import Proof, Signer
from ehmi_ap.crypto import dsig
from ehmi_ap.crypto.algorithms import DIGESTS, SIGNATURES
from ehmi_ap.crypto.certs import Certificate, check_chain, check_fit
from ehmi_ap.crypto.dsig import ParsedReference, ParsedSignature
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.errors import (
    CertificateRefused,
    NotAllowedAlgorithm,
    PeerError,
    PolicyNoncompliance,
    WrongSignature,
)
from ehmi_ap.pmode import Security

_PROFILE = Security()  # the eDelivery AS4 1.15 common profile: what a P-Mode accepts when it says nothing else
_MAX_PARTS = 1000
_GIVE_A_CERTIFICATE = "Give the signer's certificate with --cert."
_GIVE_THE_PARTS = "Capture the whole multipart message."
_TRUST: dict[str, TrustState] = {
    "untrusted": "untrusted",
    "expired": "expired",
    "not-yet-valid": "expired",
    "unfit": "unfit",
    "weak": "unfit",
}


def has_signature(envelope: Envelope) -> bool:
    return envelope.security is not None and envelope.security.find(qname(DS, "Signature")) is not None


def read_signature(envelope: Envelope, *, at: datetime, notes: Notes) -> ParsedSignature | None:
    """Step 6: the signature taken apart; None when there is none, or none that can be read."""
    if not has_signature(envelope):
        return None
    with notes.noting(grave=False):
        verify.check_header(envelope, at)
    try:
        signature = verify.read_signature(envelope, parts=_MAX_PARTS)
    except PeerError as error:
        notes.error(error, grave=not _is_off_profile(error))
        return None
    with notes.noting():
        SIGNATURES.by_uri(signature.algorithm, _PROFILE.accept_sign)
    for reference in signature.references:
        with notes.noting():
            DIGESTS.by_uri(reference.digest_method, _PROFILE.accept_digest)
    return signature


def covering(signature: ParsedSignature | None, parts: Sequence[Part], index: int) -> list[ParsedReference]:
    """The references to one part whose digest can be computed."""
    return [
        reference
        for reference in (signature.references if signature else ())
        if mime.find(parts, reference.uri) == index
        and [transform.uri for transform in reference.transforms] == [SWA_CONTENT_SIGNATURE]
        and any(row.uri == reference.digest_method for row in DIGESTS.rows)
    ]


class Judgement:
    """What the signature of one capture comes to.

    `digests` are those of parts, by id() of the ParsedReference, None where there is none (XML that is none);
    `known` are the certificates at hand; `complete` is False where parts may be absent without a fault.
    """

    def __init__(
        self,
        envelope: Envelope,
        parts: Sequence[Part],
        *,
        digests: Mapping[int, bytes | None],
        closed: frozenset[int],
        known: Trust,
        complete: bool,
        notes: Notes,
    ) -> None:
        self._envelope = envelope
        self._parts = parts
        self._digests = digests
        self._closed = closed
        self._known = known
        self._complete = complete
        self._notes = notes

    def judge(self, signature: ParsedSignature | None) -> tuple[SignatureFinding, tuple[Signer, ...]]:
        """Steps 6 and 7; and those who may be the signer, which are several only for certificates of one key."""
        if signature is None:
            return SignatureFinding(present=has_signature(self._envelope)), ()
        references = tuple(self._reference(reference) for reference in signature.references)
        signers = self._signers(signature)
        value, fitting = self._value(signature, signers)
        self._coverage(signature, signers)
        finding = SignatureFinding(
            present=True,
            algorithm=signature.algorithm,
            value=value,
            signer=fitting[0].certificate if fitting else None,
            references=references,
        )
        return finding, fitting

    def _reference(self, reference: ParsedReference) -> ReferenceFinding:
        finding = ReferenceFinding(uri=reference.uri, digest="unchecked", expected=reference.digest)
        is_part = reference.uri[:4].lower() == "cid:"
        try:
            found = verify.find_reference(reference, self._envelope, self._parts)
        except PolicyNoncompliance as error:
            if is_part and mime.find(self._parts, reference.uri):  # there, but with another transform
                self._notes.error(error, grave=False)
                return finding
            if is_part and not self._complete:
                self._notes.add("EBMS:0103", "signed parts are not in the capture", _GIVE_THE_PARTS, grave=False)
                return finding
            self._notes.add("EBMS:0103", f"the signature covers {reference.uri}, which is not there")
            return replace(finding, digest="missing")
        if isinstance(found, int):
            if found in self._closed or id(reference) not in self._digests:
                return finding
            return self._compared(finding, self._digests[id(reference)])
        try:
            form = dsig.element_form(found, reference)
            computed = dsig.digest_of((form,), reference.digest_method)
        except NotAllowedAlgorithm as error:
            self._notes.error(error)
            return finding
        return self._compared(replace(finding, form=form), computed)

    def _compared(self, finding: ReferenceFinding, computed: bytes | None) -> ReferenceFinding:
        if computed == finding.expected:
            return replace(finding, digest="ok", computed=computed)
        self._notes.add("EBMS:0101", f"the digest of {finding.uri} differs from what was signed")
        return replace(finding, digest="wrong", computed=computed)

    def _signers(self, signature: ParsedSignature) -> tuple[Signer, ...]:
        try:
            return verify.find_signers(signature, self._envelope, self._known, accept=_PROFILE.accept_token)
        except PeerError as error:
            if self._names_an_unknown_certificate(signature):
                self._notes.add("EBMS:0101", error.what, _GIVE_A_CERTIFICATE, grave=False)
            else:
                self._notes.error(error, grave=not _is_off_profile(error))
            return ()

    def _names_an_unknown_certificate(self, signature: ParsedSignature) -> bool:
        """Whether the token carries no certificate and none at hand fits: nobody's fault."""
        reference = None
        with Notes().noting():
            reference = tokens.read_reference(signature.key_info)
        return reference is not None and not isinstance(reference, tokens.Direct)

    def _value(self, signature: ParsedSignature, signers: tuple[Signer, ...]) -> tuple[ValueState, tuple[Signer, ...]]:
        fitting: list[Signer] = []
        for signer in signers:
            try:
                dsig.check_value(signature, signer.certificate.public_key)
                fitting.append(signer)
            except WrongSignature:
                continue
            except NotAllowedAlgorithm:  # named by read_signature
                return "unchecked", signers
        if fitting:
            return "ok", tuple(fitting)
        if not signers:
            return "unchecked", ()
        self._notes.add("EBMS:0101", "the signature value does not verify with the signer's certificate")
        return "wrong", signers

    def _coverage(self, signature: ParsedSignature, signers: tuple[Signer, ...]) -> None:
        """Step 7. Where a part may be absent its coverage cannot be asked either."""
        elements: list[tuple[etree._Element, ParsedReference]] = []
        covered: dict[int, list[ParsedReference]] = {}
        for reference in signature.references:
            with Notes().noting():  # told by _reference
                found = verify.find_reference(reference, self._envelope, self._parts)
                if isinstance(found, int):
                    covered.setdefault(found, []).append(reference)
                else:
                    elements.append((found, reference))
        proof = Proof(signature=signature, elements=tuple(elements), parts=covered, signers=signers)
        with self._notes.noting():
            verify.check_coverage(proof, self._envelope, len(self._parts))


def judge_signer(
    signers: Sequence[Signer],
    *,
    certificates: Sequence[Certificate],
    anchors: Sequence[Certificate] | None,
    at: datetime,
    notes: Notes,
) -> TrustFinding:
    """Step 8 without a party: the path from the signer to the anchors, and whether it may sign at that time.

    Of several signers the first that may sign counts, as in verify.check_signers; when none may, the first.
    """
    refused: tuple[CertificateRefused, TrustFinding] | None = None
    for signer in signers if anchors is not None else ():
        leaf = signer.certificate
        chain: tuple[Certificate, ...] = (leaf,)
        try:
            chain = check_chain(leaf, intermediates=(*signer.others, *certificates), anchors=anchors or (), at=at)
            check_fit(leaf, "sign", at)
        except CertificateRefused as error:
            refused = refused or (error, TrustFinding(verdict=_TRUST.get(error.reason, "untrusted"), chain=chain))
        else:
            return TrustFinding(verdict="trusted", chain=chain)
    if refused is None:
        return TrustFinding()
    notes.error(refused[0], code="EBMS:0101")
    return refused[1]


def _is_off_profile(error: PeerError) -> bool:
    """Whether the fault behind it is an algorithm or a form that only an agreement could allow."""
    return isinstance(error.__cause__, NotAllowedAlgorithm)
