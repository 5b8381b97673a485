"""What EHMI's delivery status says about an envelope: read from its header, payload unopened (spec/eds.md 2).

The same facts make every event of the envelope at one access point. They hold a CPR number where the message is about
a patient, so they are kept as payloads are, and no repr shows it.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.checks import instant
from ehmi_ap.ehmi.header import Header
from ehmi_ap.envelope import Document, Envelope, Kind, Original
from ehmi_ap.model import Organisation

UNKNOWN = "unknown"
"""What the IG writes where an acknowledgement does not say what it acknowledges (design decision 12)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that the events of one envelope hold besides time, device and outcome."""

    kind: Kind
    sender: Organisation
    receiver: Organisation
    message: Document
    transport: Document  # the envelope itself
    patient: str | None = field(default=None, repr=False)  # CPR
    statistics: str | None = None
    envelope: str | None = None  # identifier of the message envelope: Bundle.id
    envelope_type: str | None = None
    original_message: Document | None = None
    original_transport: str | None = None  # identifier of the envelope that a receipt is for


@dataclass(frozen=True, slots=True)
class Gap:
    """Why an envelope gets no status: what its header lacks, by the names of its scopes."""

    missing: tuple[str, ...]


def envelope_of(header: Header) -> Envelope:
    """The values of a header that are used after it was judged.

    The signal in the payload of a receipt is not asked what it is for: an access point does not open it (design
    decision 13).
    """
    receipt = header.kind is Kind.RECEIPT
    correlation = header.correlation
    asked = not receipt and header.reliable_messaging == names.REQUEST  # a receipt is never answered with one
    return Envelope(
        kind=header.kind,
        type=header.type,
        sender=Organisation(header.scope("SENDERID") or "", _gln(header.sender.value)),
        receiver=Organisation(header.scope("RECEIVERID") or "", _gln(header.receiver.value)),
        transport=Document(header.instance_identifier, "SBDH", header.version),
        message=Document(header.scope("MESSAGEIDENTIFIER") or "", header.standard, header.type_version),
        bundle=None if receipt else header.scope("MESSAGEENVELOPEIDENTIFIER"),
        patient=header.scope("PATIENTID"),
        statistics=header.scope("StatisticalInformation"),
        answers=header.scope("ORIGINALENVELOPEIDENTIFIER") if receipt else None,
        correlates=correlation.instance_identifier if correlation is not None and receipt else None,
        answers_message=None if header.kind is Kind.MESSAGE else header.scope("ORIGINALMESSAGEIDENTIFIER"),
        answers_type=header.scope("ORIGINALMESSAGESTANDARD"),
        answers_version=header.scope("ORIGINALMESSAGEVERSION"),
        answer_due=instant(correlation.expected_at or "") if correlation is not None and asked else None,
        positive=names.RECEIPT_TYPES.get(header.type) if receipt else None,
    )


def facts(envelope: Envelope, original: Original | None = None) -> Facts | Gap:
    """The facts of an envelope; `original` is what we know of the envelope that it answers, if we do.

    Gap: a conformant event cannot be made; the message is none the worse for it (spec/eds.md 2).
    """
    wanted = {
        "SENDERID": envelope.sender.sor,
        "RECEIVERID": envelope.receiver.sor,
        "MESSAGEIDENTIFIER": envelope.message.identifier,
    }
    missing = tuple(name for name, value in wanted.items() if not value)
    if missing:
        return Gap(missing)
    receipt = envelope.kind is Kind.RECEIPT
    known = original.identifier if receipt and original is not None else None
    return Facts(
        kind=envelope.kind,
        sender=envelope.sender,
        receiver=envelope.receiver,
        message=envelope.message,
        transport=envelope.transport,
        patient=envelope.patient,
        statistics=envelope.statistics,
        envelope=envelope.bundle,
        envelope_type=None if receipt else envelope.type,
        original_message=_original_message(envelope, original),
        original_transport=envelope.answers or known or envelope.correlates,
    )


def to_json(known: Facts | Gap) -> str:
    """As it is stored until its last event was told."""
    return json.dumps(asdict(known), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Facts | Gap:
    """What to_json() was given."""
    row: dict[str, Any] = json.loads(text)
    if "missing" in row:
        return Gap(tuple(row["missing"]))
    original = row.pop("original_message")
    return Facts(
        kind=Kind(row.pop("kind")),
        sender=Organisation(**row.pop("sender")),
        receiver=Organisation(**row.pop("receiver")),
        message=Document(**row.pop("message")),
        transport=Document(**row.pop("transport")),
        original_message=Document(**original) if original else None,
        **row,
    )


def _original_message(envelope: Envelope, original: Original | None) -> Document | None:
    """The message that a receipt or an acknowledgement is for (O-32); nothing for a message."""
    if envelope.kind is Kind.MESSAGE:
        return None
    known = original.message if original is not None and original.message.identifier else None
    identifier = envelope.answers_message or (known.identifier if known else None)
    if identifier is None:
        return None
    # The receipts and acknowledgements of the IG leave these two scopes out; our own store may know them.
    same = known if known is not None and known.identifier == identifier else None
    return Document(
        identifier,
        envelope.answers_type or (same.type if same else UNKNOWN),
        envelope.answers_version or (same.version if same else UNKNOWN),
    )


def _gln(participant: str) -> str:
    return participant.removeprefix("0088:")
