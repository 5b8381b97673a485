"""The business envelope around a document as a value: what is remembered of it, and what delivery status is made of.

A protocol reads it out of a payload (`ehmi.status.envelope_of`); what remembers it need not know how. It holds a CPR
number where the document is about a patient: no repr shows it, and it is kept no longer than the payload is.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ehmi_ap.model import MessageId, Organisation


class Kind(StrEnum):
    """What an envelope carries (spec/ehmi.md 1.2)."""

    MESSAGE = "message"
    RECEIPT = "envelope-receipt"  # an ebBP signal, positive or negative
    ACKNOWLEDGEMENT = "acknowledgement"  # MedCom's FHIR Acknowledgement


@dataclass(frozen=True, slots=True)
class Document:
    """A message, or an envelope around one: its identifier, and what and in which version it is."""

    identifier: str
    type: str
    version: str


@dataclass(frozen=True, slots=True)
class Original:
    """Of an envelope that another one answers: its EnvelopeIdentifier, and the message in it."""

    identifier: str
    message: Document


@dataclass(frozen=True, slots=True)
class Answer:
    """An envelope that answers another one, and the message under which it passed.

    `positive` is of receipts: None where their Type does not say.
    """

    kind: Kind
    message_id: MessageId
    positive: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an envelope says of itself, of the document in it and of what it answers. Empty texts are not there.

    `transport.identifier` is the EnvelopeIdentifier and `message.identifier` the MessageIdentifier of reliable
    messaging (spec/ehmi.md 3.3); `answers` and `answers_message` are those of what it answers.
    """

    kind: Kind
    type: str  # DocumentIdentification/Type: Bundle, ReceiptAcknowledgement, ReceiptException, ...
    sender: Organisation
    receiver: Organisation
    transport: Document
    message: Document
    bundle: str | None = None  # identifier of the message envelope
    patient: str | None = field(default=None, repr=False)  # CPR
    statistics: str | None = None
    answers: str | None = None  # receipts only: ORIGINALENVELOPEIDENTIFIER
    correlates: str | None = None  # receipts only: RequestingDocumentInstanceIdentifier, which samples have malformed
    answers_message: str | None = None
    answers_type: str | None = None
    answers_version: str | None = None
    answer_due: datetime | None = None  # of what asks for a receipt
    positive: bool | None = None  # receipts only; None: their Type does not say

    @property
    def original(self) -> Original:
        """What is to be known of it when it is answered."""
        return Original(self.transport.identifier, self.message)
