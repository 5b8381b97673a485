"""Envelope receipts: made as the golden ones are, and correlated with their requests (ehmi.md 3.2)."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from test_checks import RECEIPT, REQUEST, changed, header, without

from ehmi_ap.body import MemoryBody
from ehmi_ap.ehmi.judge import judge
from ehmi_ap.ehmi.receipts import correlates, envelope_receipt, wants_receipt
from ehmi_ap.ehmi.signals import Cause, Refusal, read_signal
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.errors import SubmissionError

NOW = datetime.fromisoformat("2026-09-01T10:00:05+02:00")
IDS = ("44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555")
REFUSAL = Refusal(cause=Cause.SYNTAX, reason="FHIR schema validation failed", message="line 7: ...")


def answered(text: str, refusal: Refusal | None = None) -> bytes:
    numbers = iter(IDS)
    return envelope_receipt(header(text), now=NOW, new_uuid=lambda: UUID(next(numbers)), refusal=refusal)


@pytest.mark.parametrize(("name", "refusal"), [("receipt", None), ("exception", REFUSAL)])
def test_the_golden_answer(name: str, refusal: Refusal | None) -> None:
    """Header and signal are those of the envelope that was made from the rules, value by value."""
    golden = unwrap((Path(__file__).parent / "golden" / f"golden-{name}-peppolns.xml").read_bytes())
    made = unwrap(answered(REQUEST, refusal))
    assert made.header == golden.header
    assert read_signal(made.content) == read_signal(golden.content)


@pytest.mark.parametrize("refusal", [None, REFUSAL])
def test_what_we_answer_has_no_finding(refusal: Refusal | None) -> None:
    assert judge(MemoryBody(answered(REQUEST, refusal))).findings == ()


def test_every_public_message_is_answered(shared_data: Path) -> None:
    """Also those whose correlation is a placeholder: it is echoed, as the published answers do."""
    for path in sorted((shared_data / "ehmi" / "sbdh" / "valid").glob("*.xml")):
        text = path.read_text(encoding="utf-8").replace('standalone="yes"', "")
        if not wants_receipt(header(text)):
            continue
        receipt = unwrap(answered(text)).header
        assert judge(MemoryBody(answered(text))).verdict == "ok", path.name
        assert correlates(receipt, header(text)), path.name


def test_a_receipt_is_never_answered() -> None:
    assert not wants_receipt(header(RECEIPT))
    with pytest.raises(SubmissionError, match="never answered"):
        answered(RECEIPT)


def test_who_wants_a_receipt() -> None:
    assert wants_receipt(header(REQUEST))
    assert not wants_receipt(header(without(REQUEST, "EHMI-ReceiptAcknowledgement")))


@pytest.mark.parametrize(
    "refusal", [replace(REFUSAL, cause="Other"), replace(REFUSAL, type="GeneralException", cause="101")]
)
def test_only_exceptions_of_ehmi_are_made(refusal: Refusal) -> None:
    """O-30"""
    with pytest.raises(SubmissionError, match="no such exception"):
        answered(REQUEST, refusal)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0088:5790000123117", "0088:5790000120048"),
        (">937961000016000<", ">1<"),
        ("<RequestingDocumentInstanceIdentifier>1", "<RequestingDocumentInstanceIdentifier>2"),
        ("CreationDateTime>2026-09-01T10:00:00", "CreationDateTime>2026-09-01T10:00:01"),
        ("ehmisbdh-acknowledgement</Standard><TypeVersion>ebbp-signals-2.0", "x</Standard><TypeVersion>1"),
    ],
)
def test_a_receipt_for_something_else(old: str, new: str) -> None:
    assert correlates(header(RECEIPT), header(REQUEST))
    other = changed(RECEIPT, old, new).replace(
        "<Type>ReceiptAcknowledgement", "<Type>Bundle" if old[0] == "e" else "<Type>ReceiptAcknowledgement"
    )
    assert not correlates(header(other), header(REQUEST))


def test_a_receipt_without_correlation_is_for_nothing() -> None:
    assert not correlates(header(without(RECEIPT, "EHMI-ReceiptAcknowledgement")), header(REQUEST))
