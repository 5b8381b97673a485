"""Reliable messaging: the tables of ehmi.md 3.3."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from test_checks import RECEIPT, REQUEST, header, without

from ehmi_ap.body import MemoryBody
from ehmi_ap.ehmi.judge import judge
from ehmi_ap.ehmi.names import PEPPOL
from ehmi_ap.ehmi.reliability import (
    Arrival,
    Ids,
    ReceiptArrival,
    ResendPolicy,
    Waiting,
    arrival,
    envelope_ids,
    receipt_arrival,
    resend,
    waiting,
)
from ehmi_ap.ehmi.unwrap import unwrap

SENT = datetime.fromisoformat("2026-09-01T10:00:00+02:00")
LATER = SENT + timedelta(minutes=31)
NEW = UUID("99999999-9999-4999-8999-999999999999")


@pytest.mark.parametrize(
    ("before", "known", "action"),
    [
        (None, False, Arrival.ACCEPT),
        ("m", True, Arrival.REPEAT),
        (None, True, Arrival.RESEND),
        ("other", False, Arrival.REFUSE),
        ("other", True, Arrival.REFUSE),  # both were seen, but never together
    ],
)
def test_what_is_done_with_an_envelope(before: str | None, known: bool, action: Arrival) -> None:
    assert arrival(message_of_envelope=before, message="m", message_known=known) is action


def test_the_ids_that_are_remembered() -> None:
    """O-8: MESSAGEIDENTIFIER, not DOCUMENTID, which every message of a kind has."""
    sender, envelope = "0088:5790000123117", "11111111-1111-4111-8111-111111111111"
    assert envelope_ids(header(REQUEST)) == Ids(sender, envelope, "22222222-2222-4222-8222-222222222222")
    assert envelope_ids(header(without(REQUEST, "MESSAGEIDENTIFIER"))) == Ids(sender, envelope, envelope)


@pytest.mark.parametrize(
    ("earlier", "positive", "action"),
    [
        (None, True, ReceiptArrival.TAKE),
        (None, False, ReceiptArrival.TAKE),
        (True, True, ReceiptArrival.IGNORE),
        (False, False, ReceiptArrival.IGNORE),
        (True, False, ReceiptArrival.CONTRADICTION),
        (False, True, ReceiptArrival.CONTRADICTION),
    ],
)
def test_what_is_done_with_a_receipt(earlier: bool | None, positive: bool, action: ReceiptArrival) -> None:
    assert receipt_arrival(earlier=earlier, positive=positive) is action


@pytest.mark.parametrize(
    ("minutes", "resends", "state"),
    [
        (0, 0, Waiting.WAIT),
        (9, 2, Waiting.WAIT),
        (10, 0, Waiting.OVERDUE),
        (29, 2, Waiting.OVERDUE),
        (30, 0, Waiting.RESEND),
        (30, 1, Waiting.RESEND),
        (30, 2, Waiting.EXHAUSTED),
    ],
)
def test_when_it_is_sent_again(minutes: int, resends: int, state: Waiting) -> None:
    """O-9: overdue after 10 minutes, again after 30, at most twice."""
    now = SENT + timedelta(minutes=minutes)
    assert waiting(ResendPolicy(), sent_at=SENT, resends=resends, now=now) is state


def test_no_program_sends_again_by_default() -> None:
    """O-9"""
    assert ResendPolicy().automatic is False


def test_a_resend_has_a_new_id_and_time_and_nothing_else() -> None:
    again = resend(REQUEST.encode(), now=LATER, new_uuid=lambda: NEW)
    old, new = unwrap(REQUEST.encode()), unwrap(again)
    assert new.content == old.content
    assert new.header.instance_identifier == str(NEW)
    assert new.header.created_at == "2026-09-01T10:31:00+02:00"
    assert [s for s in new.header.scopes if not s.correlation] == [s for s in old.header.scopes if not s.correlation]
    found = {each.rule for each in judge(MemoryBody(again)).findings}
    assert found == {each.rule for each in judge(MemoryBody(REQUEST.encode())).findings}


def test_a_receipt_that_is_sent_again_still_names_its_request() -> None:
    again = resend(RECEIPT.encode(), now=LATER, new_uuid=lambda: NEW, namespace="sbdh")
    assert unwrap(again).content == unwrap(RECEIPT.encode()).content
    assert unwrap(again).header.correlation == header(RECEIPT).correlation
    assert PEPPOL.encode() not in again
    assert judge(MemoryBody(again)).findings == ()
