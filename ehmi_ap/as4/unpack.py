"""Wire -> Verified | Signal | Rejected: the strict reading of a request.

The steps are those of verify, agreement and parts. They run in an order that is safe (nothing is inflated or, but for
SignedInfo, canonicalised before SignatureValue and signer hold; key operations before passes over the bytes), while the
fault that is answered is that of the lowest step number, the order of as4-wire 6.4. Only what the signature covers is
read: the header from the very element object whose digest held, payloads from the very bytes that were digested. On any
failure every spool is discarded.

The caller sees to HTTP (method, path, Content-Encoding, sizes on arrival) and stores before it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ehmi_ap.as4.agreement import check_agreed, check_budgets, match
from ehmi_ap.as4.compression import Gunzip
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.as4.content import is_xml
from ehmi_ap.as4.ebms import Header, PartInfo, UserHeader
from ehmi_ap.as4.faults import Faults
from ehmi_ap.as4.mime import Part, check_content_ids
from ehmi_ap.as4.names import OCTET_STREAM
from ehmi_ap.as4.parts import Lock, Pair, PartReading, find_locks, pair_parts, read_part, signed_type
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.verify import (
    Proof,
    check_coverage,
    check_elements,
    check_request,
    check_signers,
    check_transforms,
    check_value,
    name_of,
    parse_envelope,
    read_header,
    read_proof,
    split,
)
from ehmi_ap.body import Body, NewSpool, Spool
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.dsig import ParsedReference
from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS, XmlLimits
from ehmi_ap.errors import FailedAuthentication, MimeInconsistency, PeerError
from ehmi_ap.model import MessageId, Payload, Reference, UserMessage, Wire
from ehmi_ap.pmode import PMode, is_test

__all__ = ["Rejected", "Signal", "Verified", "conclude", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A message whose signature, signer and parts hold; made by unpack() alone, read only from what was signed.

    `references` are what the receipt repeats; `test` says that it is for the test service and never delivered.
    """

    message: UserMessage
    signer: Certificate
    pmode: PMode
    references: tuple[Reference, ...]
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A POSTed receipt or error, not verified: judge it with conclude(). `ref_to` names the messages it is about."""

    ref_to: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What is answered with `error`.

    `ref_to` and `pmode` are None where the header could not be read or matched. `message` is the header without
    payloads, only when signature, signer and binding held, so that C4 may be told (PMode.notify_consumer).
    """

    error: PeerError
    ref_to: MessageId | None = None
    pmode: PMode | None = None
    message: UserMessage | None = None


def unpack(
    wire: Wire,
    *,
    pmodes: Sequence[PMode],
    keys: Keys,
    trust: Trust,
    now: datetime,
    new_spool: NewSpool,
    limits: XmlLimits = DEFAULT_LIMITS,
) -> Verified | Signal | Rejected:
    """Read a request. Never raises PeerError; what `new_spool` raises passes through (StoreError)."""
    reading = _Reading(pmodes=pmodes, keys=keys, trust=trust, now=now, new_spool=new_spool)
    try:
        return reading.read(wire, limits)
    except PeerError as error:
        return Rejected(
            error=reading.mime_fault or error, ref_to=reading.ref_to, pmode=reading.pmode, message=reading.known
        )


