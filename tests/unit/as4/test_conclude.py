"""What alpha makes of an answer (as4-wire 1.3, 5.2; peers-live 5 and 10)."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pki
import pytest
from sample_exchange import (
    ALPHA,
    RECEIPT_ID,
    alpha,
    answered,
    beta,
    certificate,
    concluded,
    inbound,
    issuing,
    keys_of,
    message,
    outbound,
    payload,
    security,
    sent,
    stranger,
    trust,
    verified,
)

from ehmi_ap.as4.ebms_text import write_body, write_receipt
from ehmi_ap.as4.pack import pack_errors, pack_receipt
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.soap import write_envelope
from ehmi_ap.as4.wss import Ids, signed_envelope
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.errors import EbmsError, FailedAuthentication, Other
from ehmi_ap.model import Acknowledged, MessageId, Outcome, Packed, Receipt, Refused, Unsettled, Wire
from ehmi_ap.pmode import PMode

SOAP = "application/soap+xml; charset=UTF-8"


@pytest.fixture(scope="module")
def packed() -> Packed:
    return sent(message(payload(), payload(b"second")))


@pytest.fixture(scope="module")
def receipt(packed: Packed) -> Receipt:
    return receipt_for(verified(packed.wire), message_id=RECEIPT_ID, now=pki.NOW)


@pytest.fixture(scope="module")
def reply(packed: Packed) -> Wire:
    return answered(verified(packed.wire))


def _reply(
    receipt: Receipt, *, signer: pki.Identity | None = None, change: Callable[[str], str] = str, **more: Any
) -> Wire:
    """A receipt signed over a changed eb:Messaging, or by somebody else."""
    ids = Ids.of(receipt.message_id)
    envelope, _ = signed_envelope(
        change(write_receipt(receipt, ids.messaging)),
        write_body(ids.body),
        (),
        ids=ids,
        signer=keys_of(signer or beta()).signing,
        security=inbound().security,
        token="bst",
    )
    return Wire(content_type=SOAP, body=MemoryBody(envelope), **more)


def _unsettled(outcome: Outcome, code: str, *, retryable: bool = True) -> Unsettled:
    assert isinstance(outcome, Unsettled), outcome
    assert (outcome.code, outcome.retryable) == (code, retryable), outcome
    return outcome


# -- a receipt


def test_a_right_receipt_settles_the_message(packed: Packed, reply: Wire) -> None:
    """TA01, TA14, G33."""
    outcome = concluded(reply, packed)
    assert isinstance(outcome, Acknowledged)
    assert outcome.wire is reply
    assert outcome.receipt.ref_to == packed.message_id
    assert outcome.receipt.message_id == RECEIPT_ID
    assert [each.key() for each in outcome.receipt.references] == [each.key() for each in packed.references]


@pytest.mark.parametrize("status", [200, 201, 202, 400, 500, 503])
def test_the_status_does_not_matter_where_there_is_a_signal(packed: Packed, reply: Wire, status: int) -> None:
    """as4-wire 1.3, 9.18."""
    assert isinstance(concluded(replace(reply, status=status), packed), Acknowledged)


def test_a_receipt_in_a_multipart_of_one(packed: Packed, reply: Wire) -> None:
    """as4-wire 9.36, TA21, TA22; a bare one may have an action parameter."""
    body = b'--b\r\nContent-Type: application/soap+xml; action="x"\r\n\r\n' + read_all(reply.body) + b"\r\n--b--"
    wire = Wire(content_type='Multipart/Related; type="application/soap+xml"; boundary=b', body=MemoryBody(body))
    assert isinstance(concluded(wire, packed), Acknowledged)
    named = replace(reply, content_type='application/soap+xml; action="urn:x"; charset=utf-8')
    assert isinstance(concluded(named, packed), Acknowledged)


@pytest.mark.parametrize("token", ["bst", "pkipath", "ski", "issuer-serial", "thumbprint", "x509-ski"])
def test_a_receipt_signed_with_any_token_form(packed: Packed, token: str) -> None:
    mode = security(inbound(), receipt_token=token)
    reply = answered(replace(verified(packed.wire), pmode=mode))
    assert isinstance(concluded(reply, packed), Acknowledged)
    only = security(outbound(), accept_token=("bst",))
    if token != "bst":
        assert "token form" in _unsettled(concluded(reply, packed, only), "EBMS:0302").reason


def test_references_in_another_order_and_a_foreign_child(packed: Packed, receipt: Receipt) -> None:
    """as4-wire 5.1; peers-live 10 sender 7: phase4 puts its own element behind the NRI."""
    reordered = replace(receipt, references=tuple(reversed(receipt.references)))
    assert isinstance(concluded(_reply(reordered), packed), Acknowledged)
    foreign = '<x:phase4 xmlns:x="urn:fdc:com.helger.phase4:ns:info" version="4"></x:phase4></eb:Receipt>'
    reply = _reply(receipt, change=lambda text: text.replace("</eb:Receipt>", foreign))
    assert isinstance(concluded(reply, packed), Acknowledged)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: replace(r, references=r.references[:-1]), id="reference missing"),
        pytest.param(lambda r: replace(r, references=(*r.references, r.references[0])), id="reference twice"),
        pytest.param(
            lambda r: replace(
                r,
                references=(
                    *r.references[:-1],
                    replace(
                        r.references[-1],
                        xml=re.sub(rb"<ds:DigestValue>....", b"<ds:DigestValue>AAAA", r.references[-1].xml),
                    ),
                ),
            ),
            id="wrong digest",
        ),
    ],
)
def test_a_receipt_that_does_not_name_what_was_sent(
    packed: Packed, receipt: Receipt, change: Callable[[Receipt], Receipt]
) -> None:
    """as4-wire 5.2 item 3; peers-live 5: 0302, and the retries go on."""
    outcome = _unsettled(concluded(_reply(change(receipt)), packed), "EBMS:0302")
    assert "receipt" in outcome.reason


def test_a_receipt_for_another_message_is_none_for_this_one(packed: Packed, receipt: Receipt) -> None:
    """as4-wire 5.2 item 1; three of four peers take it."""
    other = replace(receipt, ref_to=MessageId("other@alpha.example"))
    _unsettled(concluded(_reply(other), packed), "EBMS:0301")
    nameless = _reply(receipt, change=lambda text: re.sub("<eb:RefToMessageId>.*</eb:RefToMessageId>", "", text))
    _unsettled(concluded(nameless, packed), "EBMS:0301")


def test_a_receipt_without_non_repudiation(packed: Packed, receipt: Receipt) -> None:
    """peers-live 5: no NRI proves nothing."""
    bare = _reply(
        receipt,
        change=lambda text: re.sub(
            "<eb:Receipt>.*</eb:Receipt>", '<eb:Receipt><x:y xmlns:x="urn:x"></x:y></eb:Receipt>', text
        ),
    )
    assert "NonRepudiationInformation" in _unsettled(concluded(bare, packed), "EBMS:0302").reason


def _unsigned(receipt: Receipt) -> Wire:
    ids = Ids.of(receipt.message_id)
    text = write_envelope("", write_receipt(receipt, ids.messaging), write_body(ids.body))
    return Wire(content_type=SOAP, body=MemoryBody(text))


def test_an_unsigned_receipt(packed: Packed, receipt: Receipt) -> None:
    """peers-live 5: phase4 and Holodeck take it, we do not."""
    _unsettled(concluded(_unsigned(receipt), packed), "EBMS:0302")


@pytest.mark.parametrize("where", ["messaging", "body"])
def test_a_receipt_signed_in_part(packed: Packed, receipt: Receipt, where: str) -> None:
    """peers-live 5: Messaging and Body have to be covered."""
    ids = Ids.of(receipt.message_id)
    messaging, body = write_receipt(receipt, ids.messaging), write_body(ids.body)
    other = '<x:other xmlns:wsu="{}" xmlns:x="urn:x" wsu:Id="{}"></x:other>'
    wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    signed_instead = other.format(wsu, ids.messaging if where == "messaging" else ids.body)
    texts = (signed_instead, body) if where == "messaging" else (messaging, signed_instead)
    envelope, _ = signed_envelope(
        *texts, (), ids=ids, signer=keys_of(beta()).signing, security=inbound().security, token="bst"
    )
    text = envelope.decode()
    if where == "messaging":
        text = text.replace(signed_instead, signed_instead + messaging.replace(ids.messaging, "elsewhere"))
    else:
        text = text.replace("</env:Header>", f"{signed_instead}</env:Header>", 1)
        text = text.replace(f"</env:Header>{signed_instead}", f"</env:Header>{body.replace(ids.body, 'elsewhere')}")
    reply = Wire(content_type=SOAP, body=MemoryBody(text.encode()))
    assert "not covered" in _unsettled(concluded(reply, packed), "EBMS:0302").reason


@pytest.mark.parametrize(
    "signer",
    [
        pytest.param(stranger, id="unknown CA"),
        pytest.param(alpha, id="another party of the CA"),
        pytest.param(
            lambda: pki.make_leaf(issuing(), "beta", key="b", not_after=pki.NOW - timedelta(days=1)), id="expired"
        ),
    ],
)
def test_a_receipt_signed_by_somebody_else(
    packed: Packed, receipt: Receipt, signer: Callable[[], pki.Identity]
) -> None:
    """peers-live 5; DS_TA03: only the partner's own certificate, bound to the party."""
    _unsettled(concluded(_reply(receipt, signer=signer()), packed), "EBMS:0302")


