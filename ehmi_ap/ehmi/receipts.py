"""Envelope receipts: the answer of a receiving message service handler to an envelope (spec/ehmi.md 3.1, 3.2).

They are for C4's message service handler, which has judged the document; an access point alone never makes one. The
outcome has to be stored before its receipt is sent: a positive one never follows a negative one, nor the reverse.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.checks import instant
from ehmi_ap.ehmi.envelope_text import ContentNamespace, write
from ehmi_ap.ehmi.header import Correlation, Header, Scope
from ehmi_ap.ehmi.signals import Cause, Refusal, Signal, SignalKind, write_signal
from ehmi_ap.envelope import Kind
from ehmi_ap.errors import SubmissionError


def wants_receipt(header: Header) -> bool:
    """Whether an envelope asks for a receipt: it is none itself, and has a Request scope (ehmi.md 2.6, 3.3)."""
    return header.kind is not Kind.RECEIPT and header.reliable_messaging == names.REQUEST


def envelope_receipt(
    header: Header,
    *,
    now: datetime,
    new_uuid: Callable[[], UUID],
    refusal: Refusal | None = None,
    namespace: ContentNamespace = "peppol",
) -> bytes:
    """The envelope with the receipt for the envelope with this header: positive, or negative with a `refusal`.

    Args:
        now: when it is made; aware.
        new_uuid: gives the ids of the receipt's envelope and message.

    Raises:
        SubmissionError: the envelope is a receipt, which nobody answers; or the refusal is none that EHMI uses.
    """
    if header.kind is Kind.RECEIPT:
        raise SubmissionError("a receipt is never answered with a receipt", fix="Send none (ehmiSBDH receipts, 3.2).")
    if refusal is not None and (refusal.type != "ReceiptException" or refusal.cause not in tuple(Cause)):
        raise SubmissionError(
            "EHMI has no such exception", fix=f"Give a ReceiptException with one of {', '.join(Cause)}."
        )
    created = now.isoformat(timespec="seconds")
    signal = Signal(
        kind=SignalKind.RECEIPT if refusal is None else SignalKind.EXCEPTION,
        original_message=header.instance_identifier,
        original_document=header.scope("DOCUMENTID"),
        original_at=header.created_at,
        at=created,
        sender=header.receiver,
        receiver=header.sender,
        collaboration=header.instance_identifier,
        refusal=refusal,
    )
    answer = Header(
        version="1.0",
        sender=header.receiver,
        receiver=header.sender,
        standard=names.RECEIPT_STANDARD,
        type_version=names.RECEIPT_VERSION,
        instance_identifier=str(new_uuid()),
        type="ReceiptAcknowledgement" if refusal is None else "ReceiptException",
        created_at=created,
        scopes=tuple(_scopes(header, str(new_uuid()))),
        mime_type=names.XML,
        encoding="UTF-8",
    )
    return write(answer, write_signal(signal), namespace)


def _scopes(header: Header, message_id: str) -> Iterator[Scope]:
    """What a receipt says (ehmi.md 2.4, column R); a scope that the original has not is left out."""
    values = (
        ("DOCUMENTID", names.RECEIPT_DOCUMENTID),
        ("PROCESSID", names.PROCESSID),
        ("SENDERID", header.scope("RECEIVERID")),
        ("RECEIVERID", header.scope("SENDERID")),
        ("MESSAGEIDENTIFIER", message_id),
        ("ORIGINALMESSAGEIDENTIFIER", header.scope("MESSAGEIDENTIFIER")),
        ("ORIGINALMESSAGEENVELOPEIDENTIFIER", header.scope("MESSAGEENVELOPEIDENTIFIER")),
        ("ORIGINALMESSAGESTANDARD", header.standard),
        ("ORIGINALMESSAGEVERSION", header.type_version),
        ("ORIGINALENVELOPEIDENTIFIER", header.instance_identifier),
        ("StatisticalInformation", names.RECEIPT_STATISTICS),
    )
    for kind, value in values:
        if value:
            yield Scope(kind, value, names.IDENTIFIER)
    asked = header.correlation
    yield Scope(
        names.RELIABLE,
        names.RESPONSE,
        names.IDENTIFIER,
        Correlation(
            created_at=asked.created_at if asked else header.created_at,
            instance_identifier=asked.instance_identifier if asked else header.instance_identifier,
        ),
    )


def correlates(receipt: Header, request: Header) -> bool:
    """Whether this receipt is for this request: both ends, and what its correlation repeats (ehmi.md 3.2)."""
    said, asked = receipt.correlation, request.correlation
    if receipt.kind is not Kind.RECEIPT or said is None:
        return False
    wanted = (
        asked.instance_identifier if asked else request.instance_identifier,
        instant(asked.created_at if asked else request.created_at),
    )
    ends = ("SENDERID", "RECEIVERID")
    return (
        (receipt.sender, receipt.receiver) == (request.receiver, request.sender)
        and [receipt.scope(end) for end in ends] == [request.scope(end) for end in reversed(ends)]
        and (said.instance_identifier, instant(said.created_at)) == wanted
    )
