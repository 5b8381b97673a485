"""C1 to C2: what is asked for becomes a stored message, or an error that says what to change."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ehmi_ap.as4.pack import sign
from ehmi_ap.envelope import Envelope
from ehmi_ap.errors import DiscoveryError, SendingBlocked, SubmissionError, XmlSecurityError
from ehmi_ap.flows.attempt import discovered
from ehmi_ap.flows.authorship import authored, check_signed
from ehmi_ap.flows.check import advice, profile_check
from ehmi_ap.flows.compose import compose, fill
from ehmi_ap.flows.correlate import correlate
from ehmi_ap.flows.fingerprint import submission_fingerprint
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.past import described
from ehmi_ap.flows.seen import count_seen
from ehmi_ap.flows.terms import check_usable, found_party, wanted_of
from ehmi_ap.flows.world import World
from ehmi_ap.model import (
    UNDISCOVERED,
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Signed,
    Submission,
    UserMessage,
)
from ehmi_ap.pmode import PMode, match_outbound
from ehmi_ap.ports import Job, Query, Stored, found_lane

log = logging.getLogger(__name__)


async def submit(submission: Submission, world: World, *, backend: str, ours: bool = False) -> MessageId:
    """Verify, address, match, compose, check, accept. Durable when it returns; sending follows by itself.

    C1 never waits for a look-up: whom the message goes to is written in it if it is known, and otherwise when it is
    sent. The same submission with the same message_id may be repeated: it is accepted once. `ours`: the program that
    embeds us submits it, so that nobody has to sign it.

    Raises:
        SignatureRefused, NoSignersAgreed: nothing was read or stored; see flows.authorship.
        SubmissionError: nothing was stored; `what` and `fix` say what to change.
        SubmissionConflict: the message_id is taken by another content or another backend.
        StoreError: nothing was stored; try again.
    """
    made = await authored(submission, world, backend=backend, ours=ours)
    submission = made.submission
    pmodes = world.agreements().pmodes
    addressed = await _address(submission, pmodes, world)
    pmode = match_outbound(pmodes, addressed)
    check_signed(made, pmode, world, backend=backend)
    conversation_id = await _conversation(addressed, pmode, world)
    now = world.now()
    message = compose(addressed, pmode, conversation_id=conversation_id, new_id=world.new_id, now=now)
    envelope = await _check(message, pmode, world)
    bodies = [payload.body for payload in message.payloads]
    fingerprint = await reading(bodies, submission_fingerprint, submission, backend)
    new = await _accept(message, pmode, backend, fingerprint, envelope, world)
    world.count("submitted" if new else "submitted_again")
    log.info(
        "message accepted" if new else "submission repeated",
        extra={
            "message_id": message.message_id,
            "pmode": pmode.name,
            "backend": backend,
            "signer": made.signer and made.signer.sha256,
        },
    )
    return message.message_id


async def _accept(
    message: UserMessage, pmode: PMode, backend: str, fingerprint: bytes, envelope: Envelope | None, world: World
) -> bool:
    """Store the message; with it, in the same transaction, what saves two more: its signed form and its first claim."""
    received = DeliveryEvent(
        kind=EventKind.RECEIVED,
        message_id=message.message_id,
        direction=Direction.OUTBOUND,
        at=message.timestamp,
        backend=backend,
    )
    known = _addressed(message, pmode, backend, world)
    resident = all(payload.body.resident for payload in message.payloads)
    signed = _sign_early(known.message, pmode, world) if resident and known.message.to.id != UNDISCOVERED else None
    correlated = await correlate(envelope, message, Direction.OUTBOUND, backend, world)
    senders = world.senders
    reserved = senders is not None and resident and senders.reserve(known.lane)
    key: int | None = None
    try:
        key = await world.store.accept(
            known.message,
            pmode=pmode.name,
            backend=backend,
            fingerprint=fingerprint,
            events=[received, *correlated.events, *known.events],
            signed=signed,
            signers=known.signers,
            lease=senders.lease if senders is not None and reserved else None,
            enveloped=correlated.enveloped,
        )
    finally:
        if senders is not None and reserved and key is None:
            senders.give_back(known.lane)
    if senders is not None and key is not None:
        if reserved:
            senders.start(_first_job(key, known, pmode, backend, signed))
        else:
            senders.wake()
    if key is not None:
        count_seen(correlated.events, world)
    return key is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Addressed:
    """A message with what is known of whom it goes to."""

    message: UserMessage
    lane: str
    signers: tuple[bytes, ...] = ()
    events: tuple[DeliveryEvent, ...] = ()


def _addressed(message: UserMessage, pmode: PMode, backend: str, world: World) -> _Addressed:
    """By its P-Mode; or by what a look-up for others found not long ago, if that can be used for it."""
    unknown = _Addressed(message=message, lane=pmode.name)
    if pmode.network is None:
        return unknown
    network = world.agreements().networks[pmode.network]
    try:
        wanted = wanted_of(message, pmode, network)
    except DiscoveryError as error:  # C1 can still be told
        raise SubmissionError(error.what, fix=error.fix) from error
    found = world.directory.known(network.name, wanted)
    if found is None:
        return unknown
    try:
        party = found_party(found, message, pmode, network)
    except DiscoveryError:  # told when it is sent, as anything else that a look-up finds
        return unknown
    return _Addressed(
        message=replace(message, to=replace(message.to, id=party)),
        lane=found_lane(pmode.name, party),
        signers=tuple(certificate.der for certificate in found.endpoint.signing),
        events=(discovered(message, backend, described(found, party), world),),
    )


def _sign_early(message: UserMessage, pmode: PMode, world: World) -> Signed | None:
    """The signed form of a message that is in memory, so that it is stored with it; None: it is signed when it is sent.

    Raises SubmissionError, which C1 can still be told here.
    """
    keys = world.agreements().keys
    try:
        check_usable(keys.signing.certificate, "sign", "Our signing certificate", world.now())
    except SendingBlocked:  # the operator's to mend while the message waits
        return None
    return sign(message, pmode, keys=keys, new_spool=world.blobs.spool)


def _first_job(key: int, known: _Addressed, pmode: PMode, backend: str, signed: Signed | None) -> Job:
    """What claim() would give for a message that was claimed when it was stored."""
    return Job(
        key=key,
        message=known.message,
        pmode=pmode.name,
        backend=backend,
        lane=known.lane,
        attempts=1,
        first_at=known.message.timestamp,
        signed=signed,
        signers=known.signers,
    )


async def _address(submission: Submission, pmodes: Sequence[PMode], world: World) -> Submission:
    """Routing facts that C1 left to its business envelope, by the profiles of the P-Modes still in question."""
    given = (submission.sender, submission.receiver, submission.service, submission.action)
    if None not in given or not submission.payloads:
        return submission
    leading = submission.payloads[0]
    fitting = [p for p in pmodes if submission.pmode in (None, p.name) and _may_be(p, submission)]
    for name in dict.fromkeys(pmode.profile for pmode in fitting):
        profile = world.profiles.get(name)
        if profile is None or profile.address is None:
            continue
        try:
            said = await reading([leading.body], profile.address, leading)
        except XmlSecurityError as error:
            raise SubmissionError(f"the leading payload cannot be read: {error}", fix=error.fix) from error
        if said is not None:
            return fill(submission, said)
    return submission


def _may_be(pmode: PMode, submission: Submission) -> bool:
    """Whether the partner that C1 names, if it does, leaves this P-Mode in question."""
    return submission.to in (None, pmode.partner) or pmode.network is not None


async def _conversation(submission: Submission, pmode: PMode, world: World) -> str | None:
    """The ConversationId of the message that a reply refers to (conformance CP_TA19), if we know that message."""
    if submission.ref_to is None or submission.conversation_id is not None:
        return None
    known = await world.store.find(Query(message_id=submission.ref_to))
    for stored in known:
        if _is_with_receiver(stored, submission, pmode):
            return stored.message.conversation_id
    return None


def _is_with_receiver(stored: Stored, submission: Submission, pmode: PMode) -> bool:
    """Two partners may use one MessageId: it has to be a message with the partner, or with who is to be looked up."""
    message, partner = stored.message, pmode.partner or submission.to
    if partner is not None or submission.receiver is None:
        return partner in (message.from_.id, message.to.id)
    corners = (message.participant("originalSender"), message.participant("finalRecipient"))
    return any(corner is not None and corner.value == submission.receiver.value for corner in corners)


async def _check(message: UserMessage, pmode: PMode, world: World) -> Envelope | None:
    """The business envelope of a message that its profile has nothing against."""
    checked = await profile_check(message, pmode, world)
    if checked.findings:
        raise SubmissionError(
            "; ".join(f"{finding.rule}: {finding.what}" for finding in checked.findings),
            fix=advice(checked.findings),
        )
    return checked.envelope
