"""C1 to C2: what is asked for becomes a stored message, or an error that says what to change."""

import logging
from collections.abc import Sequence

from ehmi_ap.errors import SubmissionError, XmlSecurityError
from ehmi_ap.flows.check import advice, profile_findings
from ehmi_ap.flows.compose import compose, fill
from ehmi_ap.flows.fingerprint import submission_fingerprint
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.send import sign_early
from ehmi_ap.flows.world import World
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, PartyId, Signed, Submission, UserMessage
from ehmi_ap.pmode import PMode, match_outbound
from ehmi_ap.ports import Job, Query

log = logging.getLogger(__name__)


async def submit(submission: Submission, world: World, *, backend: str) -> MessageId:
    """Address, match, compose, check, accept. Durable when it returns; sending follows by itself.

    The same submission with the same message_id may be repeated: it is accepted once.

    Raises:
        SubmissionError: nothing was stored; `what` and `fix` say what to change.
        SubmissionConflict: the message_id is taken by another content or another backend.
        StoreError: nothing was stored; try again.
    """
    pmodes = world.agreements().pmodes
    addressed = await _address(submission, pmodes, world)
    pmode = match_outbound(pmodes, addressed)
    conversation_id = await _conversation(addressed, pmode.partner, world)
    now = world.now()
    message = compose(addressed, pmode, conversation_id=conversation_id, new_id=world.new_id, now=now)
    await _check(message, pmode, world)
    bodies = [payload.body for payload in message.payloads]
    fingerprint = await reading(bodies, submission_fingerprint, submission, backend)
    new = await _accept(message, pmode, backend, fingerprint, world)
    world.count("submitted" if new else "submitted_again")
    log.info(
        "message accepted" if new else "submission repeated",
        extra={"message_id": message.message_id, "pmode": pmode.name, "backend": backend},
    )
    return message.message_id


async def _accept(message: UserMessage, pmode: PMode, backend: str, fingerprint: bytes, world: World) -> bool:
    """Store the message; with it, in the same transaction, what saves two more: its signed form and its first claim."""
    received = DeliveryEvent(
        kind=EventKind.RECEIVED,
        message_id=message.message_id,
        direction=Direction.OUTBOUND,
        at=message.timestamp,
        backend=backend,
    )
    signed = sign_early(message, pmode, world)
    senders = world.senders
    reserved = senders is not None and signed is not None and senders.reserve(pmode.name)
    key: int | None = None
    try:
        key = await world.store.accept(
            message,
            pmode=pmode.name,
            backend=backend,
            fingerprint=fingerprint,
            events=[received],
            signed=signed,
            lease=senders.lease if senders is not None and reserved else None,
        )
    finally:
        if senders is not None and reserved and key is None:
            senders.give_back(pmode.name)
    if senders is not None and key is not None:
        if reserved:
            senders.start(_first_job(key, message, pmode, backend, signed))
        else:
            senders.wake()
    return key is not None


def _first_job(key: int, message: UserMessage, pmode: PMode, backend: str, signed: Signed | None) -> Job:
    """What claim() would give for a message that was claimed when it was stored."""
    return Job(
        key=key,
        message=message,
        pmode=pmode.name,
        backend=backend,
        lane=pmode.name,
        attempts=1,
        first_at=message.timestamp,
        signed=signed,
    )


async def _address(submission: Submission, pmodes: Sequence[PMode], world: World) -> Submission:
    """Routing facts that C1 left to its business envelope, by the profiles of the P-Modes still in question."""
    given = (submission.sender, submission.receiver, submission.service, submission.action)
    if None not in given or not submission.payloads:
        return submission
    leading = submission.payloads[0]
    fitting = [p for p in pmodes if submission.pmode in (None, p.name) and submission.to in (None, p.partner)]
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


async def _conversation(submission: Submission, partner: PartyId | None, world: World) -> str | None:
    """The ConversationId of the message that a reply refers to (conformance CP_TA19), if we know that message."""
    if submission.ref_to is None or submission.conversation_id is not None:
        return None
    known = await world.store.find(Query(message_id=submission.ref_to))
    for stored in known:
        if partner in (stored.message.from_.id, stored.message.to.id):
            return stored.message.conversation_id
    return None


async def _check(message: UserMessage, pmode: PMode, world: World) -> None:
    refused = await profile_findings(message, pmode, world)
    if refused:
        raise SubmissionError(
            "; ".join(f"{finding.rule}: {finding.what}" for finding in refused),
            fix=advice(refused),
        )
