"""ebBP signals: read as they come, written as the schema has them (ehmi.md 3.1, O-12, O-15, O-30)."""

import re
from base64 import b64decode
from pathlib import Path

import pytest
from lxml import etree

from ehmi_ap.ehmi.signals import EBBP, Cause, Refusal, Signal, SignalKind, read_signal, write_signal
from ehmi_ap.errors import EnvelopeError, SubmissionError
from ehmi_ap.model import Participant

GOLDEN = Path(__file__).parent / "golden"
CPR = "2509479989"


def content(name: str) -> str:
    """The document in one of our golden envelopes."""
    root = etree.fromstring((GOLDEN / f"golden-{name}-peppolns.xml").read_bytes())
    return b64decode(str(root[1].text)).decode()


POSITIVE, NEGATIVE = content("receipt"), content("exception")


def test_a_positive_signal() -> None:
    signal = read_signal(POSITIVE.encode())
    assert signal == Signal(
        kind=SignalKind.RECEIPT,
        original_message="11111111-1111-4111-8111-111111111111",
        original_document=(
            "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
            "##urn:dk:medcom:fhir:homecareobservation-message::1.2"
        ),
        original_at="2026-09-01T10:00:00+02:00",
        at="2026-09-01T10:00:05+02:00",
        sender=Participant("0088:5790000120048", "iso6523-actorid-upis"),
        receiver=Participant("0088:5790000123117", "iso6523-actorid-upis"),
        collaboration="11111111-1111-4111-8111-111111111111",
    )


def test_a_negative_signal() -> None:
    signal = read_signal(NEGATIVE.encode())
    assert signal.kind is SignalKind.EXCEPTION
    assert signal.refusal == Refusal(cause=Cause.SYNTAX, reason="FHIR schema validation failed", message="line 7: ...")


@pytest.mark.parametrize("text", [POSITIVE, NEGATIVE])
def test_padded_values_are_trimmed_and_never_written(text: str) -> None:
    """O-30, O-38"""
    padded = re.sub(r">([^<>]+)<", r">\n    \1\n  <", text)
    assert padded != text
    signal = read_signal(padded.encode())
    assert signal == read_signal(text.encode())
    written = etree.fromstring(write_signal(signal))
    assert all(element.text == element.text.strip() for element in written.iter() if element.text and not len(element))
    assert read_signal(write_signal(signal)) == signal


def test_a_collaboration_may_be_absent() -> None:
    """O-15"""
    text = re.sub("<bpssignal:CollaborationIdentifier>.*?</bpssignal:CollaborationIdentifier>", "", POSITIVE)
    assert read_signal(text.encode()).collaboration is None


def test_evidence_and_extensions_are_read_past() -> None:
    evidence = '<bpssignal:NonRepudiationInformation/><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>'
    assert read_signal(POSITIVE.replace("</bpssignal:Receipt", evidence + "</bpssignal:Receipt").encode())
    more = '<x:any xmlns:x="urn:x"/></bpssignal:Exception>'
    assert read_signal(NEGATIVE.replace("</bpssignal:Exception>", more).encode())


def changed(text: str, pattern: str, by: str) -> str:
    new = re.sub(pattern, by, text, count=1)
    assert new != text
    return new


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("<a/>", "no signal"),
        (POSITIVE.replace(EBBP, "urn:other"), "no signal"),
        ("<!DOCTYPE x>" + POSITIVE, "document type"),
        (changed(POSITIVE, "<bpssignal:OriginalMessageIdentifier>.*?Identifier>", ""), "has no OriginalMessageId"),
        (changed(POSITIVE, "<bpssignal:ThisMessageDateTime>.*?DateTime>", ""), "has no ThisMessageDateTime"),
        (changed(POSITIVE, "(<bpssignal:FromPartyInfo.*?PartyInfo>)", r"\1\1"), "more than one FromPartyInfo"),
        (changed(POSITIVE, "(<bpssignal:From.*?Info>)(<bpssignal:To.*?Info>)", r"\2\1"), "not in their order"),
        (changed(POSITIVE, ">2026-09-01T10:00:00", ">2026-09-01 10:00:00"), "not a date and time"),
        (changed(POSITIVE, ">0088:5790000120048", f">0088<!-- {CPR} -->"), "more than a text"),
        (changed(POSITIVE, ">0088:5790000120048", ">  "), "is empty"),
        (changed(POSITIVE, "</bpssignal:Receipt", "<bpssignal:RequestionField/></bpssignal:Receipt"), "does not know"),
        (changed(NEGATIVE, ">Syntax<", f">{CPR}<"), "none of Syntax"),
        (
            changed(NEGATIVE, ">Syntax<", "><bpssignal:GeneralException>101</bpssignal:GeneralException><"),
            "more than a text",
        ),
        (changed(NEGATIVE, "<bpssignal:Reason>.*?Reason>", ""), "has no Reason"),
        (changed(NEGATIVE, "<bpssignal:ReceiptException>.*?ReceiptException>", ""), "does not hold one"),
    ],
)  # fmt: skip
def test_what_is_no_right_signal(text: str, said: str) -> None:
    with pytest.raises(EnvelopeError, match=said) as refused:
        read_signal(text.encode())
    assert CPR not in str(refused.value)


@pytest.mark.parametrize("kind", ["AcceptanceException", "GeneralException"])
def test_exceptions_of_the_other_kinds_are_read(kind: str) -> None:
    cause = {"AcceptanceException": "Business", "GeneralException": "101"}[kind]
    text = NEGATIVE.replace("ReceiptException", kind).replace("Syntax", cause)
    refusal = read_signal(text.encode()).refusal
    assert refusal is not None
    assert (refusal.type, refusal.cause) == (kind, cause)


def test_no_repr_shows_the_receivers_words() -> None:
    signal = read_signal(NEGATIVE.replace("FHIR schema", CPR).replace("line 7", CPR).encode())
    assert signal.refusal is not None
    assert CPR in signal.refusal.reason
    assert CPR not in repr(signal)


def test_what_xml_cannot_hold_is_not_written() -> None:
    refusal = Refusal(cause="Syntax", reason=f"{CPR}\x00")
    signal = Signal(
        kind=SignalKind.EXCEPTION, original_message="1", original_document=None, original_at="", at="", refusal=refusal
    )
    with pytest.raises(SubmissionError) as refused:
        write_signal(signal)
    assert CPR not in str(refused.value)
