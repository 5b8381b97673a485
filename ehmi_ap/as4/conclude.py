"""Reply -> Acknowledged | Refused | Unsettled: what the answer to a message we sent means.

The body is looked at whatever the status (as4-wire 1.3); only where it holds no eb:Messaging the status speaks.
Then the first of these that is so:

    an eb:Error of severity failure about our message      Refused, signed or not; `signed_by` when verified
    a receipt that proves all we sent                      Acknowledged
    a receipt whose signature does not verify              Unsettled 0101: the retries go on
    one that does not prove it otherwise                   Unsettled 0302: the retries go on (as4-wire 5.2 item 3)
    warnings only, or nothing about our message            Unsettled 0301

Hardly any peer checks receipts fully; we do (peers-live 10, sender 7): signature, signer, binding to the party,
eb:Messaging and Body covered, RefToMessageId, and the complete set of references.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ehmi_ap.as4.ebms import Header, SignalHeader
from ehmi_ap.as4.mime import MimeLimits, read
from ehmi_ap.as4.receipt import compare
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.verify import (
    check_coverage,
    check_elements,
    check_signers,
    check_transforms,
    check_value,
    parse_envelope,
    read_header,
    read_proof,
)
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS
from ehmi_ap.errors import InvalidReceipt, PeerError
from ehmi_ap.model import (
    Acknowledged,
    ErrorSignal,
    MessageId,
    Outcome,
    Receipt,
    Reference,
    Refused,
    Unsettled,
    Wire,
)
from ehmi_ap.pmode import PMode

ANSWER_BYTES = 1024**2
"""Budget on an answer: a receipt for 100 parts has 80 KB."""

_INVALID, _UNVERIFIED = "EBMS:0302", "EBMS:0101"
_WORTH_A_RETRY = (408, 429)  # and all of 5xx; the other 4xx and the redirects will be the same next time


@dataclass(frozen=True, slots=True)
class _Answer:
    envelope: Envelope
    header: Header


def conclude(
    reply: Wire,
    *,
    message_id: MessageId,
    references: Sequence[Reference],
    pmode: PMode,
    trust: Trust,
    now: datetime,
) -> Outcome:
    """What `reply` says about the message `message_id`, of which `references` were signed. Never raises PeerError.

    For a POSTed signal the request is the reply; an unverified error there (`signed_by` None) proves nothing.
    """
    answer = _read(reply)
    if answer is None:
        return _by_status(reply)
    signals = [signal for signal in answer.header.signals if _is_about(signal, message_id)]
    signer, doubt = _judge(answer.envelope, pmode, trust, now)
    errors = tuple(_failures(signals, message_id, signer))
    if errors:
        return Refused(errors=errors)
    receipts = [signal for signal in signals if signal.is_receipt]
    if not receipts:
        return _nothing_usable(answer.header)
    try:
        receipt = _receipt(receipts[0], message_id)
        if doubt is not None:
            return doubt
        compare(references, receipt)
    except InvalidReceipt as error:
        return Unsettled(code=_INVALID, reason=error.what)
    return Acknowledged(receipt=receipt, wire=reply)


def _read(reply: Wire) -> _Answer | None:
    """The answer's envelope and header; None when there is no eb:Messaging that can be read."""
    if reply.body.size > ANSWER_BYTES:
        return None
    try:
        envelope = parse_envelope(read(reply, MimeLimits())[0], DEFAULT_LIMITS)
        return _Answer(envelope, read_header(envelope))
    except PeerError:
        return None


def _by_status(reply: Wire) -> Unsettled:
    """No eb:Messaging: a 2xx is a missing receipt, anything else a failed connection (as4-wire 1.3)."""
    if 200 <= reply.status < 300:
        what = "an empty answer" if reply.body.size == 0 else "an answer that is no readable AS4 signal"
        return Unsettled(code="EBMS:0301", reason=f"HTTP {reply.status} with {what}", retry_after=reply.retry_after)
    return Unsettled(
        code="EBMS:0005",
        reason=f"HTTP {reply.status} without an ebMS signal",
        retryable=reply.status in _WORTH_A_RETRY or reply.status >= 500,
        retry_after=reply.retry_after,
    )


def _is_about(signal: SignalHeader, message_id: MessageId) -> bool:
    """An error may leave out which message it is about, a receipt may not (as4-wire 5.2 item 1)."""
    named = {signal.ref_to, *(error.ref_to for error in signal.errors)} - {None}
    return message_id in named or (not named and not signal.is_receipt)


def _judge(
    envelope: Envelope, pmode: PMode, trust: Trust, now: datetime
) -> tuple[Certificate | None, Unsettled | None]:
    """Steps 6 to 8 over an answer: its signer, or why there is none to rely on."""
    code = _INVALID
    try:
        proof = read_proof(envelope, (), security=pmode.security, trust=trust, now=now)
        check_transforms(proof)
        code = _UNVERIFIED
        fitting = check_value(proof)
        code = _INVALID
        check_coverage(proof, envelope, parts=1)
        signer = check_signers(fitting, pmode=pmode, party=pmode.partner, trust=trust, now=now)
        code = _UNVERIFIED
        check_elements(proof)  # last, as in unpack: anybody can post an answer, and this costs the most
        return signer, None
    except PeerError as error:
        return None, Unsettled(code=code, reason=f"the receipt is not proven: {error.what}")


def _failures(
    signals: Iterable[SignalHeader], message_id: MessageId, signer: Certificate | None
) -> Iterable[ErrorSignal]:
    for signal in signals:
        for error in signal.errors:
            if error.severity == "failure" and error.ref_to in (None, message_id):
                yield replace(error, signed_by=None if signer is None else signer.sha256)


def _nothing_usable(header: Header) -> Unsettled:
    warnings = [error for signal in header.signals for error in signal.errors]
    if warnings:
        codes = ", ".join(sorted({error.code for error in warnings}))
        return Unsettled(code="EBMS:0301", reason=f"no receipt, only {codes}")
    return Unsettled(code="EBMS:0301", reason="the answer holds no receipt for this message")


def _receipt(signal: SignalHeader, message_id: MessageId) -> Receipt:
    if signal.references is None:
        raise InvalidReceipt("the receipt holds no NonRepudiationInformation, so it proves nothing")
    return Receipt(
        message_id=signal.message_id, ref_to=message_id, timestamp=signal.timestamp, references=signal.references
    )
