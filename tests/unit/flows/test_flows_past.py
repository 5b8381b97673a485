"""What the timeline of a message says of its earlier attempts."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from flow_world import event
from registry import found

from ehmi_ap.flows.past import Past, described, past_of
from ehmi_ap.model import DeliveryEvent, EventKind, PartyId

FOUND, ELSEWHERE = "https://a.example", "https://b.example"


def timeline(now: datetime, *said: tuple[EventKind, str | None, str]) -> list[DeliveryEvent]:
    return [replace(event("m", now, kind=kind), code=code, detail=detail) for kind, code, detail in said]


RECEIVED = (EventKind.RECEIVED, None, "")
FIRST = (EventKind.DISCOVERED, None, FOUND)
REFUSED = (EventKind.ERROR, "EBMS:0102", "no")
LED_AWAY = (EventKind.DISCOVERED, "EBMS:0102", ELSEWHERE)
RESENT = (EventKind.RESENT, None, "")


def missed(code: str) -> tuple[EventKind, str | None, str]:
    return (EventKind.ATTEMPT, code, "because")


@pytest.mark.parametrize(
    ("said", "past"),
    [
        ([RECEIVED], Past()),
        ([RECEIVED, FIRST], Past(found=FOUND)),
        ([RECEIVED, FIRST, missed("EBMS:0005")], Past(found=FOUND, last_code="EBMS:0005")),
        ([RECEIVED, FIRST, REFUSED, LED_AWAY], Past(looked_again=True, found=ELSEWHERE, last_code="EBMS:0102")),
        (
            [RECEIVED, FIRST, REFUSED, LED_AWAY, missed("EBMS:0301")],
            Past(looked_again=True, found=ELSEWHERE, last_code="EBMS:0301"),
        ),
        ([RECEIVED, FIRST, REFUSED, LED_AWAY, RESENT], Past(found=ELSEWHERE)),
        ([RECEIVED, FIRST, REFUSED], Past(found=FOUND)),  # posted by the partner: it changes nothing
        ([RECEIVED, FIRST, missed("EBMS:0101")], Past(found=FOUND, last_code="EBMS:0101")),  # a receipt that is none
    ],
)
def test_past(now: datetime, said: list[tuple[EventKind, str | None, str]], past: Past) -> None:
    assert past_of(timeline(now, *said)) == past


@pytest.mark.parametrize(
    ("code", "anew"),
    [
        (None, False),
        ("EBMS:0005", True),
        ("EBMS:0302", True),
        ("EBMS:0101", True),
        ("EBMS:0102", True),
        ("EBMS:0301", False),  # somebody took it, and nothing says that it was another
        ("blocked", False),
        ("discovery.unavailable", False),
    ],
)
def test_when_what_is_remembered_is_not_used(code: str | None, anew: bool) -> None:
    assert Past(last_code=code).asks_anew is anew


def test_a_certificate_is_named_whole(test_pki: Any) -> None:
    """Ten digits in a row are no CPR number there."""
    result = found(test_pki.receiver)
    certificate = replace(result.endpoint.encryption, sha256="0a" + "1234567890" + "f" * 52)
    named = replace(result, endpoint=replace(result.endpoint, encryption=certificate))
    assert certificate.sha256 in described(named, PartyId("ap"))


def test_what_was_found_in_one_line(test_pki: Any) -> None:
    result = found(test_pki.receiver, signer="CN=SMP", smp="https://smp.example/" + "x" * 600)
    line = described(result, PartyId("ap", "urn:type"))
    assert line.startswith("https://ap.example/as4 of urn:type:ap, certificate SHA-256 ")
    assert "signed by CN=SMP, published by https://smp.example/xxx" in line
    assert len(line) < 1200
    assert result.endpoint.encryption.sha256 in line
    assert described(found(test_pki.receiver, smp=""), PartyId("ap")).endswith("from the offline folder")
