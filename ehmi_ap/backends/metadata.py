"""The JSON form of submissions, messages and events: one form for every backend, and for REST.

A submission is described by these keys, all optional (docs/how-to/write-a-backend.md has the table):

    {"message_id": "...", "ref_to_message_id": "...", "conversation_id": "...", "pmode": "...",
     "to": {"id": "...", "type": "..."}, "service": {"value": "...", "type": "..."}, "action": "...",
     "agreement": {"value": "...", "type": "..."},
     "sender": {"value": "...", "scheme": "..."}, "receiver": {"value": "...", "scheme": "..."},
     "tracking_id": "...", "properties": [{"name": "...", "value": "...", "type": "..."}],
     "payloads": [{"mime_type": "...", "content_id": "...", "character_set": "...", "properties": [...],
                   "jws": "..."}]}

`to`, `service`, `agreement`, `sender` and `receiver` may be plain text too: the value without a type. A message is told
with the same keys, plus what the wire adds; where we sign, with our `jws` (crypto.jws). Nothing here reads or writes a
payload.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ehmi_ap import tables
from ehmi_ap.body import Body
from ehmi_ap.errors import ApError, ConfigError, SubmissionError
from ehmi_ap.model import (
    AgreementRef,
    DeliveryEvent,
    MessageId,
    Participant,
    Party,
    PartyId,
    Payload,
    Property,
    Service,
    Submission,
    UserMessage,
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadDescription:
    """One payload of a submission, without its bytes; `file` names them where a folder is submitted."""

    mime_type: str
    file: str | None = None
    content_id: str | None = None
    character_set: str | None = None
    properties: tuple[Property, ...] = ()
    jws: str | None = None

    def payload(self, body: Body) -> Payload:
        """The payload that this describes, with its bytes."""
        return Payload(
            body=body,
            mime_type=self.mime_type,
            content_id=self.content_id,
            character_set=self.character_set,
            properties=self.properties,
            jws=self.jws,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A submission without the bytes of its payloads."""

    message_id: str | None = None
    ref_to_message_id: str | None = None
    conversation_id: str | None = None
    pmode: str | None = None
    to: PartyId | None = None
    service: Service | None = None
    action: str | None = None
    agreement: AgreementRef | None = None
    sender: Participant | None = None
    receiver: Participant | None = None
    tracking_id: str | None = None
    properties: tuple[Property, ...] = ()
    payloads: tuple[PayloadDescription, ...] = ()

    def submission(self, bodies: Sequence[Body], *, message_id: MessageId | None = None) -> Submission:
        """The submission with these bodies, one per described payload; `message_id` where none was described.

        Raises:
            SubmissionError: the number of bodies is another.
        """
        if len(bodies) != len(self.payloads):
            raise SubmissionError(f"{len(self.payloads)} payloads are described and {len(bodies)} came")
        return Submission(
            payloads=tuple(part.payload(body) for part, body in zip(self.payloads, bodies, strict=True)),
            message_id=MessageId(self.message_id) if self.message_id else message_id,
            ref_to=MessageId(self.ref_to_message_id) if self.ref_to_message_id else None,
            conversation_id=self.conversation_id,
            pmode=self.pmode,
            to=self.to,
            service=self.service,
            action=self.action,
            agreement=self.agreement,
            sender=self.sender,
            receiver=self.receiver,
            tracking_id=self.tracking_id,
            properties=self.properties,
        )


def read_description(document: object, *, where: str = "metadata") -> Description:
    """What C1 wrote about a submission. Raises SubmissionError that names every mistake by its key."""
    if not isinstance(document, Mapping):
        raise SubmissionError(f"{where}: has to be a JSON object")
    table = {key: _long(key, value) for key, value in document.items()}
    try:
        return tables.read(Description, table, where=where)
    except ConfigError as error:
        # The one who wrote it knows the value of a PartyId as its `id`.
        raise SubmissionError("; ".join(error.findings).replace("[to] value", "[to] id")) from None


_SHORT = ("to", "service", "agreement", "sender", "receiver")


def _long(key: str, value: object) -> object:
    """The long form of what may be written as plain text; a party's `id` is its value."""
    if key in _SHORT and isinstance(value, str):
        return {"value": value}
    if key == "to" and isinstance(value, Mapping) and "id" in value:
        return {("value" if name == "id" else name): item for name, item in value.items()}
    return value


def message_json(message: UserMessage) -> Json:
    """A message as C4 is told it; payloads in the order of eb:PayloadInfo, the leading one first."""
    sender, receiver = message.participant("originalSender"), message.participant("finalRecipient")
    tracking = message.participant("trackingIdentifier")
    return {
        "message_id": message.message_id,
        "timestamp": message.timestamp.isoformat(),
        "ref_to_message_id": message.ref_to,
        "conversation_id": message.conversation_id,
        "from": _party_json(message.from_),
        "to": _party_json(message.to),
        "service": {"value": message.service.value, "type": message.service.type},
        "action": message.action,
        "agreement": {"value": message.agreement.value, "type": message.agreement.type} if message.agreement else None,
        "mpc": message.mpc,
        "sender": _participant_json(sender),
        "receiver": _participant_json(receiver),
        "tracking_id": tracking.value if tracking else None,
        "properties": [property_json(item) for item in message.properties],
        "payloads": [payload_json(payload) for payload in message.payloads],
    }


def payload_json(payload: Payload) -> Json:
    """A payload without its bytes."""
    return {
        "content_id": payload.content_id,
        "mime_type": payload.mime_type,
        "character_set": payload.character_set,
        "size": payload.body.size,
        "properties": [property_json(item) for item in payload.properties],
        **({"jws": payload.jws} if payload.jws is not None else {}),
    }


def property_json(item: Property) -> Json:
    """An eb:Property."""
    return {"name": item.name, "value": item.value, "type": item.type}


def event_json(event: DeliveryEvent) -> Json:
    """An event as C1 and C4 are told it."""
    return {
        "seq": event.seq,
        "kind": event.kind.value,
        "message_id": event.message_id,
        "direction": event.direction.value,
        "at": event.at.isoformat(),
        "failed": event.failed,
        "code": event.code,
        "detail": event.detail,
    }


def problem_json(error: ApError) -> Json:
    """What went wrong, whose fault it is, what to do, and whether sending the same again helps."""
    return {
        "code": error.code,
        "what": error.what,
        "fault": error.fault.value,
        "fix": error.fix,
        "resend": error.retryable,
    }


def _party_json(party: Party) -> Json:
    """`id` is null for a receiver that was not looked up yet."""
    return {"id": party.id.value or None, "type": party.id.type, "role": party.role}


def _participant_json(participant: Participant | None) -> Json | None:
    return {"value": participant.value, "scheme": participant.scheme} if participant else None
