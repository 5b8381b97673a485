"""C2 to C3: one claimed message is tried once, and what becomes of it is settled."""

import logging

from ehmi_ap.flows.attempt import Attempt
from ehmi_ap.flows.verdict import Verdict, is_at_fault, judge, may_look_again
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, RetryPolicy
from ehmi_ap.ports import Job

log = logging.getLogger(__name__)


async def send(job: Job, world: World) -> bool:
    """One attempt, and its verdict. False: the rest of its lane had better wait.

    Raises:
        StoreError: nothing more is known than before; the lease runs out and the message is claimed again.
    """
    agreements = world.agreements()
    pmode = next((pmode for pmode in agreements.pmodes if pmode.name == job.pmode), None)
    attempt = Attempt(job, pmode, agreements, world)
    outcome = await attempt.make()
    again = await attempt.look_again() if may_look_again(outcome) else None
    retry = pmode.retry if pmode is not None else RetryPolicy()
    verdict = judge(job, outcome, retry, now=world.now(), chance=world.chance(), again=again)
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
    return not is_at_fault(outcome)


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