def test_a_partner_below_an_anchor_is_bound_by_its_name(packed: Packed, receipt: Receipt) -> None:
    mode = outbound(certificate=None, trust=("issuing",), party_binding="subject-cn")
    assert isinstance(concluded(_reply(receipt), packed, mode), Acknowledged)
    _unsettled(concluded(_reply(receipt, signer=alpha()), packed, mode), "EBMS:0302")
    _unsettled(concluded(_reply(receipt), packed, replace(mode, partner=ALPHA)), "EBMS:0302")
    _unsettled(concluded(_reply(receipt), packed, replace(mode, partner=None)), "EBMS:0302")


def test_a_receipt_changed_after_it_was_signed(packed: Packed, reply: Wire) -> None:
    data = read_all(reply.body)
    changed = data.replace(b"receipt-1@", b"receipt-2@")
    assert changed != data
    _unsettled(concluded(replace(reply, body=MemoryBody(changed)), packed), "EBMS:0101")


def test_a_receipt_whose_signature_is_not_of_its_certificate(packed: Packed, reply: Wire) -> None:
    """DS_TA03: 0101 where it does not verify, 0302 where it is another's."""
    data = re.sub(rb"(<ds:SignatureValue>)(.)", lambda m: m[1] + (b"A" if m[2] != b"A" else b"B"), read_all(reply.body))
    _unsettled(concluded(replace(reply, body=MemoryBody(data)), packed), "EBMS:0101")


