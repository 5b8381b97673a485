"""Requests and answers of four live peers, as recorded (as4-wire 10.4): unpacked, and concluded against each other."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ehmi_ap.as4 import verify
from ehmi_ap.as4.unpack import Rejected, Verified, conclude, unpack
from ehmi_ap.body import MemoryBody, MemorySpool, read_all
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust, load_certificates, load_private_key
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS
from ehmi_ap.model import Acknowledged, MessageId, Refused, UserMessage, Wire
from ehmi_ap.pmode import DEFAULT_MPC, PMode

OWN = Path(__file__).parents[2] / "vectors" / "data"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
D, P, S, B = (
    "78464c69284058256f2315a0",
    "8155dec5070669605286af1f",
    "79dee24829b6f7108b0736c2",
    "65bf9fef690d8315dd366c47",
)

EXCHANGES = [
    ("domibus/bst-2payloads", "domibus-holodeck", [D, D], 4),
    ("domibus/ski-2payloads", "domibus-holodeck", [D, D], 4),
    ("domibus/bst-testservice", "domibus-holodeck", [D], 3),
    ("domibus/probe-01-ok", "domibus-holodeck", [P], 3),
    ("holodeck/bst-2payloads", "domibus-holodeck", [D, D], 4),
    ("holodeck/ski", "domibus-holodeck", [D], 3),
    ("oxalis/peppol", "oxalis", [S], 3),
    ("phase4/live/bst", "phase4", [B], 3),
    ("phase4/live/ski", "phase4", [B], 3),
    ("phase4/live/two-payloads", "phase4", [B, B], 4),
    ("phase4/live/uncompressed", "phase4", [B], 3),
    ("phase4/live/test-service", "phase4", [], 2),
]
ERRORS = [
    ("domibus/probe-04-wrong-recipient-key", ["EBMS:0103"], False),
    ("domibus/probe-05-unknown-signer", ["EBMS:0103"], False),
    ("domibus/probe-06-tampered-ciphertext", ["EBMS:0102"], False),
    ("domibus/probe-07-tampered-payload", ["EBMS:0102"], False),
    ("domibus/probe-09-unsigned", ["EBMS:0004"], False),
    ("domibus/probe-10-unencrypted", ["EBMS:0103"], True),
    ("domibus/probe-12-unknown-pmode-service", ["EBMS:0001"], False),
    ("domibus/probe-13-unknown-pmode-party", ["EBMS:0003"], False),
    ("holodeck/probe-04-wrong-recipient-key", ["EBMS:0102"], True),
    ("holodeck/probe-05-unknown-signer", ["EBMS:0101"], True),
    ("holodeck/probe-06-tampered-ciphertext", ["EBMS:0101"], True),
    ("holodeck/probe-07-tampered-payload", ["EBMS:0101"], True),
    ("holodeck/probe-09-unsigned", ["EBMS:0103"], True),
    ("holodeck/probe-12-unknown-pmode-service", ["EBMS:0010", "EBMS:0102"], False),
]


@dataclass(frozen=True)
class _Known:
    keys: Keys
    trust: Trust


def _known(folder: Path) -> _Known:
    """The keys and certificates of one pair of peers; any of them may sign."""
    certificates = {
        file.name.partition(".")[0]: load_certificates(file.read_bytes()) for file in folder.glob("*.c*pem")
    }
    certificates |= {"ca": load_certificates(next(folder.glob("ca.*")).read_bytes())}
    pairs = []
    for file in sorted(folder.glob("*.key.pem")):
        own = certificates[file.name.partition(".")[0]][0]
        pairs.append(KeyPair(load_private_key(file.read_bytes()), own, (own,)))
    return _Known(Keys(pairs[0], tuple(pairs)), Trust(certificates))


def _wire(file: Path) -> Wire:
    """A recorded HTTP message with its transfer and content encoding undone."""
    head, _, body = file.read_bytes().partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    status = re.match(r"HTTP/\S+ (\d+)", lines[0])
    return Wire(content_type=headers["content-type"], body=MemoryBody(body), status=int(status[1]) if status else 200)


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if length == 0:
            return b"".join(pieces)
        pieces.append(body[:length])
        body = body[length + 2 :]


def _message(wire: Wire) -> UserMessage:
    header = verify.read_header(verify.parse_envelope(verify.split(wire)[0], DEFAULT_LIMITS))
    return header.user[0].message


def _pmode(message: UserMessage, known: _Known) -> PMode:
    """A P-Mode that the message falls under, with every certificate of the pair as an anchor."""
    return PMode(
        name="recorded",
        us=message.to.id,
        partner=message.from_.id,
        service=message.service,
        actions=(message.action,),
        agreement=message.agreement,
        initiator_role=message.from_.role,
        responder_role=message.to.role,
        mpc=message.mpc or DEFAULT_MPC,
        trust=known.trust.names,
        party_binding="none",
        party_id_uri=False,
    )


def _file(name: str, kind: str) -> Path:
    return next((OWN / name).parent.glob(f"{Path(name).name}.{kind}*"))


@pytest.mark.parametrize(("name", "keys", "payloads", "references"), EXCHANGES)
def test_a_recorded_exchange(name: str, keys: str, payloads: list[str], references: int) -> None:
    known = _known(OWN / "live-keys" / keys)
    request = _wire(_file(name, "request"))
    pmode = _pmode(_message(request), known)
    result = unpack(request, pmodes=[pmode], keys=known.keys, trust=known.trust, now=NOW, new_spool=MemorySpool)
    assert isinstance(result, Verified), getattr(result, "error", result)
    digests = [hashlib.sha256(read_all(each.body)).hexdigest()[:24] for each in result.message.payloads]
    assert digests == payloads
    assert {each.mime_type for each in result.message.payloads} <= {"application/xml"}
    assert len(result.references) == references
    assert result.test == ("test" in name)
    outcome = conclude(
        _wire(_file(name, "response")),
        message_id=result.message.message_id,
        references=result.references,
        pmode=pmode,
        trust=known.trust,
        now=NOW,
    )
    assert isinstance(outcome, Acknowledged), outcome


@pytest.mark.parametrize(("name", "codes", "signed"), ERRORS)
def test_a_recorded_error(name: str, codes: list[str], signed: bool) -> None:
    known = _known(OWN / "live-keys" / "domibus-holodeck")
    reply = _wire(_file(name, "response"))
    named = re.search(rb"RefToMessageId>\s*([^<\s]+)", read_all(reply.body))
    request = _message(_wire(_file("domibus/probe-01-ok", "request")))
    outcome = conclude(
        reply,
        message_id=MessageId(named[1].decode() if named else "nothing@example"),
        references=(),
        pmode=_pmode(request, known),
        trust=known.trust,
        now=NOW,
    )
    assert isinstance(outcome, Refused), outcome
    assert [error.code for error in outcome.errors] == codes
    assert [error.signed_by is not None for error in outcome.errors] == [signed] * len(codes)


def test_a_recorded_pull_request_is_refused() -> None:
    known = _known(OWN / "live-keys" / "domibus-holodeck")
    wire = _wire(_file("holodeck/pull-empty", "request"))
    result = unpack(wire, pmodes=[], keys=known.keys, trust=known.trust, now=NOW, new_spool=MemorySpool)
    assert isinstance(result, Rejected)
    assert result.error.code == "peer.0008"