class _Reading:
    """One request being read: what is known so far names a rejection."""

    def __init__(
        self, *, pmodes: Sequence[PMode], keys: Keys, trust: Trust, now: datetime, new_spool: NewSpool
    ) -> None:
        self._pmodes = pmodes
        self._keys = keys
        self._trust = trust
        self._now = now
        self._new_spool = new_spool
        self._faults = Faults()
        self.mime_fault: MimeInconsistency | None = None
        self.ref_to: MessageId | None = None
        self.pmode: PMode | None = None
        self.known: UserMessage | None = None
        self._references: tuple[Reference, ...] = ()

    def read(self, wire: Wire, limits: XmlLimits) -> Verified | Signal:
        parts = split(wire, parts=max((pmode.limits.parts for pmode in self._pmodes), default=100))  # 1
        try:
            check_content_ids(parts)
        except MimeInconsistency as fault:
            self.mime_fault = fault  # answered, but not before the header was asked which message it is about
        envelope = parse_envelope(parts[0], limits)  # 2
        header = self._header(envelope)  # 3
        if not header.user:
            return Signal(ref_to=_about(header))
        user = header.user[0]
        self.pmode = pmode = match(user, self._pmodes)  # 4
        check_agreed(user, pmode)
        check_budgets(wire, parts, pmode)
        if self.mime_fault:
            raise self.mime_fault
        return self._secured(user, pmode, envelope, parts)

    def _header(self, envelope: Envelope) -> Header:
        try:
            header = read_header(envelope)
        except PeerError:
            self.ref_to = name_of(envelope)
            raise
        self.ref_to = header.user[0].message.message_id if header.user else name_of(envelope)
        check_request(header, envelope)
        return header

    def _secured(self, user: UserHeader, pmode: PMode, envelope: Envelope, parts: Sequence[Part]) -> Verified:
        """Steps 5 to 10. Faults of 6 to 9 are noted and the pass is made all the same: decryption comes first."""
        faults = self._faults
        locks = find_locks(envelope, parts, keys=self._keys, security=pmode.security)  # 5
        proof, signer = self._signed(user, pmode, envelope, parts)  # 6 to 8
        pairs: tuple[Pair, ...] = ()
        with faults.at(9):
            pairs = pair_parts(user.parts, parts)
        passes = _Passes(pmode, self._new_spool, faults)
        try:
            passes.read_all(parts, pairs, locks, proof, trusted=signer is not None)  # 10
            if not faults.up_to(8):
                self.known = user.message
            faults.raise_first()
        except BaseException:
            passes.discard()
            raise
        assert signer is not None  # else step 6 or 8 did
        return Verified(
            message=replace(user.message, payloads=passes.payloads),
            signer=signer,
            pmode=pmode,
            references=self._references,
            test=is_test(user.message.service),
        )

    def _signed(
        self, user: UserHeader, pmode: PMode, envelope: Envelope, parts: Sequence[Part]
    ) -> tuple[Proof | None, Certificate | None]:
        """Steps 6 to 8 but for the digests of the parts: the signature, and its signer when all of it holds.

        Elements are canonicalised last: that costs the most by far, and only a trusted signer may make us do it. So
        the digests of a signer who is refused (8) are not asked, and what is answered is that, or what is not covered.
        """
        proof: Proof | None = None
        signer: Certificate | None = None
        trusted: Certificate | None = None
        with self._faults.at(6):
            proof = self._proof(envelope, parts, pmode)
            check_transforms(proof)
            fitting = check_value(proof)
            with self._faults.at(8):
                party = user.message.from_.id
                trusted = check_signers(fitting, pmode=pmode, party=party, trust=self._trust, now=self._now)
            if trusted is not None:
                check_elements(proof)
                self._references = proof.references()
                signer = trusted
        if proof is not None:
            with self._faults.at(7):
                check_coverage(proof, envelope, len(parts))
        return proof, signer

    def _proof(self, envelope: Envelope, parts: Sequence[Part], pmode: PMode) -> Proof:
        return read_proof(
            envelope,
            parts,
            security=pmode.security,
            trust=self._trust,
            now=self._now,
            references=max(pmode.limits.parts, 100),
        )


class _Passes:
    """Step 10 for all parts of a message: one pass over each, the spools, and what came of it."""

    def __init__(self, pmode: PMode, new_spool: NewSpool, faults: Faults) -> None:
        self._limits = pmode.limits
        self._new_spool = new_spool
        self._faults = faults
        self._spools: list[Spool] = []
        self._inflated = 0
        self.payloads: tuple[Payload, ...] = ()

    def read_all(
        self,
        parts: Sequence[Part],
        pairs: Sequence[Pair],
        locks: dict[int, Lock],
        proof: Proof | None,
        *,
        trusted: bool,
    ) -> None:
        """Notes the faults of every part; `trusted` says that SignatureValue and signer hold."""
        infos = {pair.index: pair.info for pair in pairs}
        payloads: dict[int, Payload] = {}
        for index, part in enumerate(parts[1:], start=1):
            info, lock = infos.get(index), locks.get(index)
            kind = signed_type(part, lock, info)
            signed = [] if proof is None or (is_xml(kind) and not trusted) else proof.parts.get(index, [])
            body = self._read(part, signed, kind, lock, info)
            if info is not None and body is not None:
                payloads[index] = payload_of(part, info, kind, body)
        if len(payloads) == len(pairs):
            self.payloads = tuple(payloads[pair.index] for pair in pairs)

    def _read(
        self, part: Part, signed: Sequence[ParsedReference], kind: str, lock: Lock | None, info: PartInfo | None
    ) -> Body | None:
        spool: Spool | None = None
        gunzip: Gunzip | None = None
        if info is not None and not self._faults.any():
            spool = self._new_spool()
            self._spools.append(spool)
            if info.compression:
                left = max(self._limits.inflated_bytes - self._inflated, 0)
                gunzip = Gunzip(left, self._limits.inflate_ratio)
        reading = read_part(part, signed, media_type=kind, lock=lock, gunzip=gunzip, spool=spool)
        self._judge(reading, signed)
        if reading.body is not None:
            self._inflated += reading.body.size
        return reading.body

    def _judge(self, reading: PartReading, signed: Sequence[ParsedReference]) -> None:
        if reading.decryption:
            raise reading.decryption  # no step that could still fail comes before it
        for reference, computed in zip(signed, reading.computed, strict=True):
            if computed != reference.digest:
                self._faults.note(6, FailedAuthentication("the digest of a payload part differs from what was signed"))
        if reading.decompression:
            self._faults.note(10, reading.decompression)

    def discard(self) -> None:
        for spool in self._spools:
            spool.discard()


def payload_of(part: Part, info: PartInfo, kind: str, body: Body) -> Payload:
    """A delivered payload; its type is the MimeType property, else that of the part before encryption."""
    return Payload(
        body=body,
        mime_type=info.mime_type or kind.partition(";")[0].strip() or OCTET_STREAM,
        content_id=part.content_id,
        character_set=info.character_set,
        properties=info.properties,
    )


def _about(header: Header) -> tuple[MessageId, ...]:
    """The messages that a signal is about, each once."""
    named = [ref for signal in header.signals for ref in (signal.ref_to, *(error.ref_to for error in signal.errors))]
    return tuple(dict.fromkeys(ref for ref in named if ref is not None))
