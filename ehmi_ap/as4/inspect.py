"""A captured message, looked at step by step: unpack's steps, each reported for itself and gone on (decision 25).

Where unpack stops at the first fault, this notes it and goes on with what is left; where unpack asks a P-Mode, this
knows none: it computes what can be computed and names what is outside the eDelivery profile. It has no secrets to
keep: it tells which key opened what. It makes findings and never a Verified, so nothing it reads can be delivered.

Step numbers are those of verify.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lxml import etree

from ehmi_ap.as4 import mime, soap, verify
from ehmi_ap.as4.capture import read_capture
from ehmi_ap.as4.compression import Gunzip
from ehmi_ap.as4.ebms import Header, PartInfo, SignalHeader, UserHeader, check_party_ids
from ehmi_ap.as4.findings import (
    Findings,
    Kind,
    MessageFinding,
    Notes,
)
from ehmi_ap.as4.mime import MimeLimits, Part
from ehmi_ap.as4.names import EB, MULTIPART_TYPE, qname
from ehmi_ap.as4.parts import Pair, pair_parts, read_part, signed_type
from ehmi_ap.as4.proofs import Judgement, covering, judge_signer, read_signature
from ehmi_ap.as4.receipt import compare
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.unlocking import Unlocked, unlock
from ehmi_ap.as4.unpack import payload_of
from ehmi_ap.body import Joined, MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.dsig import ParsedSignature
from ehmi_ap.crypto.keys import PrivateKey, Trust
from ehmi_ap.crypto.safexml import XmlLimits
from ehmi_ap.errors import (
    ExternalPayloadError,
    HttpRefusal,
    InvalidHeader,
    InvalidReceipt,
    PeerError,
)
from ehmi_ap.model import MessageId, Payload, Receipt, Reference, Wire
from ehmi_ap.pmode import is_test

XML_LIMITS = XmlLimits(bytes=4_194_304, elements=50_000, attributes=20_000, namespaces=5_000)
MIME_LIMITS = MimeLimits(parts=1001, preamble=65_536, header_bytes=65_536, soap_bytes=4_194_304, part_bytes=1 << 40)
"""Wider than the daemon's: a capture is looked at by a person who waits for it."""

INFLATED_BYTES = 1 << 30
_UNSIGNED_IS_WRONG: tuple[Kind, ...] = ("UserMessage", "PullRequest", "Receipt")


