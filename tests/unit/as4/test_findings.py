"""The verdict rules as a table, and problems told once (the issue's inspect bullet)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ehmi_ap.as4.findings import (
    EncryptionFinding,
    Findings,
    MessageFinding,
    Notes,
    Problem,
    ReferenceFinding,
    SignatureFinding,
    TrustFinding,
)
from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import CertificateRefused, HttpRefusal, NotAllowedAlgorithm, PolicyNoncompliance, StoreError
from ehmi_ap.model import ErrorSignal, MessageId, Payload

AT = datetime(2026, 11, 23, tzinfo=UTC)
GRAVE, LIGHT = Problem("EBMS:0101", "x", "y"), Problem("EBMS:0103", "x", "y", grave=False)


def _signature(value: Any, *digests: Any) -> SignatureFinding:
    references = tuple(ReferenceFinding(uri="#a", digest=digest, expected=b"") for digest in digests)
    return SignatureFinding(present=True, value=value, references=references)


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ({"readable": False}, "unreadable"),
        ({"readable": False, "problems": (GRAVE,)}, "unreadable"),
        ({}, "valid"),
        ({"signature": _signature("ok", "ok", "ok")}, "valid"),
        ({"signature": _signature("ok", "ok"), "problems": (LIGHT,)}, "valid"),
        ({"signature": _signature("ok", "ok"), "problems": (LIGHT, GRAVE)}, "invalid"),
        ({"signature": _signature("unchecked", "ok")}, "undecided"),
        ({"signature": _signature("ok", "ok", "unchecked")}, "undecided"),
        ({"signature": _signature("unchecked", "unchecked"), "problems": (GRAVE,)}, "invalid"),
        ({"encryption": EncryptionFinding(present=True, key="none-fits")}, "undecided"),
        ({"encryption": EncryptionFinding(present=True, key="ok")}, "valid"),
        ({"trust": TrustFinding(verdict="unchecked")}, "valid"),
        ({"trust": TrustFinding(verdict="trusted")}, "valid"),
        ({"trust": TrustFinding(verdict="untrusted")}, "invalid"),
        ({"trust": TrustFinding(verdict="expired")}, "invalid"),
        ({"trust": TrustFinding(verdict="unfit"), "signature": _signature("unchecked")}, "invalid"),
    ],
)
def test_verdicts(findings: dict[str, Any], verdict: str) -> None:
    assert Findings(**{"readable": True, **findings}).verdict == verdict


def test_json_of_what_is_absent() -> None:
    found: Any = Findings(readable=True).to_json()
    assert found["signature"] == {
        "present": False,
        "algorithm": None,
        "value": "unchecked",
        "signer": None,
        "references": [],
    }
    assert found["encryption"] == {"present": False, "key": None, "algorithms": []}
    assert found["trust"] == {"verdict": "unchecked", "chain": []}


def test_json_of_errors_and_payloads() -> None:
    """A detail is the ErrorDetail, or the description where there is none."""
    errors = (
        ErrorSignal(code="EBMS:0010", severity="failure", description="D", detail="E"),
        ErrorSignal(code="EBMS:0002", severity="warning", description="D"),
    )
    message = MessageFinding(kind="Error", message_id=MessageId("e@x"), ref_to=MessageId("m@x"), errors=errors)
    payload = Payload(body=MemoryBody(b"abc"), mime_type="text/plain", content_id="p@x")
    found: Any = Findings(readable=True, messages=(message,), payloads=(payload,)).to_json()
    assert [error["detail"] for error in found["messages"][0]["errors"]] == ["E", "D"]
    assert found["messages"][0]["ref_to_message_id"] == "m@x"
    assert found["payloads"] == [
        {
            "cid": "p@x",
            "mime_type": "text/plain",
            "size": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        }
    ]


def test_problems_are_told_once_in_the_order_they_were_found() -> None:
    notes = Notes()
    notes.add("EBMS:0103", "b")
    notes.add("EBMS:0101", "a")
    notes.add("EBMS:0103", "b")
    assert [(problem.code, problem.what) for problem in notes.problems] == [("EBMS:0103", "b"), ("EBMS:0101", "a")]


def test_errors_become_problems() -> None:
    notes = Notes()
    with notes.noting(code="EBMS:0007"):
        raise HttpRefusal(400, "cut")
    with notes.noting(grave=False):
        raise PolicyNoncompliance("timestamp", fix="wait")
    with notes.noting(code="EBMS:0101"):
        raise CertificateRefused("expired", "old")
    with notes.noting():
        raise NotAllowedAlgorithm("digest", "urn:md5")
    told = [(problem.code, problem.what, problem.grave) for problem in notes.problems]
    assert told == [
        ("EBMS:0007", "cut", True),
        ("EBMS:0103", "timestamp", False),
        ("EBMS:0101", "old", True),
        ("EBMS:0103", "digest urn:md5 is outside the eDelivery profile", False),
    ]
    assert notes.problems[1].fix == "wait"
    assert all("stored" not in problem.fix for problem in notes.problems)  # nothing is, by looking


def test_errors_of_our_own_are_not_noted() -> None:
    notes = Notes()
    with pytest.raises(StoreError), notes.noting():
        raise StoreError("disk full")
    assert notes.problems == ()
