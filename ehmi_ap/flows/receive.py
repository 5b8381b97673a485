"""C2 to C3, our end: a posted message becomes a stored message and a signed receipt.

The order is that of as4-wire 6.4: unpack, the profile, then the commit, and only then the receipt.
Whatever happens, there is an answer: never a closed connection, and never success for what is not stored.
"""

import logging

from ehmi_ap.agreements import Agreements
from ehmi_ap.as4.pack import pack_errors, pack_receipt, pack_refusal
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.unpack import Rejected, Signal, Verified, unpack
from ehmi_ap.body import MemoryBody, Spool
from ehmi_ap.envelope import Envelope
from ehmi_ap.errors import DeliveryFailure, EbmsError, HttpRefusal, StoreError
from ehmi_ap.flows.check import profile_check, profile_fault
from ehmi_ap.flows.correlate import correlate
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.fingerprint import references_fingerprint
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.seen import count_seen
from ehmi_ap.flows.signal import note_signal
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import State
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, UserMessage, Wire
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Kept

log = logging.getLogger(__name__)

COME_BACK_AFTER = 60.0
"""Seconds in Retry-After when our storage fails."""
SIGNALLED = 16
"""Messages that one posted signal may be about; anybody can post one, so what names more is read no further."""


async def receive(wire: Wire, world: World) -> Wire:
    """Answer one POST: a receipt, an error, an empty 202 to a signal, or 503 and 500 for failures of our own."""
    spools = _Spools(world)
    try:
        return await _answer(wire, world, spools)
    except StoreError as error:
        spools.discard()
        world.count("receive_failed")
        log.error("the store failed, the peer is asked to come back", extra={"what": error.what, "fix": error.fix})
        return _plain(503, "The message cannot be taken now.", retry_after=COME_BACK_AFTER)
    except Exception:
        spools.discard()
        world.count("receive_failed")
        log.exception("a failure of our own while receiving")
        return _plain(500, "The message could not be taken.")
    except BaseException:  # cancelled: nothing is answered, so nothing may stay behind
        spools.discard()
        raise


async def _answer(wire: Wire, world: World, spools: "_Spools") -> Wire:
    agreements = world.agreements()
    result = await reading(
        [wire.body],
        unpack,
        wire,
        pmodes=agreements.pmodes,
        keys=agreements.keys,
        trust=agreements.trust,
        now=world.now(),
        new_spool=spools.new,
    )
    match result:
        case Signal():
            for message_id in result.ref_to[:SIGNALLED]:
                await note_signal(wire, message_id, agreements, world)
            return Wire(content_type="", body=MemoryBody(b""), status=202)
        case Rejected():
            spools.discard()
            return await _refuse(result, agreements, world)
        case Verified():
            return await _accept(result, agreements, world, spools)


async def _accept(verified: Verified, agreements: Agreements, world: World, spools: "_Spools") -> Wire:
    """What remains once signature and signer hold."""
    message, pmode = verified.message, verified.pmode
    checked = await profile_check(message, pmode, world)
    if checked.findings:
        spools.discard()
        fault = profile_fault(checked.findings, pmode)
        rejected = Rejected(error=fault, ref_to=message.message_id, pmode=pmode, message=message)
        return await _refuse(rejected, agreements, world)
    try:
        kept = await _keep(verified, checked.envelope, agreements, world)
    except Exception:
        if not pmode.answer_own_failure:
            raise
        spools.discard()
        log.exception("a failure of our own, answered with EBMS:0202", extra={"message_id": message.message_id})
        failure = DeliveryFailure("we could not store the message")
        return _pack(failure, message.message_id, pmode, agreements, world)
    if kept.duplicate:
        spools.discard()
    _tell(verified, kept, world)
    return kept.reply


