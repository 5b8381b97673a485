"""What the daemon's own functions make of the recordings, each file of them: unpack() of requests and our receipts for
them, conclude() of responses (as4-wire 10.4).

Nothing here is judged by product code alone: what a receipt of ours names is held against the sender's signature by
tests/independent.py, which shares nothing with it.
"""

import hashlib
import re
from dataclasses import replace
from functools import cache

import independent
import pytest
from cryptography import x509
from lxml import etree
from recordings import (
    AT,
    DATA,
    ERRORS,
    LIVE,
    MESSAGES,
    PRODUCTS,
    PULL,
    RECEIPTS,
    header_of,
    keys_of,
    pair_of,
    request_of,
    trust_of,
    wire_of,
)

from ehmi_ap.as4.conclude import conclude
from ehmi_ap.as4.pack import pack_errors, pack_receipt
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.unpack import Rejected, Verified, unpack
from ehmi_ap.body import MemorySpool, read_all
from ehmi_ap.errors import EbmsError
from ehmi_ap.flows.explain import hint, told
from ehmi_ap.model import Acknowledged, MessageId, Outcome, Reference, Refused, Unsettled, UserMessage, Wire
from ehmi_ap.pmode import DEFAULT_MPC, PMode

OURS = MessageId("receipt@receiver.example")


def test_every_recording_is_judged_here() -> None:
    """A file that is in no list of this module was not judged by the daemon's functions."""
    files = (path.relative_to(DATA) for path in DATA.rglob("*") if path.is_file())
    recorded = {path.as_posix() for path in files if path.parts[0] in PRODUCTS}
    assert recorded == {*MESSAGES, *RECEIPTS, *ERRORS, PULL}


# -- requests


def receiving(message: UserMessage, certificate: str = "sender", **changes: object) -> PMode:
    """The receiver's P-Mode: the very values of the message, and its sender's certificate pinned to the party."""
    pmode = PMode(
        name="recorded",
        us=message.to.id,
        partner=message.from_.id,
        service=message.service,
        actions=(message.action,),
        agreement=message.agreement,
        initiator_role=message.from_.role,
        responder_role=message.to.role,
        mpc=message.mpc or DEFAULT_MPC,
        certificate=certificate,
        trust=("ca",),
    )
    return replace(pmode, **changes)  # type: ignore[arg-type]  # values of a test


def unpacked(name: str, certificate: str = "sender") -> Verified | Rejected:
    wire, pair = wire_of(name), pair_of(name)
    pmode = receiving(header_of(name).user[0].message, certificate)
    result = unpack(wire, pmodes=[pmode], keys=keys_of(pair), trust=trust_of(pair), now=AT, new_spool=MemorySpool)
    assert isinstance(result, Verified | Rejected)
    return result


@cache
def verified(name: str) -> Verified:
    result = unpacked(name)
    assert isinstance(result, Verified), result
    return result


def independently(wire: Wire, name: str) -> independent.Facts:
    """The same bytes, judged by code that is not the product's."""
    pair = pair_of(name)
    return independent.check(read_all(wire.body), wire.content_type, [pair.key_pem], pair.certificates)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_recorded_message_is_verified(name: str) -> None:
    result, expected = verified(name), LIVE[name]
    contents = [read_all(payload.body) for payload in result.message.payloads]
    assert tuple((len(data), hashlib.sha256(data).hexdigest()) for data in contents) == expected.payloads
    assert {payload.mime_type for payload in result.message.payloads} <= {"application/xml"}
    assert len(result.references) == len(expected.digests)
    assert result.test == expected.test_service
    assert result.signer == trust_of(pair_of(name)).anchors(["sender"])[0]


@pytest.mark.parametrize("name", MESSAGES)
def test_a_recorded_message_is_refused_where_another_certificate_is_agreed(name: str) -> None:
    """Same CA, another access point: what only Domibus of the four would notice (peers-live 4)."""
    result = unpacked(name, certificate="receiver")
    assert isinstance(result, Rejected)
    assert result.error.code == "peer.0101"


@pytest.mark.parametrize("name", MESSAGES)
def test_our_receipt_names_what_the_sender_signed(name: str) -> None:
    """Every ds:Reference of the sender's SignedInfo stands in our receipt, in order, byte for byte as canonical XML;
    the receipt's own signature holds over eb:Messaging and Body, and is of the receiver's certificate.
    """
    request = independently(wire_of(name), name)
    wire = pack_receipt(
        receipt_for(verified(name), message_id=OURS, now=AT), verified(name).pmode, keys=keys_of(pair_of(name))
    )
    receipt = independently(wire, name)
    independent.insist(read_all(wire.body), wire.content_type, receipt)
    assert receipt.receipt == request.references
    assert canonical(receipt.root, ".//ebbp:MessagePartNRInformation/ds:Reference") == canonical(
        request.root, ".//ds:SignedInfo/ds:Reference"
    )
    assert receipt.signer == x509.load_pem_x509_certificate(pair_of(name).certificates[1])
    (named,) = receipt.root.findall(".//eb:SignalMessage/eb:MessageInfo/eb:RefToMessageId", independent.NS)
    assert named.text == request.root.findtext(".//eb:UserMessage/eb:MessageInfo/eb:MessageId", None, independent.NS)
    assert (wire.status, wire.content_type.partition(";")[0]) == (200, "application/soap+xml")


