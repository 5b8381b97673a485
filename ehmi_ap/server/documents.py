"""The JSON of the REST: what a message, an event and a submission look like to a program.

These dataclasses are the one source of the answers' shape: they are written as JSON, and the OpenAPI document's
schemas are made from them. The nouns of ehmi_ap.model appear unchanged where they are what a reader needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, TypeAdapter

from ehmi_ap.envelope import Kind
from ehmi_ap.lifecycle import State
from ehmi_ap.model import (
    AgreementRef,
    DeliveryEvent,
    Direction,
    EventKind,
    Participant,
    Party,
    PartyId,
    Payload,
    Property,
    Service,
)
from ehmi_ap.pmode import is_test
from ehmi_ap.ports import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyName:
    """A PartyId: `type` is null for an `id` that is a URI."""

    id: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """The other access point; `id` is null in an outbound message whose receiver was not looked up yet."""

    id: str | None
    type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyInRole:
    """An access point (C2 or C3) in its role: eb:From or eb:To; `id` is null as it is in Partner."""

    id: str | None
    type: str | None
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadInfo:
    """A payload without its bytes, of which `size` is the number; they are at /payloads/1 and so on, in this order."""

    content_id: str | None
    mime_type: str
    character_set: str | None
    size: int
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerInfo:
    """What answered a message, and the message under which that passed.

    `positive` is null for an acknowledgement, whose document is not opened, and for a receipt that does not say.
    """

    kind: Kind
    positive: bool | None
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it is stored. `party` is the partner access point, `test` a message to the test service.

    `answers` is the MessageId of the message that its business envelope answers, and `answered_by` the first few that
    answer it. The keys up to `payloads` are those that every backend is told (ehmi_ap.backends.metadata).
    """

    message_id: str
    timestamp: datetime
    ref_to_message_id: str | None
    conversation_id: str
    from_: Annotated[PartyInRole, Field(serialization_alias="from", validation_alias="from")]
    to: PartyInRole
    service: Service
    action: str
    agreement: AgreementRef | None
    mpc: str | None
    sender: Participant | None
    receiver: Participant | None
    tracking_id: str | None
    properties: tuple[Property, ...]
    payloads: tuple[PayloadInfo, ...]

    direction: Direction
    state: State
    party: Partner
    test: bool
    payloads_kept: bool
    has_receipt: bool
    pmode: str
    backend: str
    attempts: int
    first_at: datetime
    changed_at: datetime
    due: datetime | None
    last_code: str | None
    last_detail: str
    answers: str | None
    answered_by: tuple[AnswerInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """A page of messages; `next` is the cursor of the page after it, null on the last."""

    messages: tuple[Message, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a message. `seq` ascends over all events of the access point."""

    seq: int
    kind: EventKind
    message_id: str
    direction: Direction
    at: datetime
    failed: bool
    code: str | None
    detail: str
    backend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in the order in which they happened; ask for those after `last` next."""

    events: tuple[Event, ...]
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The submission is stored and will be sent."""

    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadMetadata:
    """What is said of one payload part of the form, in the order of the parts; `mime_type` null: its Content-Type.

    `jws` is a detached JWS over its bytes (ehmi_ap.crypto.jws).
    """

    mime_type: str | None = None
    content_id: str | None = None
    character_set: str | None = None
    properties: tuple[Property, ...] = ()
    jws: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What C1 says of a submission; what is left out comes from the P-Mode, the SBD or the access point.

    Read by ehmi_ap.backends.metadata, the same for every backend; this is its shape for the OpenAPI document.
    """

    message_id: str | None = None
    ref_to_message_id: str | None = None
    conversation_id: str | None = None
    pmode: str | None = None
    to: PartyName | str | None = None
    service: Service | str | None = None
    action: str | None = None
    agreement: AgreementRef | str | None = None
    sender: Participant | str | None = None
    receiver: Participant | str | None = None
    tracking_id: str | None = None
    properties: tuple[Property, ...] = ()
    payloads: tuple[PayloadMetadata, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names that exist, sorted."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInfo:
    """A certificate of the trust store; `sha256` is the hexadecimal digest of its DER form."""

    subject: str
    sha256: str
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCertificates:
    """The certificates under one name, in the order of their file."""

    name: str
    certificates: tuple[CertificateInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateList:
    """All certificates of the trust store, by name."""

    certificates: tuple[NamedCertificates, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupProblem:
    """Why the last look-up found nothing; `reason` is a word of docs/reference/networks.md."""

    reason: str
    what: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """What is remembered of a receiver, for one document and process.

    `use` says what becomes of it when a message goes there: fresh (used), asked anew, stale or snapshot (used, as
    nobody can be asked), missed (not asked again yet). `outcome` is that of the last look-up.
    """

    network: str
    participant: str
    document: str
    process: str
    use: str
    outcome: str
    problem: LookupProblem | None
    url: str | None
    certificate_sha256: str | None
    smp: str | None
    found_at: datetime | None
    usable_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverList:
    """All that is remembered."""

    receivers: tuple[Receiver, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """How many entries were forgotten."""

    forgotten: int


def party_of(stored: Stored) -> PartyId:
    """The partner's PartyId: who gets an outbound message, who sent an inbound one."""
    message = stored.message
    return message.to.id if stored.direction is Direction.OUTBOUND else message.from_.id


def message_document(stored: Stored) -> Message:
    """What a program is shown of a message."""
    message, partner = stored.message, party_of(stored)
    tracking = message.participant("trackingIdentifier")
    return Message(
        message_id=message.message_id,
        timestamp=message.timestamp,
        ref_to_message_id=message.ref_to,
        conversation_id=message.conversation_id,
        from_=_in_role(message.from_),
        to=_in_role(message.to),
        service=message.service,
        action=message.action,
        agreement=message.agreement,
        mpc=message.mpc,
        sender=message.participant("originalSender"),
        receiver=message.participant("finalRecipient"),
        tracking_id=tracking.value if tracking else None,
        properties=message.properties,
        payloads=tuple(map(_payload_info, message.payloads)),
        direction=stored.direction,
        state=stored.state,
        party=Partner(id=partner.value or None, type=partner.type),
        test=is_test(message.service),
        payloads_kept=stored.payloads_kept,
        has_receipt=stored.has_receipt,
        pmode=stored.pmode,
        backend=stored.backend,
        attempts=stored.attempts,
        first_at=stored.first_at,
        changed_at=stored.changed_at,
        due=stored.due,
        last_code=stored.last_code,
        last_detail=stored.last_detail,
        answers=stored.answers,
        answered_by=tuple(
            AnswerInfo(kind=answer.kind, positive=answer.positive, message_id=answer.message_id)
            for answer in stored.answered_by
        ),
    )


def _in_role(party: Party) -> PartyInRole:
    return PartyInRole(id=party.id.value or None, type=party.id.type, role=party.role)


def _payload_info(payload: Payload) -> PayloadInfo:
    return PayloadInfo(
        content_id=payload.content_id,
        mime_type=payload.mime_type,
        character_set=payload.character_set,
        size=payload.body.size,
        properties=payload.properties,
    )


def event_document(event: DeliveryEvent) -> Event:
    return Event(
        seq=event.seq,
        kind=event.kind,
        message_id=event.message_id,
        direction=event.direction,
        at=event.at,
        failed=event.failed,
        code=event.code,
        detail=event.detail,
        backend=event.backend,
    )


_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


def adapter(kind: Any) -> TypeAdapter[Any]:
    """pydantic's reader and writer of a type; making one takes a millisecond, so they are kept."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def answer(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A document as the JSON answer."""
    body = adapter(type(document)).dump_json(document, by_alias=True)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)