async def _keep(verified: Verified, envelope: Envelope | None, agreements: Agreements, world: World) -> Kept:
    """Make the receipt, and commit it with the message, its duplicate key, its delivery, its event and its report."""
    message, pmode = verified.message, verified.pmode
    receipt = receipt_for(verified, message_id=world.new_id(), now=world.now())
    backend = "" if verified.test else pmode.backend or world.default_backend  # a test message is nobody's
    correlated = await correlate(envelope, message, Direction.INBOUND, backend, world)
    kept = await world.store.keep(
        message,
        pmode=pmode.name,
        backend=backend,
        fingerprint=references_fingerprint(verified.references),
        reply=pack_receipt(receipt, pmode, keys=agreements.keys),
        state=State.ANSWERED if verified.test else State.RECEIVED,
        fetched=_fetches(backend, world),
        events=[
            _event(EventKind.RECEIVED, message, backend, world, detail=f"receipt {receipt.message_id}"),
            *correlated.events,
        ],
        repeated=_event(EventKind.DUPLICATE, message, backend, world),
        enveloped=correlated.enveloped,
    )
    if not kept.duplicate:
        count_seen(correlated.events, world)
    return kept


async def _refuse(rejected: Rejected, agreements: Agreements, world: World) -> Wire:
    """Log for the operator, tell C4 where the P-Mode says so, answer the peer."""
    error, pmode = rejected.error, rejected.pmode
    code = error.ebms if isinstance(error, EbmsError) else error.code
    world.count(f"refused {code}")
    log.warning(
        "message refused",
        extra={
            "message_id": rejected.ref_to,
            "pmode": pmode.name if pmode else None,
            "code": code,
            "what": quoted(error.what),  # an algorithm's URI is the peer's to choose
            "fix": error.fix,
        },
    )
    if not isinstance(error, EbmsError):
        assert isinstance(error, HttpRefusal)
        return pack_refusal(error)
    if rejected.message is not None and pmode is not None and pmode.notify_consumer:
        backend = pmode.backend or world.default_backend
        told = _event(EventKind.REFUSED, rejected.message, backend, world, code=error.ebms, detail=error.public)
        await world.store.record([told])
    return _pack(error, rejected.ref_to, pmode, agreements, world)


def _pack(
    error: EbmsError, ref_to: MessageId | None, pmode: PMode | None, agreements: Agreements, world: World
) -> Wire:
    """An error as the answer; signed whenever the P-Mode is known (as4-wire 6.1)."""
    return pack_errors(
        [error],
        message_id=world.new_id(),
        ref_to=ref_to,
        now=world.now(),
        pmode=pmode,
        keys=agreements.keys if pmode is not None else None,
    )


def _fetches(backend: str, world: World) -> bool:
    return backend in world.backends and getattr(world.backends[backend], "fetches", False)


def _event(
    kind: EventKind, message: UserMessage, backend: str, world: World, *, code: str | None = None, detail: str = ""
) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=message.message_id,
        direction=Direction.INBOUND,
        at=world.now(),
        failed=kind is EventKind.REFUSED,
        code=code,
        detail=detail,
        backend=backend,
    )


def _tell(verified: Verified, kept: Kept, world: World) -> None:
    facts = {
        "message_id": verified.message.message_id,
        "party": str(verified.message.from_.id),
        "pmode": verified.pmode.name,
    }
    if kept.duplicate:
        world.count("duplicates")
        if kept.same:
            log.info("duplicate answered with the first receipt", extra=facts)
        else:
            log.warning("other content under a MessageId already kept: answered with the first receipt", extra=facts)
    elif verified.test:
        world.count("tests")
        log.info("test message answered", extra=facts)
    else:
        world.count("received")
        log.info("message received", extra=facts)


def _plain(status: int, sentence: str, *, retry_after: float | None = None) -> Wire:
    return Wire(
        content_type="text/plain; charset=utf-8",
        body=MemoryBody(sentence.encode()),
        status=status,
        retry_after=retry_after,
    )


class _Spools:
    """The spools made for one request, so that what is not kept is thrown away."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: list[Spool] = []

    def new(self) -> Spool:
        spool = self._world.blobs.spool(read_soon=False)  # C4 fetches it later
        self._made.append(spool)
        return spool

    def discard(self) -> None:
        for spool in self._made:
            spool.discard()
        self._made.clear()