def canonical(root: etree._Element, path: str) -> list[bytes]:
    """Each element in its exclusive canonical form, by libxml2."""
    return [etree.tostring(found, method="c14n", exclusive=True) for found in root.iterfind(path, independent.NS)]


def test_a_recorded_pull_request_is_answered_0008() -> None:
    """Nothing is pulled here; the answer cannot be signed, as no P-Mode is known (as4-wire 6.4)."""
    pair = pair_of(PULL)
    result = unpack(wire_of(PULL), pmodes=[], keys=keys_of(pair), trust=trust_of(pair), now=AT, new_spool=MemorySpool)
    assert isinstance(result, Rejected)
    assert isinstance(result.error, EbmsError)
    answer = pack_errors([result.error], message_id=OURS, ref_to=result.ref_to, now=AT, pmode=None, keys=None)
    facts = independently(answer, PULL)
    assert (facts.errors, facts.signed) == (["EBMS:0008"], False)


# -- responses


def concluded(name: str, about: MessageId, references: tuple[Reference, ...], certificate: str = "receiver") -> Outcome:
    """What the sender makes of a recorded response; its P-Mode pins the responder's certificate."""
    request = header_of(message_before(name) or "domibus/probe-01-ok.request").user[0].message
    agreed = receiving(request, us=request.from_.id, partner=request.to.id, certificate=certificate)
    return conclude(
        wire_of(name),
        message_id=about,
        references=references,
        pmode=agreed,
        trust=trust_of(pair_of(name)),
        now=AT,
    )


def about(name: str) -> MessageId:
    """The message that a response says it is about; some errors say none."""
    (signal,) = header_of(name).signals
    return signal.ref_to or MessageId("unnamed@sender.example")


def message_before(name: str) -> str | None:
    """The message that a response answers, where it was kept."""
    request = request_of(name)
    return request if request in MESSAGES else None


def sent_before(name: str) -> tuple[Reference, ...]:
    """What the request that a receipt answers had signed. Of one receipt the request was not kept: what it names."""
    request = message_before(name)
    if request is not None:
        return verified(request).references
    named = header_of(name).signals[0].references
    assert named is not None
    return named


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_recorded_receipt_acknowledges_its_message(name: str) -> None:
    request = message_before(name)
    assert request is None or about(name) == verified(request).message.message_id
    outcome = concluded(name, about(name), sent_before(name))
    assert isinstance(outcome, Acknowledged), outcome
    assert len(outcome.receipt.references) == LIVE[name].receipt


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_recorded_receipt_acknowledges_nothing_else(name: str) -> None:
    """Another message, other digests, one reference less or more, another signer of the same CA (peers-live 10,
    sender 7).
    """
    references = sent_before(name)
    other = next(each for each in RECEIPTS if sent_before(each) != references)
    for changed in (references[1:], (*references, sent_before(other)[0]), sent_before(other), ()):
        outcome = concluded(name, about(name), changed)
        assert isinstance(outcome, Unsettled), outcome
        assert outcome.code == "EBMS:0302"
    foreign = concluded(name, about(name), references, certificate="sender")
    assert isinstance(foreign, Unsettled), foreign
    assert foreign.code == "EBMS:0302"
    elsewhere = concluded(name, MessageId("another@sender.example"), references)
    assert isinstance(elsewhere, Unsettled), elsewhere
    assert elsewhere.code == "EBMS:0301"


FAILURES = [name for name in ERRORS if all(severity == "failure" for _, severity in LIVE[name].errors)]


@pytest.mark.parametrize("name", FAILURES)
def test_a_recorded_error_refuses_the_message(name: str) -> None:
    outcome = concluded(name, about(name), ())
    assert isinstance(outcome, Refused), outcome
    assert [error.code for error in outcome.errors] == LIVE[name].codes
    assert {error.signed_by is not None for error in outcome.errors} == {LIVE[name].signed}
    assert not outcome.says_duplicate


@pytest.mark.parametrize("name", sorted({*ERRORS} - {*FAILURES}))
def test_a_recorded_warning_is_no_receipt(name: str) -> None:
    outcome = concluded(name, about(name), ())
    assert isinstance(outcome, Unsettled), outcome
    assert outcome.code == "EBMS:0301"
    assert all(code in outcome.reason for code in LIVE[name].codes)
    assert outcome.retryable


CAUSES = {
    "wrong-recipient-key": "we encrypt for",
    "unknown-signer": "our signing certificate",
    "tampered-ciphertext": "how the message is secured|changed on the way",
    "tampered-payload": "how the message is secured",
    "unsigned": "how the message is secured|security check",
    "unencrypted": "how the message is secured",
    "unknown-pmode-service": "service, action, agreement",
    "unknown-pmode-party": "parties and their types",
}
"""What was really wrong, as the file names it, and the words of our hint that lead to it."""


@pytest.mark.parametrize("name", FAILURES)
def test_the_hint_on_a_recorded_error_names_what_was_really_wrong(name: str) -> None:
    """Whatever code the product chose for it (peers-live 10, sender 11)."""
    outcome = concluded(name, about(name), ())
    assert isinstance(outcome, Refused)
    found = re.search(r"/probe-\d+-([a-z-]+)\.", name)
    assert found is not None
    assert re.search(CAUSES[found[1]], hint(outcome.errors[0].code, told(outcome.errors)))
