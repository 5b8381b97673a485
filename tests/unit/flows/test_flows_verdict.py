"""What becomes of a message after one attempt, as a table."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import Misconfigured, NotRegistered, Unavailable
from ehmi_ap.flows.past import past_of
from ehmi_ap.flows.verdict import (
    INVALID_RECEIPT,
    MISSING_RECEIPT,
    NOT_REACHED,
    OWN_FAILURE,
    UNVERIFIED_RECEIPT,
    WITHOUT_EVIDENCE,
    SecondLook,
    Verdict,
    is_at_fault,
    judge,
    may_look_again,
    was_tried,
)
from ehmi_ap.lifecycle import Happening, RetryPolicy
from ehmi_ap.model import (
    Acknowledged,
    ErrorSignal,
    MessageId,
    Outcome,
    Party,
    PartyId,
    Receipt,
    Refused,
    Service,
    Unsettled,
    UserMessage,
    Wire,
)
from ehmi_ap.ports import Job

RETRY = RetryPolicy(first_wait=60, factor=2, jitter=0.2, attempts=3)
WIRE = Wire(content_type="application/soap+xml", body=MemoryBody(b"<receipt/>"))
DUPLICATE = ErrorSignal(code="EBMS:0004", severity="failure", detail="this is a duplicate")
D_4001 = ErrorSignal(code="EBMS:4001", severity="failure")
WARNING = ErrorSignal(code="EBMS:0002", severity="warning")
REFUSED = ErrorSignal(code="EBMS:0102", severity="failure", short="FailedDecryption", description="no key")


def job(now: datetime, *, attempts: int = 1, lost: str | None = None) -> Job:
    message = UserMessage(
        message_id=MessageId("m@us.example"),
        timestamp=now,
        from_=Party(PartyId("us"), "r"),
        to=Party(PartyId("them"), "r"),
        service=Service("s"),
        action="a",
        conversation_id="c",
        payloads=(),
    )
    return Job(
        key=1,
        message=message,
        pmode="them",
        backend="rest",
        lane="them",
        attempts=attempts,
        first_at=now,
        lost_code=lost,
    )


def acknowledged(now: datetime) -> Acknowledged:
    receipt = Receipt(message_id=MessageId("r@x"), ref_to=MessageId("m@us.example"), timestamp=now, references=())
    return Acknowledged(receipt=receipt, wire=WIRE)


def events(verdict: Verdict) -> list[tuple[str, bool, str | None]]:
    assert all(event.backend == "rest" and event.message_id == "m@us.example" for event in verdict.events)
    return [(event.kind.value, event.failed, event.code) for event in verdict.events]


def test_a_receipt_settles(now: datetime) -> None:
    verdict = judge(job(now), acknowledged(now), RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.receipt, verdict.code) == (Happening.SETTLED, WIRE, None)
    assert events(verdict) == [("msg-sent", False, None)]


def lost(code: str) -> Unsettled:
    return Unsettled(code=code, reason="because")


@pytest.mark.parametrize(
    ("before", "outcome", "attempts", "happening", "code"),
    [
        (None, lost(MISSING_RECEIPT), 1, Happening.MISSED, MISSING_RECEIPT),
        (NOT_REACHED, lost(NOT_REACHED), 3, Happening.GIVEN_UP, NOT_REACHED),
        (MISSING_RECEIPT, lost(NOT_REACHED), 3, Happening.GIVEN_UP, MISSING_RECEIPT),
        (NOT_REACHED, lost(MISSING_RECEIPT), 3, Happening.GIVEN_UP, MISSING_RECEIPT),
        (INVALID_RECEIPT, lost(MISSING_RECEIPT), 3, Happening.GIVEN_UP, INVALID_RECEIPT),
        (INVALID_RECEIPT, lost(NOT_REACHED), 2, Happening.MISSED, INVALID_RECEIPT),
        (NOT_REACHED, lost(OWN_FAILURE), 3, Happening.GIVEN_UP, NOT_REACHED),
        (OWN_FAILURE, lost(OWN_FAILURE), 3, Happening.GIVEN_UP, OWN_FAILURE),
        # a crash ended the first attempt, so nobody knows how far it came
        (None, lost(OWN_FAILURE), 2, Happening.MISSED, MISSING_RECEIPT),
        (None, lost(NOT_REACHED), 3, Happening.GIVEN_UP, MISSING_RECEIPT),
        ("EBMS:9999", lost(NOT_REACHED), 3, Happening.GIVEN_UP, NOT_REACHED),
        # a look-up that is not possible: no byte left us
        (None, lost(Unavailable.code), 1, Happening.MISSED, Unavailable.code),
        (OWN_FAILURE, lost(Unavailable.code), 3, Happening.GIVEN_UP, Unavailable.code),
        (Unavailable.code, lost(OWN_FAILURE), 3, Happening.GIVEN_UP, OWN_FAILURE),
        (MISSING_RECEIPT, lost(Misconfigured.code), 3, Happening.GIVEN_UP, MISSING_RECEIPT),
        (MISSING_RECEIPT, lost(UNVERIFIED_RECEIPT), 3, Happening.GIVEN_UP, UNVERIFIED_RECEIPT),
    ],
)
def test_the_code_is_that_of_the_attempt_that_came_furthest(
    now: datetime, before: str | None, outcome: Unsettled, attempts: int, happening: Happening, code: str
) -> None:
    verdict = judge(job(now, attempts=attempts, lost=before), outcome, RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.code) == (happening, code)
    expected = [("attempt", False, outcome.code)]
    if happening is Happening.GIVEN_UP:
        expected.append(("msg-sent", True, code))
    assert events(verdict) == expected
    assert "because" in verdict.events[-1].detail


@pytest.mark.parametrize(
    ("outcome", "chance", "seconds"),
    [
        (lost(NOT_REACHED), 0.0, 60.0),
        (lost(NOT_REACHED), 0.5, 54.0),
        (Unsettled(code=NOT_REACHED, reason="busy", retry_after=300.0), 0.0, 300.0),
    ],
)
def test_when_it_is_due_again(now: datetime, outcome: Unsettled, chance: float, seconds: float) -> None:
    verdict = judge(job(now), outcome, RETRY, now=now, chance=chance)
    assert verdict.due == now + timedelta(seconds=seconds)


def test_what_no_retry_can_mend_is_given_up_at_once(now: datetime) -> None:
    outcome = Unsettled(code=NOT_REACHED, reason="HTTP 404", retryable=False)
    verdict = judge(job(now), outcome, RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.due) == (Happening.GIVEN_UP, None)


@pytest.mark.parametrize("error", [DUPLICATE, D_4001])
@pytest.mark.parametrize(("attempts", "before"), [(2, None), (2, NOT_REACHED), (1, MISSING_RECEIPT)])
def test_a_duplicate_on_a_retry_is_delivered_without_evidence(
    now: datetime, error: ErrorSignal, attempts: int, before: str | None
) -> None:
    """Decision 18; a resend counts as a retry too, because what was signed before may have arrived."""
    outcome = Refused(errors=(error,))
    verdict = judge(job(now, attempts=attempts, lost=before), outcome, RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.receipt, verdict.detail) == (Happening.SETTLED, None, WITHOUT_EVIDENCE)
    assert events(verdict) == [("msg-sent", False, error.code)]


def test_a_duplicate_of_what_never_left_is_a_failure(now: datetime) -> None:
    """The attempts before were stopped on our side: the peer has another message of this id."""
    stopped = job(now, attempts=2, lost=OWN_FAILURE)
    verdict = judge(stopped, Refused(errors=(DUPLICATE,)), RETRY, now=now, chance=0.0)
    assert verdict.happening is Happening.GIVEN_UP


@pytest.mark.parametrize("before", ["EBMS:0102", "EBMS:0103", "EBMS:0004", "EBMS:0009"])
def test_a_duplicate_of_what_was_refused_is_a_failure(now: datetime, before: str) -> None:
    """Sent once more after a second look: the peer counts what it refused, and has nothing."""
    again = job(now, attempts=2, lost=before)
    verdict = judge(again, Refused(errors=(DUPLICATE,)), RETRY, now=now, chance=0.0)
    assert verdict.happening is Happening.GIVEN_UP


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Refused(errors=(DUPLICATE,)), "EBMS:0004"),
        (Refused(errors=(REFUSED,)), "EBMS:0102"),
        (Refused(errors=(WARNING, REFUSED)), "EBMS:0102"),
    ],
)
def test_an_error_of_the_peer_is_final(now: datetime, outcome: Outcome, code: str) -> None:
    """Each error is an event, and the failure bears the code of the first that is one."""
    verdict = judge(job(now), outcome, RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.code) == (Happening.GIVEN_UP, code)
    assert events(verdict)[-1] == ("msg-sent", True, code)
    assert isinstance(outcome, Refused)
    assert [event for event in events(verdict) if event[0] == "error-received"] == [
        ("error-received", False, error.code) for error in outcome.errors
    ]


def test_the_hint_follows_the_text_where_a_product_says_more(now: datetime) -> None:
    said = replace(REFUSED, code="EBMS:0004", short="Other", description="PEPPOL:NOT_SERVICED", detail="")
    assert "Oxalis" in judge(job(now), Refused(errors=(said,)), RETRY, now=now, chance=0.0).detail


def test_a_security_error_is_never_explained_as_one_cause(now: datetime) -> None:
    """0102 of phase4 is any security failure (peers-live 4), so the hint names what is worth a look."""
    verdict = judge(job(now), Refused(errors=(REFUSED,)), RETRY, now=now, chance=0.0)
    for word in ("FailedDecryption", "no key", "signing certificate", "encrypt", "algorithms"):
        assert word in verdict.detail


@pytest.mark.parametrize("code", [OWN_FAILURE, Unavailable.code, NotRegistered.code])
def test_what_never_left_was_not_tried(now: datetime, code: str) -> None:
    assert not was_tried(job(now, attempts=3, lost=code))
    assert was_tried(job(now, attempts=3, lost=MISSING_RECEIPT))


def test_what_a_look_up_says_for_good_is_told_as_it_is(now: datetime) -> None:
    outcome = Unsettled(code=NotRegistered.code, reason="it is not registered. Ask it.", retryable=False)
    verdict = judge(job(now), outcome, RETRY, now=now, chance=0.0)
    assert (verdict.happening, verdict.detail) == (Happening.GIVEN_UP, "it is not registered. Ask it.")


# -- a second look (decision 4)


@pytest.mark.parametrize("code", ["EBMS:0101", "EBMS:0102", "EBMS:0103", "EBMS:0004", "EBMS:0009"])
def test_these_refusals_may_be_a_roll_over(code: str) -> None:
    assert may_look_again(Refused(errors=(replace(REFUSED, code=code),)))


@pytest.mark.parametrize(
    "outcome",
    [
        Refused(errors=(replace(REFUSED, code="EBMS:0003"),)),
        Refused(errors=(DUPLICATE,)),
        lost(NOT_REACHED),
        lost(UNVERIFIED_RECEIPT),
    ],
)
def test_others_are_not(outcome: Outcome) -> None:
    assert not may_look_again(outcome)


def test_what_was_found_elsewhere_is_sent_to_at_once(now: datetime) -> None:
    """Whatever the P-Mode's retry allows; the event that discovers has the refusal's code, and is the memory of it."""
    again = SecondLook("https://new.example", elsewhere=True)
    spent = replace(RETRY, attempts=1)
    verdict = judge(job(now), Refused(errors=(WARNING, REFUSED)), spent, now=now, chance=0.0, again=again)
    assert (verdict.happening, verdict.due, verdict.code) == (Happening.MISSED, now, "EBMS:0102")
    assert events(verdict)[-1] == ("discovered", False, "EBMS:0102")
    assert verdict.events[-1].detail == "https://new.example"
    assert past_of(verdict.events).looked_again


def test_a_second_look_that_finds_the_same_is_told(now: datetime) -> None:
    again = SecondLook("certificate and URL are the same")
    verdict = judge(job(now), Refused(errors=(REFUSED,)), RETRY, now=now, chance=0.0, again=again)
    assert verdict.happening is Happening.GIVEN_UP
    assert verdict.detail.endswith("It was looked up anew: certificate and URL are the same.")


def test_a_duplicate_error_after_an_unknown_attempt_is_no_refusal(now: datetime) -> None:
    again = SecondLook("https://new.example", elsewhere=True)
    verdict = judge(job(now, attempts=2), Refused(errors=(DUPLICATE,)), RETRY, now=now, chance=0.0, again=again)
    assert verdict.happening is Happening.SETTLED


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (lost(NOT_REACHED), True),
        (lost(Unavailable.code), True),
        (Unsettled(code=NotRegistered.code, reason="no", retryable=False), False),
        (Refused(errors=(REFUSED,)), False),
    ],
)
def test_who_waits_in_the_same_lane(outcome: Outcome, fault: bool) -> None:
    """One receiver that nobody knows says nothing of the others."""
    assert is_at_fault(outcome) is fault
