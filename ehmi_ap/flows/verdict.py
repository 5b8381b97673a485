"""What becomes of a message after one attempt to send it. Pure; a table in a test says it all.

    Acknowledged                         settled, with the receipt
    Refused, says duplicate, on a retry  settled without receipt: delivered without evidence (decisions 18, 23);
                                         unless all that it had before it refused as well
    Refused, a fresh look-up led away    missed, due at once, to where it led: once (decision 4)
    Refused                              given up; C1 hears the peer's errors
    Unsettled, worth another try         missed, due again as the P-Mode's retry says
    Unsettled                            given up; C1 hears the weightiest code of all attempts

The code of a message that was tried often is that of the attempt that came furthest: a wrong receipt (0302, 0101)
before a missing one (0301), that before no connection (0005), that before one in which no byte left us (blocked,
discovery).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.errors import Misconfigured, SendingBlocked, Unavailable
from ehmi_ap.flows.explain import hint, quoted, told, told_once
from ehmi_ap.lifecycle import Happening, RetryPolicy, next_attempt
from ehmi_ap.model import Acknowledged, DeliveryEvent, Direction, EventKind, Outcome, Refused, Unsettled, Wire
from ehmi_ap.ports import Job

OWN_FAILURE = SendingBlocked.code
"""No byte left us: a certificate, a P-Mode or our own system stands in the way."""
NOT_REACHED = "EBMS:0005"
MISSING_RECEIPT = "EBMS:0301"
INVALID_RECEIPT = "EBMS:0302"
UNVERIFIED_RECEIPT = "EBMS:0101"

LOOKED_AGAIN_FOR = frozenset({"EBMS:0101", "EBMS:0102", "EBMS:0103", "EBMS:0004", "EBMS:0009"})
"""How peers say that they cannot read what was encrypted for a certificate of yesterday (peers-live 4)."""
_ONLY_REFUSED = LOOKED_AGAIN_FOR - {UNVERIFIED_RECEIPT}
"""Left by attempts of which none came further: a peer that calls the next one a duplicate counts what it refused."""
_LOOKING_UP = "discovery."  # how the codes of DiscoveryError begin

_WEIGHT = {OWN_FAILURE: 0, NOT_REACHED: 1, MISSING_RECEIPT: 2, INVALID_RECEIPT: 3, UNVERIFIED_RECEIPT: 3}

_GIVEN_UP = {
    OWN_FAILURE: "it could not be sent",
    Unavailable.code: "the receiver could not be looked up",
    Misconfigured.code: "the receiver could not be looked up",
    NOT_REACHED: "the peer could not be reached",
    MISSING_RECEIPT: "MissingReceipt: no receipt came",
    UNVERIFIED_RECEIPT: "FailedAuthentication: the peer refused our signature, or those of its receipts do not verify",
    INVALID_RECEIPT: "InvalidReceipt: the receipts that came do not prove that this message arrived",
}
WITHOUT_EVIDENCE = "delivered without evidence: the peer says that it has this message, its receipt was lost"


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What a fresh look-up came to after the peer had refused; `elsewhere`: to another certificate or URL."""

    what: str
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What Store.settle() is told."""

    happening: Happening
    due: datetime | None = None
    receipt: Wire | None = None
    code: str | None = None
    detail: str = ""
    events: tuple[DeliveryEvent, ...] = ()


def judge(
    job: Job, outcome: Outcome, retry: RetryPolicy, *, now: datetime, chance: float, again: SecondLook | None = None
) -> Verdict:
    """The verdict on one attempt; `chance` in [0, 1) draws the jitter of the next wait."""
    match outcome:
        case Acknowledged():
            sent = _event(job, EventKind.SENT, now, detail=quoted(f"receipt {outcome.receipt.message_id}"))
            return Verdict(happening=Happening.SETTLED, receipt=outcome.wire, events=(sent,))
        case Refused() if outcome.says_duplicate and was_tried(job):
            return _without_evidence(job, outcome, now)
        case Refused() if again is not None and again.elsewhere:
            return _once_more(job, outcome, again, now)
        case Refused():
            return _refused(job, outcome, now, again)
        case Unsettled():
            return _unsettled(job, outcome, retry, now, chance)


def may_look_again(outcome: Outcome) -> bool:
    """Whether a fresh look-up may help: the peer refused as it would after its certificate changed (decision 4)."""
    return isinstance(outcome, Refused) and _code(outcome) in LOOKED_AGAIN_FOR and not outcome.says_duplicate


def is_at_fault(outcome: Outcome) -> bool:
    """Whether others that wait in the same lane had better not all be tried now."""
    if not isinstance(outcome, Unsettled):
        return False
    return outcome.retryable or not outcome.code.startswith(_LOOKING_UP)


def was_tried(job: Job) -> bool:
    """Whether an earlier attempt may have reached the peer.

    Attempts that ended before a byte left us do not count, nor those that the peer refused; one whose end nobody wrote
    down does, and so do those before an operator's resend.
    """
    if job.lost_code is not None and (_stayed_here(job.lost_code) or job.lost_code in _ONLY_REFUSED):
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


def _once_more(job: Job, outcome: Refused, again: SecondLook, now: datetime) -> Verdict:
    """Its event is the memory that a second time is not to be (flows.past): one that discovers has no code else."""
    code = _code(outcome)
    found = _event(job, EventKind.DISCOVERED, now, code=code, detail=again.what)
    return Verdict(
        happening=Happening.MISSED,
        due=now,
        code=_furthest(job, code),
        detail=f"refused by the peer, sent once more to what was found: {told(outcome.errors)}",
        events=(*_received(job, outcome, now), found),
    )


def _refused(job: Job, outcome: Refused, now: datetime, again: SecondLook | None) -> Verdict:
    code = _code(outcome)
    said = told(outcome.errors)
    detail = f"refused by the peer: {said.removesuffix('.')}. {hint(code, said)}"
    if again is not None:
        detail += f" It was looked up anew: {quoted(again.what)}."
    return Verdict(
        happening=Happening.GIVEN_UP,
        code=code,
        detail=detail,
        events=(
            *_received(job, outcome, now),
            _event(job, EventKind.SENT, now, failed=True, code=code, detail=detail),
        ),
    )


def _received(job: Job, outcome: Refused, now: datetime) -> Iterator[DeliveryEvent]:
    return (_event(job, EventKind.ERROR, now, code=error.code, detail=told_once(error)) for error in outcome.errors)


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
    code = _furthest(job, outcome.code)
    reason = quoted(outcome.reason)
    attempt = _event(job, EventKind.ATTEMPT, now, code=outcome.code, detail=reason)
    if due is not None:
        return Verdict(happening=Happening.MISSED, due=due, code=code, detail=reason, events=(attempt,))
    detail = f"{_GIVEN_UP.get(code, 'given up')} in {job.attempts} attempts; the last one: {reason}"
    if code.startswith(_LOOKING_UP) and not outcome.retryable:
        detail = reason
    return Verdict(
        happening=Happening.GIVEN_UP,
        code=code,
        detail=detail,
        events=(attempt, _event(job, EventKind.SENT, now, failed=True, code=code, detail=detail)),
    )


def _furthest(job: Job, code: str) -> str:
    """The code of the attempt that came furthest, of all and this one.

    An attempt whose end nobody wrote down may have reached the peer; forgotten, its duplicate error would fail later.
    """
    unknown = MISSING_RECEIPT if job.attempts > 1 else code
    return max((code, job.lost_code or unknown), key=lambda each: _WEIGHT.get(each, 0))


def _stayed_here(code: str) -> bool:
    """Whether this is the code of an attempt in which no byte left us."""
    return code == OWN_FAILURE or code.startswith(_LOOKING_UP)


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