def test_a_receipt_proves_nothing_where_nothing_is_known_of_what_was_signed(reply: Wire, packed: Packed) -> None:
    _unsettled(concluded(reply, replace(packed, references=())), "EBMS:0302")


# -- errors


def _errors(
    *errors: EbmsError, keys: Keys | None = None, ref_to: str | None = "message-1@alpha.example", **mode: Any
) -> Wire:
    return pack_errors(
        errors or (FailedAuthentication("x", public="No such signer."),),
        message_id=MessageId("error-1@beta.example"),
        ref_to=None if ref_to is None else MessageId(ref_to),
        now=pki.NOW,
        pmode=inbound(**mode),
        keys=keys,
    )


@pytest.mark.parametrize(
    ("keys", "signed_by"),
    [
        pytest.param(keys_of(beta()), certificate(beta()).sha256, id="signed"),
        pytest.param(None, None, id="unsigned"),
        pytest.param(keys_of(stranger()), None, id="signed by somebody else"),
    ],
)
@pytest.mark.parametrize("mode", [{}, {"error_status": 500, "error_fault": True}])
def test_an_error_refuses_the_message(
    packed: Packed, keys: Keys | None, signed_by: str | None, mode: dict[str, Any]
) -> None:
    """as4-wire 1.3, 9.17, 9.18: any status, signed or not, with a Fault in the Body or without."""
    outcome = concluded(_errors(keys=keys, **mode), packed)
    assert isinstance(outcome, Refused)
    error = outcome.errors[0]
    assert (error.code, error.severity, error.signed_by) == ("EBMS:0101", "failure", signed_by)
    assert error.detail == error.description == "No such signer."
    assert error.ref_to == packed.message_id


def test_every_error_of_the_signal_is_told(packed: Packed) -> None:
    """peers-live 4: Holodeck answers 0010 and 0102 in one signal."""
    outcome = concluded(_errors(FailedAuthentication("a"), Other("b")), packed)
    assert isinstance(outcome, Refused)
    assert [error.code for error in outcome.errors] == ["EBMS:0101", "EBMS:0004"]


def test_a_duplicate_error_says_so(packed: Packed) -> None:
    """Decision 18."""
    outcome = concluded(_errors(Other("x", public="This is a Duplicate.")), packed)
    assert isinstance(outcome, Refused)
    assert outcome.says_duplicate


def test_an_error_need_not_say_about_what(packed: Packed) -> None:
    assert isinstance(concluded(_errors(ref_to=None), packed), Refused)


def test_an_error_about_another_message_is_none_about_this_one(packed: Packed) -> None:
    _unsettled(concluded(_errors(ref_to="other@alpha.example"), packed), "EBMS:0301")


