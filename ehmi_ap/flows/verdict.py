"""What becomes of a message after one attempt to send it. Pure; a table in a test says it all.

    Acknowledged                         settled, with the receipt
    Refused, says duplicate, on a retry  settled without receipt: delivered without evidence (decisions 18, 23)
    Refused                              given up; C1 hears the peer's errors
    Unsettled, worth another try         missed, due again as the P-Mode's retry says
    Unsettled                            given up; C1 hears the weightiest code of all attempts

The code of a message that was tried often is that of the attempt that came furthest: a wrong receipt (0302) before a
missing one (0301), that before no connection (0005), that before a failure of our own (blocked).
"""

from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.errors import SendingBlocked
from ehmi_ap.flows.explain import hint, quoted, told, told_once
from ehmi_ap.lifecycle import Happening, RetryPolicy, next_attempt
from ehmi_ap.model import Acknowledged, DeliveryEvent, Direction, EventKind, Outcome, Refused, Unsettled, Wire
from ehmi_ap.ports import Job

OWN_FAILURE = SendingBlocked.code
"""No byte left us: a certificate, a P-Mode or our own system stands in the way."""
NOT_REACHED = "EBMS:0005"
MISSING_RECEIPT = "EBMS:0301"
INVALID_RECEIPT = "EBMS:0302"

_WEIGHT = {OWN_FAILURE: 0, NOT_REACHED: 1, MISSING_RECEIPT: 2, INVALID_RECEIPT: 3}

_GIVEN_UP = {
    OWN_FAILURE: "it could not be sent",
    NOT_REACHED: "the peer could not be reached",
    MISSING_RECEIPT: "MissingReceipt: no receipt came",
    INVALID_RECEIPT: "InvalidReceipt: the receipts that came do not prove that this message arrived",
}
WITHOUT_EVIDENCE = "delivered without evidence: the peer says that it has this message, its receipt was lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What Store.settle() is told."""

    happening: Happening
    due: datetime | None = None
    receipt: Wire | None = None
    code: str | None = None
    detail: str = ""
    events: tuple[DeliveryEvent, ...] = ()


def judge(job: Job, outcome: Outcome, retry: RetryPolicy, *, now: datetime, chance: float) -> Verdict:
    """The verdict on one attempt; `chance` in [0, 1) draws the jitter of the next wait."""
    match outcome:
        case Acknowledged():
            return Verdict(
                happening=Happening.SETTLED, receipt=outcome.wire, events=(_event(job, EventKind.SENT, now),)
            )
        case Refused() if outcome.says_duplicate and was_tried(job):
            return _without_evidence(job, outcome, now)
        case Refused():
            return _refused(job, outcome, now)
        case Unsettled():
            return _unsettled(job, outcome, retry, now, chance)


def was_tried(job: Job) -> bool:
    """Whether an earlier attempt may have reached the peer.

    Attempts that ended before a byte left us do not count; one whose end nobody wrote down does, and so do those
    before an operator's resend.
    """
    if job.lost_code == OWN_FAILURE:
        return False
    return job.attempts > 1 or job.lost_code is not None


def _without_evidence(job: Job, outcome: Refused, now: datetime) -> Verdict:
    code = _code(outcome)
    return Verdict(
        happening=Happening.SETTLED,
        code=code,
        detail=WITHOUT_EVIDENCE,
        events=(_event(job, EventKind.SENT, now, code=code, detail=WITHOUT_EVIDENCE),),
    )


def _refused(job: Job, outcome: Refused, now: datetime) -> Verdict:
    code = _code(outcome)
    said = told(outcome.errors)
    detail = f"refused by the peer: {said.removesuffix('.')}. {hint(code, said)}"
    received = (_event(job, EventKind.ERROR, now, code=error.code, detail=told_once(error)) for error in outcome.errors)
    return Verdict(
        happening=Happening.GIVEN_UP,
        code=code,
        detail=detail,
        events=(*received, _event(job, EventKind.SENT, now, failed=True, code=code, detail=detail)),
    )


def _code(outcome: Refused) -> str:
    """The first failure's code; a peer may send warnings with it."""
    return next((error for error in outcome.errors if error.severity == "failure"), outcome.errors[0]).code


def _unsettled(job: Job, outcome: Unsettled, retry: RetryPolicy, now: datetime, chance: float) -> Verdict:
    due = None
    if outcome.retryable:
        due = next_attempt(
            retry,
            attempts=job.attempts,
            first_at=job.first_at,
            now=now,
            chance=chance,
            not_before=outcome.retry_after,
        )
    # An attempt whose end nobody wrote down may have reached the peer; forgotten, its duplicate error would fail later.
    unknown = MISSING_RECEIPT if job.attempts > 1 else outcome.code
    code = max((job.lost_code or unknown, outcome.code), key=lambda code: _WEIGHT.get(code, 0))
    reason = quoted(outcome.reason)
    attempt = _event(job, EventKind.ATTEMPT, now, code=outcome.code, detail=reason)
    if due is not None:
        return Verdict(happening=Happening.MISSED, due=due, code=code, detail=reason, events=(attempt,))
    detail = f"{_GIVEN_UP.get(code, 'given up')} in {job.attempts} attempts; the last one: {reason}"
    return Verdict(
        happening=Happening.GIVEN_UP,
        code=code,
        detail=detail,
        events=(attempt, _event(job, EventKind.SENT, now, failed=True, code=code, detail=detail)),
    )


def _event(
    job: Job, kind: EventKind, at: datetime, *, failed: bool = False, code: str | None = None, detail: str = ""
) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=job.message.message_id,
        direction=Direction.OUTBOUND,
        at=at,
        failed=failed,
        code=code,
        detail=detail,
        backend=job.backend,
    )
