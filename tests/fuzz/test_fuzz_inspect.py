"""Whatever file is given: inspect finds something or says that it cannot read it; it never raises."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehmi_ap.as4.capture import read_capture
from ehmi_ap.as4.inspect import inspect
from ehmi_ap.crypto.keys import load_private_key
from tests import pki

# Damage may hit the serial number of a certificate; cryptography warns while it refuses it.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

VECTORS = Path(__file__).parents[1] / "vectors" / "data"
MESSAGES = [
    (VECTORS / name).read_bytes()
    for name in (
        "domibus/bst-2payloads.request",
        "domibus/bst-2payloads.response",
        "holodeck/pull-empty.response",
        "phase4/live/bst.response",
        "wss4j/rsa-oaep-bst.mime",
        "wss4j/ed2-ed25519-x25519-hkdf-bst.mime",
    )
]
KEY = load_private_key((VECTORS / "live-keys/domibus-holodeck/receiver.key.pem").read_bytes())
VERDICTS = {"valid", "invalid", "undecided", "unreadable"}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    assert inspect(data, keys=[KEY], at=pki.NOW).verdict in VERDICTS


@settings(max_examples=150, deadline=None)
@given(
    message=st.sampled_from(MESSAGES),
    where=st.floats(0, 1, exclude_max=True),
    cut=st.integers(0, 60),
    instead=st.one_of(st.binary(max_size=12), st.sampled_from([b"<", b"<!-- -->", b'"', b"\r\n", b"\x00", b"&#13;"])),
)
def test_a_message_with_one_thing_replaced(message: bytes, where: float, cut: int, instead: bytes) -> None:
    at = int(where * len(message))
    changed = message[:at] + instead + message[at + cut :]
    findings = inspect(changed, keys=[KEY], trust=[], at=pki.NOW, request=message)
    assert findings.verdict in VERDICTS
    assert set(findings.to_json()) >= {"verdict", "messages", "problems"}


@settings(max_examples=100, deadline=None)
@given(message=st.sampled_from(MESSAGES), length=st.floats(0, 1))
def test_a_message_cut_short(message: bytes, length: float) -> None:
    assert inspect(message[: int(length * len(message))], keys=[KEY], at=pki.NOW).verdict in VERDICTS


def test_reading_the_capture_of_a_whole_message_loses_nothing() -> None:
    for message in MESSAGES:
        assert read_capture(message).wire.body.size > 0