def _severity(wire: Wire, severity: str) -> Wire:
    data = read_all(wire.body).replace(b'severity="failure"', f'severity="{severity}"'.encode())
    return replace(wire, body=MemoryBody(data))


def test_warnings_alone_are_a_missing_receipt(packed: Packed) -> None:
    """as4-wire 6.1, peers-live 5: Domibus answers 0052 as a warning."""
    outcome = _unsettled(concluded(_severity(_errors(), "warning"), packed), "EBMS:0301")
    assert "EBMS:0101" in outcome.reason


@pytest.mark.parametrize("severity", ["error", "fatal", "FAILURE"])
def test_odd_severities_are_failures(packed: Packed, severity: str) -> None:
    """as4-wire 6.1, 9.21."""
    assert isinstance(concluded(_severity(_errors(), severity), packed), Refused)


# -- no signal


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_answer_is_a_missing_receipt(packed: Packed, status: int) -> None:
    """as4-wire 1.3, 9.34; peers-live 10 sender 9."""
    _unsettled(concluded(Wire(content_type="", body=MemoryBody(b""), status=status), packed), "EBMS:0301")


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (301, False),
        (400, False),
        (401, False),
        (404, False),
        (413, False),
        (408, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
def test_a_status_without_signal(packed: Packed, status: int, retryable: bool) -> None:
    """as4-wire 1.3: 0005; gateways' 408, 429 and 5xx are worth another try."""
    wire = Wire(content_type="text/html", body=MemoryBody(b"<h1>no</h1>"), status=status, retry_after=120.0)
    outcome = _unsettled(concluded(wire, packed), "EBMS:0005", retryable=retryable)
    assert outcome.retry_after == 120
    assert str(status) in outcome.reason


@pytest.mark.parametrize(
    "body",
    [
        b"not xml",
        b"<x/>",
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault/></e:Body></e:Envelope>',
        b'<!DOCTYPE x [<!ENTITY a "b">]><x/>',
    ],
)
def test_an_unreadable_answer(packed: Packed, body: bytes) -> None:
    """peers-live 5: whatever came, no exception; a 500 is 0005, a 200 a missing receipt."""
    wire = Wire(content_type=SOAP, body=MemoryBody(body))
    _unsettled(concluded(wire, packed), "EBMS:0301")
    _unsettled(concluded(replace(wire, status=500), packed), "EBMS:0005")


def test_an_answer_over_the_budget_is_not_read(packed: Packed, reply: Wire) -> None:
    """The body is read under a budget."""

    class Endless(MemoryBody):
        @property
        def size(self) -> int:
            return 2 * 1024 * 1024

        def chunks(self, start: int = 0, stop: int | None = None) -> Any:
            raise AssertionError("must not be read")

    _unsettled(concluded(replace(reply, body=Endless(b"")), packed), "EBMS:0301")


def test_a_user_message_alone_is_no_receipt(packed: Packed) -> None:
    _unsettled(concluded(packed.wire, packed), "EBMS:0301")


def test_a_receipt_beside_a_user_message(packed: Packed, receipt: Receipt) -> None:
    """as4-wire 2.1: a two-way answer may carry both."""
    from_sender = read_all(sent(message(message_id=MessageId("two-way@beta.example"))).wire.body)
    user = re.search(rb"<eb:UserMessage.*</eb:UserMessage>", from_sender)
    assert user is not None
    both = _reply(
        receipt, change=lambda text: text.replace("<eb:SignalMessage>", user[0].decode() + "<eb:SignalMessage>")
    )
    assert isinstance(concluded(both, packed), Acknowledged)


def test_the_p_modes_allow_lists_hold_for_answers(packed: Packed, receipt: Receipt) -> None:
    mode: PMode = security(outbound(), accept_sign=("rsa-sha512",))
    assert "not allowed" in _unsettled(concluded(_reply(receipt), packed, mode), "EBMS:0302").reason


def test_a_p_mode_that_names_an_unknown_certificate(packed: Packed, reply: Wire) -> None:
    """A certificate deleted while its P-Mode stands: no crash, no settled message."""
    _unsettled(concluded(reply, packed, trust=Trust({"root": trust().anchors(("root",))})), "EBMS:0302")


def test_packing_a_receipt_and_concluding_it_agree_for_many_parts() -> None:
    many = sent(message(*(payload(str(n).encode()) for n in range(28))))
    receipt = receipt_for(verified(many.wire), message_id=RECEIPT_ID, now=pki.NOW)
    assert len(receipt.references) == 30
    assert isinstance(concluded(pack_receipt(receipt, inbound(), keys=keys_of(beta())), many), Acknowledged)
