"""What EHMI's delivery status says about an envelope: read from its header, payload unopened (spec/eds.md 2).

The same facts make every event of the envelope at one access point. They hold a CPR number where the message is about
a patient, so they are kept as payloads are, and no repr shows it.
"""

from dataclasses import dataclass, field

from ehmi_ap.ehmi.header import Header, Kind
from ehmi_ap.model import Organisation

UNKNOWN = "unknown"
"""What the IG writes where an acknowledgement does not say what it acknowledges (design decision 12)."""


@dataclass(frozen=True, slots=True)
class Document:
    """A message, or an envelope around one: its identifier, and what and in which version it is."""

    identifier: str
    type: str
    version: str


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


def facts(header: Header, original: Facts | None = None) -> Facts | Gap:
    """The facts of an envelope; `original` are those of the envelope that it answers, if we know it.

    Gap: a conformant event cannot be made; the message is none the worse for it (spec/eds.md 2).
    """
    wanted = ("SENDERID", "RECEIVERID", "MESSAGEIDENTIFIER")
    sender, receiver, message = (header.scope(name) or "" for name in wanted)
    missing = tuple(name for name in wanted if not header.scope(name))
    if missing:
        return Gap(missing)
    receipt = header.kind is Kind.RECEIPT
    return Facts(
        kind=header.kind,
        sender=Organisation(sender, _gln(header.sender.value)),
        receiver=Organisation(receiver, _gln(header.receiver.value)),
        message=Document(message, header.standard, header.type_version),
        transport=Document(header.instance_identifier, "SBDH", header.version),
        patient=header.scope("PATIENTID"),
        statistics=header.scope("StatisticalInformation"),
        envelope=None if receipt else header.scope("MESSAGEENVELOPEIDENTIFIER"),
        envelope_type=None if receipt else header.type,
        original_message=_original_message(header, original),
        original_transport=original_transport(header, original),
    )


def original_transport(header: Header, original: Facts | None = None) -> str | None:
    """The InstanceIdentifier of the envelope that a receipt is for: its scope, our own store, its correlation.

    The signal in the payload is not asked: an access point does not open it (design decision 13).
    """
    if header.kind is not Kind.RECEIPT:
        return None
    correlation = header.correlation
    said = header.scope("ORIGINALENVELOPEIDENTIFIER")
    known = original.transport.identifier if original is not None else None
    return said or known or (correlation.instance_identifier if correlation is not None else None)


def _original_message(header: Header, original: Facts | None) -> Document | None:
    """The message that a receipt or an acknowledgement is for (O-32); nothing for a message."""
    if header.kind is Kind.MESSAGE:
        return None
    known = original.message if original is not None else None
    identifier = header.scope("ORIGINALMESSAGEIDENTIFIER") or (known.identifier if known else None)
    if identifier is None:
        return None
    # The receipts and acknowledgements of the IG leave these two scopes out; our own store may know them.
    same = known if known is not None and known.identifier == identifier else None
    return Document(
        identifier,
        header.scope("ORIGINALMESSAGESTANDARD") or (same.type if same else UNKNOWN),
        header.scope("ORIGINALMESSAGEVERSION") or (same.version if same else UNKNOWN),
    )


def _gln(participant: str) -> str:
    return participant.removeprefix("0088:")
