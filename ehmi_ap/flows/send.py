"""C2 to C3: one attempt to send one claimed message.

The signed form is kept before its first byte leaves, so that every attempt carries the same digests and the receipt of
any of them settles the message; only the encryption is made anew (design decision 2).
"""

import logging
from typing import Literal

from ehmi_ap.agreements import Agreements
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.as4.pack import seal, sign
from ehmi_ap.crypto.certs import Certificate, check_fit
from ehmi_ap.errors import ApError, CertificateRefused, SendingBlocked, StoreError, SubmissionError, TransportError
from ehmi_ap.flows.offload import reading
from ehmi_ap.flows.verdict import NOT_REACHED, OWN_FAILURE, Verdict, judge
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, RetryPolicy
from ehmi_ap.model import Outcome, Signed, Unsettled, UserMessage
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Job

log = logging.getLogger(__name__)


async def send(job: Job, world: World) -> bool:
    """Sign or take what was signed, encrypt, post, conclude, settle. False: the peer did not settle it.

    Raises:
        StoreError: nothing more is known than before; the lease runs out and the message is claimed again.
    """
    agreements = world.agreements()
    pmode = next((pmode for pmode in agreements.pmodes if pmode.name == job.pmode), None)
    outcome = await _outcome(job, pmode, agreements, world)
    retry = pmode.retry if pmode is not None else RetryPolicy()
    verdict = judge(job, outcome, retry, now=world.now(), chance=world.chance())
    applied = await world.store.settle(
        job.key,
        verdict.happening,
        now=world.now(),
        due=verdict.due,
        receipt=verdict.receipt,
        code=verdict.code,
        detail=verdict.detail,
        events=verdict.events,
        attempt=job.attempts,
    )
    _tell(job, verdict, applied, world)
    return not isinstance(outcome, Unsettled)


async def _outcome(job: Job, pmode: PMode | None, agreements: Agreements, world: World) -> Outcome:
    """One attempt. What goes wrong on our own side is an outcome too: the operator may mend it within the window."""
    try:
        if pmode is None:
            raise SendingBlocked(
                f"P-Mode {job.pmode} does not exist any more.", fix="Put it back, or resend otherwise."
            )
        return await _attempt(job, pmode, agreements, world)
    except StoreError:
        raise
    except TransportError as error:
        return Unsettled(code=NOT_REACHED, reason=f"{error.what} {error.fix}")
    except SubmissionError as error:
        return Unsettled(code=OWN_FAILURE, reason=f"{error.what} {error.fix}", retryable=False)
    except ApError as error:
        return Unsettled(code=OWN_FAILURE, reason=f"{error.what} {error.fix}")
    except Exception as error:
        log.exception("an attempt to send failed on our side", extra={"message_id": job.message.message_id})
        return Unsettled(code=OWN_FAILURE, reason=f"a failure of our own ({type(error).__name__}); see the log")


async def _attempt(job: Job, pmode: PMode, agreements: Agreements, world: World) -> Outcome:
    if pmode.url is None:
        raise SendingBlocked(f"P-Mode {pmode.name} has no url any more.")
    recipient = _recipient(pmode, agreements, world)
    signed = job.signed or await _sign(job, pmode, agreements, world)
    packed = seal(
        signed, job.message.message_id, pmode, to=recipient
    )  # reads nothing: encryption runs while it is sent
    reply = await world.web.post(pmode.url, packed.wire, timeout=pmode.timeout, tls_trust=pmode.tls_trust)
    return conclude(
        reply,
        message_id=job.message.message_id,
        references=packed.references,
        pmode=pmode,
        trust=agreements.trust,
        now=world.now(),
    )


def sign_early(message: UserMessage, pmode: PMode, world: World) -> Signed | None:
    """The signed form of a message that is in memory, so that it is stored with it; None: it is signed when it is sent.

    Raises SubmissionError, which C1 can still be told here.
    """
    agreements = world.agreements()
    if not all(payload.body.resident for payload in message.payloads):
        return None
    try:
        _check_fit(agreements.keys.signing.certificate, "sign", "Our signing certificate", world)
    except SendingBlocked:  # the operator's to mend while the message waits
        return None
    return sign(message, pmode, keys=agreements.keys, new_spool=world.blobs.spool)


async def _sign(job: Job, pmode: PMode, agreements: Agreements, world: World) -> Signed:
    """Sign once, and keep it before its first byte leaves."""
    _check_fit(agreements.keys.signing.certificate, "sign", "Our signing certificate", world)
    bodies = [payload.body for payload in job.message.payloads]
    signed = await reading(bodies, sign, job.message, pmode, keys=agreements.keys, new_spool=world.blobs.spool)
    await world.store.keep_signed(job.key, signed)
    return signed


def _recipient(pmode: PMode, agreements: Agreements, world: World) -> Certificate | None:
    """The partner's certificate to encrypt for, checked at this moment; None where the P-Mode does not encrypt."""
    if not pmode.security.encrypt:
        return None
    certificate = agreements.recipient(pmode, world.now())
    if certificate is None:
        raise SendingBlocked(f"P-Mode {pmode.name} has no usable certificate of the partner to encrypt for.")
    _check_fit(certificate, "encrypt", f"The partner's certificate {pmode.certificate}", world)
    return certificate


def _check_fit(certificate: Certificate, purpose: Literal["sign", "encrypt"], whose: str, world: World) -> None:
    try:
        check_fit(certificate, purpose, world.now())
    except CertificateRefused as error:
        raise SendingBlocked(
            f"{whose} must not be used: {error.what}.", fix="Put the new one in its place; sending goes on by itself."
        ) from error


def _tell(job: Job, verdict: Verdict, applied: bool, world: World) -> None:
    facts = {
        "message_id": job.message.message_id,
        "pmode": job.pmode,
        "attempt": job.attempts,
        "code": verdict.code,
        "detail": verdict.detail,
    }
    if not applied:
        log.info("the attempt ended after the message was settled otherwise", extra=facts)
    elif verdict.happening is Happening.SETTLED:
        world.count("sent")
        if verdict.receipt is None:
            log.warning("message sent, but without evidence", extra=facts)
        else:
            log.info("message sent", extra=facts)
    elif verdict.happening is Happening.MISSED:
        world.count("send_missed")
        log.warning("attempt to send not settled", extra={**facts, "due": verdict.due})
    else:
        world.count("send_failed")
        log.error("message not sent", extra=facts)
