"""Messages, events and replies for tests of the stores and of what stands on them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ehmi_ap.body import Body, MemoryBody, read_all
from ehmi_ap.correlation import Enveloped
from ehmi_ap.envelope import Document, Envelope, Kind
from ehmi_ap.lifecycle import State
from ehmi_ap.model import (
    AgreementRef,
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Organisation,
    Party,
    PartyId,
    Payload,
    Property,
    Reference,
    Service,
    Signed,
    SignedPart,
    UserMessage,
    Wire,
)
from ehmi_ap.ports import Job, Kept, Store
from ehmi_ap.reports import Status

NOW = datetime(2026, 11, 23, 8, 0, 0, 123456, tzinfo=UTC)
OURS = PartyId("urn:ap:ours")
SENDER = Organisation("8851000016006", "5790000121526")
RECEIVER = Organisation("263001000016001", "5790000201389")
THEIRS = PartyId("0088:5790000000001", "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def payload(body: Body | bytes = b"<doc/>", **changes: Any) -> Payload:
    body = MemoryBody(body) if isinstance(body, bytes) else body
    return Payload(body=body, **{"mime_type": "application/xml", "content_id": "p1@x", **changes})


def message(message_id: str = "m1@x", **changes: Any) -> UserMessage:
    values: dict[str, Any] = {
        "message_id": MessageId(message_id),
        "timestamp": NOW,
        "from_": Party(OURS, "initiator"),
        "to": Party(THEIRS, "responder"),
        "service": Service("urn:service", "urn:type"),
        "action": "deliver",
        "conversation_id": "c1",
        "payloads": (payload(),),
        "properties": (
            Property("originalSender", "sor:111", "urn:scheme"),
            Property("finalRecipient", "sor:222", "urn:scheme"),
        ),
    }
    return UserMessage(**{**values, **changes})


def full_message() -> UserMessage:
    """Every field used, with what JSON could get wrong: two zones, non-ASCII text, no bytes."""
    return message(
        "full@x",
        timestamp=datetime.fromisoformat("2026-11-23T09:00:00.5+01:00"),
        ref_to=MessageId("earlier@x"),
        mpc="urn:mpc",
        agreement=AgreementRef("agreed", "urn:agreements"),
        payloads=(
            payload(b"f\xc3\xb8rste", character_set="utf-8", properties=(Property("Naïve", "æøå ☃"),)),
            payload(b"", content_id=None, mime_type="application/octet-stream"),
            payload(bytes(range(256)) * 3, content_id="p3@x"),
        ),
    )


def event(message_id: str = "m1@x", kind: EventKind = EventKind.RECEIVED, **changes: Any) -> DeliveryEvent:
    values = {"direction": Direction.OUTBOUND, "at": NOW, **changes}
    return DeliveryEvent(kind=kind, message_id=MessageId(message_id), **values)


def reply(data: bytes = b"<receipt/>") -> Wire:
    return Wire(content_type="application/soap+xml; charset=UTF-8", body=MemoryBody(data))


def signed(*parts: bytes | Body, envelope: bytes = b"<envelope/>") -> Signed:
    bodies = [MemoryBody(part) if isinstance(part, bytes) else part for part in parts]
    return Signed(
        envelope=envelope,
        parts=tuple(
            SignedPart(content_id=f"s{number}@x", mime_type="application/gzip", body=body)
            for number, body in enumerate(bodies)
        ),
        references=(
            Reference("#m", "urn:sha256", b"\x00\xff" * 16, ("urn:c14n",), "<ds:Reference>æ</ds:Reference>".encode()),
            Reference("cid:s0@x", "urn:sha256", b"\x01" * 32, (), b"<ds:Reference/>"),
        ),
    )


def envelope(identifier: str = "e1", message: str = "d1", **changes: Any) -> Envelope:
    values: dict[str, Any] = {
        "kind": Kind.MESSAGE,
        "type": "Bundle",
        "sender": SENDER,
        "receiver": RECEIVER,
        "transport": Document(identifier, "SBDH", "1.0"),
        "message": Document(message, "homecareobservation-message", "1.2"),
    }
    return Envelope(**{**values, **changes})


def enveloped(*, organisation: Organisation | None = None, **changes: Any) -> Enveloped:
    """With the status of an organisation, so that its events are told."""
    status = Status(organisation=organisation, facts='{"patient":"0101010227"}') if organisation else None
    return Enveloped(**{"envelope": envelope(), "status": status, **changes})


def read(payloads: UserMessage) -> list[bytes]:
    return [read_all(item.body) for item in payloads.payloads]


async def accept(store: Store, what: UserMessage | None = None, fingerprint: bytes = b"f", **changes: Any) -> bool:
    what = what or message()
    events = changes.pop("events", [event(what.message_id)])
    key = await store.accept(
        what, **{"pmode": "partner", "backend": "rest", **changes}, fingerprint=fingerprint, events=events
    )
    return key is not None


async def keep(
    store: Store, what: UserMessage | None = None, fingerprint: bytes = b"f", answer: Wire | None = None, **changes: Any
) -> Kept:
    what = what or message()
    values: dict[str, Any] = {
        "pmode": "partner",
        "backend": "rest",
        "state": State.RECEIVED,
        "fetched": False,
        "events": [event(what.message_id, direction=Direction.INBOUND)],
        "repeated": event(what.message_id, EventKind.DUPLICATE, direction=Direction.INBOUND),
        **changes,
    }
    return await store.keep(what, fingerprint=fingerprint, reply=answer or reply(), **values)


async def claim_one(store: Store, direction: Direction, at: datetime = NOW, lease: float = 60) -> Job:
    (job,) = await store.claim(direction, now=at, lease=lease, limit=1)
    return job