def inspect(
    capture: bytes,
    *,
    keys: Sequence[PrivateKey] = (),
    certificates: Sequence[Certificate] = (),
    trust: Sequence[Certificate] | None = None,
    at: datetime,
    request: bytes | None = None,
) -> Findings:
    """What can be said of a captured message: HTTP or MIME with or without its headers, or a bare envelope.

    Args:
        keys: private keys that may open it.
        certificates: certificates that tokens may refer to without carrying them, and intermediate ones.
        trust: anchors below which the signer has to stand; None leaves the chain unchecked.
        at: the time for which certificates and timestamps are judged; aware.
        request: the captured message that `capture` answers, to compare its receipt with.

    Never raises for anything that is in the capture.
    """
    notes = Notes()
    try:
        opened = _open(capture, notes)
    except PeerError as error:
        notes.error(error, code="EBMS:0007")
        return Findings(readable=False, problems=notes.problems)
    known = Trust({"known": [*certificates, *(trust or ())]})
    return _Inspection(opened, notes, known=known, at=at).findings(keys, certificates, trust, request)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Steps 1 and 2: what is in the capture. `complete` is False where parts may be absent without a fault."""

    parts: list[Part]
    envelope: Envelope
    complete: bool


def _open(data: bytes, notes: Notes) -> _Opened:
    """Raises HttpRefusal or InvalidHeader when there is no AS4 message to look at."""
    capture = read_capture(data)
    parts = _split(capture.wire, notes)  # 1
    with notes.noting():
        mime.check_content_ids(parts)
    blocks = _blocks(parts[0])  # 2
    with notes.noting(code="EBMS:0008", grave=False):
        soap.check_understood(blocks)
    messagings = [block for block in blocks.headers if block.tag == soap.MESSAGING]
    if not messagings:
        raise InvalidHeader("the envelope has no eb:Messaging, so this is no AS4 message")
    securities = [block for block in blocks.headers if block.tag == soap.SECURITY]
    ids = {}
    with notes.noting():
        soap.only_messaging(blocks)
    with notes.noting():
        securities = [security for security in [soap.only_security(blocks)] if security is not None]
    with notes.noting():
        ids = soap.unique_ids(blocks)
    security = securities[0] if securities else None
    envelope = Envelope(root=blocks.root, security=security, messaging=messagings[0], body=blocks.body, ids=ids)
    return _Opened(parts, envelope, capture.complete)


def _split(wire: Wire, notes: Notes) -> list[Part]:
    """The parts; of a capture that was cut short, those that are there."""
    try:
        return mime.read(wire, MIME_LIMITS)
    except HttpRefusal as error:
        kind, parameters = mime.media_type(wire.content_type)  # read_capture has seen that it can be read
        end = MemoryBody(f"\r\n--{parameters.get('boundary', '')}--".encode())
        if kind != MULTIPART_TYPE:
            raise
        try:
            parts = mime.read(replace(wire, body=Joined((wire.body, end))), MIME_LIMITS)
        except HttpRefusal:
            raise error from None
        notes.add("EBMS:0007", error.what, "Capture the whole message.")
        return parts


def _blocks(root: Part) -> soap.Blocks:
    try:
        return soap.take_apart(read_all(root.body), XML_LIMITS)
    except HttpRefusal as error:
        raise InvalidHeader(error.what) from None


class _Inspection:
    """Steps 3 to 10 over one opened capture."""

    def __init__(self, opened: _Opened, notes: Notes, *, known: Trust, at: datetime) -> None:
        self._parts = opened.parts
        self._envelope = opened.envelope
        self._complete = opened.complete
        self._notes = notes
        self._known = known
        self._at = at
        self._digests: dict[int, bytes | None] = {}  # of parts, by id() of the ParsedReference

    def findings(
        self,
        keys: Sequence[PrivateKey],
        certificates: Sequence[Certificate],
        trust: Sequence[Certificate] | None,
        request: bytes | None,
    ) -> Findings:
        header = self._header()
        signature = read_signature(self._envelope, at=self._at, notes=self._notes)
        unlocked = unlock(
            self._envelope,
            self._parts,
            keys=keys,
            known=self._known,
            complete=self._complete,
            notes=self._notes,
        )
        payloads, opens = self._read_parts(header, signature, unlocked)
        messages = tuple(_messages(header)) or tuple(_by_name(self._envelope.messaging))
        judgement = Judgement(
            self._envelope,
            self._parts,
            digests=self._digests,
            closed=unlocked.closed,
            known=self._known,
            complete=self._complete,
            notes=self._notes,
        )
        signed, signers = judgement.judge(signature)
        trusted = judge_signer(signers, certificates=certificates, anchors=trust, at=self._at, notes=self._notes)
        if trusted.chain:
            signed = replace(signed, signer=trusted.chain[0])
        if not signed.present and (not messages or any(each.kind in _UNSIGNED_IS_WRONG for each in messages)):
            self._notes.add("EBMS:0103", "the message is not signed")
        self._compare_receipts(header, request)
        encryption = unlocked.finding if opens else replace(unlocked.finding, key="wrong")
        return Findings(
            readable=True,
            messages=messages,
            signature=signed,
            encryption=encryption,
            trust=trusted,
            payloads=payloads,
            problems=self._notes.problems,
        )

    # -- 3 header

    def _header(self) -> Header:
        header = Header()
        with self._notes.noting():
            header = verify.read_header(self._envelope)
        for user in header.user:
            with self._notes.noting(grave=False):  # a P-Mode may allow it
                check_party_ids(user)
            with self._notes.noting(grave=False):
                verify.check_request(Header(user=(user,)), self._envelope)
        return header

    # -- 5, 9 and 10 parts

    def _read_parts(
        self, header: Header, signature: ParsedSignature | None, unlocked: Unlocked
    ) -> tuple[tuple[Payload, ...], bool]:
        """The payloads in PartInfo order, as far as they open; False: a part does not open though its key did."""
        pairs = self._pairs(header.user)
        infos = {pair.index: pair.info for pair in pairs}
        payloads: dict[int, Payload] = {}
        opens = True
        for index, part in enumerate(self._parts[1:], start=1):
            if index in unlocked.closed:
                continue
            info, lock = infos.get(index), unlocked.locks.get(index)
            kind = signed_type(part, lock, info)
            references = covering(signature, self._parts, index)
            gunzip = Gunzip(INFLATED_BYTES) if info is not None and info.compression else None
            with self._notes.noting(code="EBMS:0103"):
                reading = read_part(part, references, media_type=kind, lock=lock, gunzip=gunzip, spool=MemorySpool())
                opens = opens and reading.decryption is None
                for error in (reading.decryption, reading.decompression):
                    if error is not None:
                        self._notes.error(error)
                self._digests.update(zip(map(id, references), reading.computed, strict=False))
                if info is not None and reading.body is not None:
                    payloads[index] = payload_of(part, info, kind, reading.body)
        return tuple(payloads[pair.index] for pair in pairs if pair.index in payloads), opens

    def _pairs(self, user: Sequence[UserHeader]) -> tuple[Pair, ...]:
        """Step 9; where the two lists do not fit together, what of them does."""
        infos: tuple[PartInfo, ...] = user[0].parts if user else ()
        try:
            return pair_parts(infos, self._parts)
        except ExternalPayloadError as error:
            if self._complete and user:
                self._notes.error(error)
        found = {mime.find(self._parts, info.href or ""): info for info in reversed(infos)}
        return tuple(Pair(info, index) for index, info in reversed(found.items()) if index)

    # -- receipts

    def _compare_receipts(self, header: Header, request: bytes | None) -> None:
        receipts = [signal for signal in header.signals if signal.is_receipt]
        for signal in receipts:
            if not signal.references:
                self._notes.add("EBMS:0302", "the receipt holds no NonRepudiationInformation, so it proves nothing")
        if request is None or not receipts:
            return
        sent = _sent(request)
        if sent is None:
            self._notes.add("EBMS:0302", "the request given is no signed AS4 message", _OTHER_REQUEST, grave=False)
            return
        for signal in receipts:
            if signal.ref_to != sent[0]:
                self._notes.add(
                    "EBMS:0302", "the receipt does not answer the request given", _OTHER_REQUEST, grave=False
                )
                continue
            with self._notes.noting():
                compare(sent[1], _receipt(signal))


_OTHER_REQUEST = "Give with --request the capture of the message that this one answers."


def _sent(request: bytes) -> tuple[MessageId, tuple[Reference, ...]] | None:
    """Message id and references of the message that was answered."""
    try:
        opened = _open(request, Notes())
        header = verify.read_header(opened.envelope)
        signature = verify.read_signature(opened.envelope, parts=MIME_LIMITS.parts)
    except PeerError:
        return None
    if not header.user:
        return None
    return header.user[0].message.message_id, tuple(
        reference.noun(with_xml=False) for reference in signature.references
    )


def _receipt(signal: SignalHeader) -> Receipt:
    if signal.ref_to is None or signal.references is None:
        raise InvalidReceipt("the receipt does not say what it is for")
    return Receipt(
        message_id=signal.message_id,
        ref_to=signal.ref_to,
        timestamp=signal.timestamp,
        references=signal.references,
    )


def _messages(header: Header) -> list[MessageFinding]:
    return [*map(_user, header.user), *map(_signal, header.signals)]


def _by_name(messaging: etree._Element) -> Iterator[MessageFinding]:
    """What a header that breaks the schema says of itself: enough to find the message in a log."""
    for child in messaging.iterchildren(qname(EB, "UserMessage"), qname(EB, "SignalMessage")):
        info = child.find(qname(EB, "MessageInfo"))
        texts = {} if info is None else {each.tag: "".join(map(str, each.itertext())).strip() for each in info}
        kinds: dict[str, Kind] = {qname(EB, "Receipt"): "Receipt", qname(EB, "PullRequest"): "PullRequest"}
        signal: Kind = next((kinds[str(each.tag)] for each in child if each.tag in kinds), "Error")
        ref_to = texts.get(qname(EB, "RefToMessageId"))
        yield MessageFinding(
            kind="UserMessage" if child.tag == qname(EB, "UserMessage") else signal,
            message_id=MessageId(texts.get(qname(EB, "MessageId"), "")),
            ref_to=MessageId(ref_to) if ref_to else None,
        )


def _user(user: UserHeader) -> MessageFinding:
    message = user.message
    return MessageFinding(
        kind="UserMessage",
        message_id=message.message_id,
        ref_to=message.ref_to,
        test_service=is_test(message.service),
    )


def _signal(signal: SignalHeader) -> MessageFinding:
    kind: Kind = "PullRequest" if signal.pull_mpc is not None else "Receipt" if signal.is_receipt else "Error"
    return MessageFinding(
        kind=kind,
        message_id=signal.message_id,
        ref_to=signal.ref_to,
        errors=signal.errors,
        receipt=signal.references or (),
    )
