"""Nouns to rows and back. Nothing here touches the database.

Headers and references are JSON text, written once and read back exactly; bodies stay apart, and the JSON says
where each lies: a stretch of the row's inline bytes, or a kept file. Times of rows are microseconds since 1970 UTC.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ehmi_ap.body import Body
from ehmi_ap.envelope import Answer, Kind
from ehmi_ap.lifecycle import State
from ehmi_ap.model import (
    AgreementRef,
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Party,
    PartyId,
    Payload,
    Property,
    Reference,
    Service,
    Signed,
    SignedPart,
    UserMessage,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode: Callable[[object], str] = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_decode: Callable[[str], Any] = json.JSONDecoder().decode

STATE = {state.value: state for state in State}
DIRECTION = {direction.value: direction for direction in Direction}
_KIND = {kind.value: kind for kind in EventKind}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a part are: in the kept file `file`, or inline in the row from `start`."""

    size: int
    start: int = 0
    file: str | None = None


Bodies = Callable[[Place], Body]
"""Gives the body at a place; each caller knows its row."""


def micros(moment: datetime) -> int:
    """A moment as a number of a row."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(number: int) -> datetime:
    """The moment of a number of a row."""
    return _EPOCH + timedelta(microseconds=number)


def encode_message(message: UserMessage, places: Sequence[Place]) -> str:
    """The header of a message, and where its payloads are."""
    agreement = message.agreement
    return _encode(
        {
            "id": message.message_id,
            "at": message.timestamp.isoformat(),
            "from": _party_row(message.from_),
            "to": _party_row(message.to),
            "service": (message.service.value, message.service.type),
            "action": message.action,
            "conversation": message.conversation_id,
            "ref": message.ref_to,
            "mpc": message.mpc,
            "agreement": (agreement.value, agreement.type) if agreement else None,
            "properties": _property_rows(message.properties),
            "payloads": [
                (p.mime_type, p.content_id, p.character_set, _property_rows(p.properties), *_place_row(place))
                for p, place in zip(message.payloads, places, strict=True)
            ],
        }
    )


def decode_message(header: str, bodies: Bodies) -> UserMessage:
    row = _decode(header)
    return UserMessage(
        message_id=MessageId(row["id"]),
        timestamp=datetime.fromisoformat(row["at"]),
        from_=_party(row["from"]),
        to=_party(row["to"]),
        service=Service(*row["service"]),
        action=row["action"],
        conversation_id=row["conversation"],
        ref_to=row["ref"],
        mpc=row["mpc"],
        agreement=AgreementRef(*row["agreement"]) if row["agreement"] else None,
        properties=_properties(row["properties"]),
        payloads=tuple(
            Payload(
                mime_type=mime_type,
                content_id=content_id,
                character_set=character_set,
                properties=_properties(properties),
                body=bodies(Place(*place)),
            )
            for mime_type, content_id, character_set, properties, *place in row["payloads"]
        ),
    )


def encode_signed(signed: Signed, places: Sequence[Place]) -> str:
    """What was signed but for its envelope: the references, and where the parts are."""
    return _encode(
        {
            "parts": [
                (part.content_id, part.mime_type, *_place_row(place))
                for part, place in zip(signed.parts, places, strict=True)
            ],
            "references": [
                (r.uri, r.digest_method, r.digest.hex(), r.transforms, r.xml.decode()) for r in signed.references
            ],
        }
    )


def decode_signed(meta: str, envelope: bytes, bodies: Bodies) -> Signed:
    row = _decode(meta)
    parts = tuple(
        SignedPart(content_id=content_id, mime_type=mime_type, body=bodies(Place(*place)))
        for content_id, mime_type, *place in row["parts"]
    )
    return Signed(envelope=envelope, parts=parts, references=_references(row["references"]))


def decode_references(meta: str) -> tuple[Reference, ...]:
    """Of an encoded Signed, the references alone."""
    return _references(_decode(meta)["references"])


def decode_signers(row: str) -> tuple[bytes, ...]:
    """Certificates out of a JSON list of hexadecimal texts, in an order that says nothing."""
    return tuple(sorted([bytes.fromhex(text) for text in _decode(row)]))


def event_row(event: DeliveryEvent, backend: str) -> tuple[object, ...]:
    """The parameters of insert_event; `backend` is whom the event is told."""
    return (
        event.kind.value,
        event.message_id,
        event.direction.value,
        micros(event.at),
        event.failed,
        event.code,
        event.detail,
        backend,
    )


def decode_event(row: Sequence[Any]) -> DeliveryEvent:
    kind, message_id, direction, at, failed, code, detail, backend, seq = row
    return DeliveryEvent(
        kind=_KIND[kind],
        message_id=message_id,
        direction=DIRECTION[direction],
        at=moment(at),
        failed=bool(failed),
        code=code,
        detail=detail,
        backend=backend,
        seq=seq,
    )


def encode_list(values: Sequence[object]) -> str:
    """A list for json_each()."""
    return _encode(list(values))


def decode_list(row: str) -> list[Any]:
    """What encode_list() was given."""
    found: list[Any] = _decode(row)
    return found


def decode_answer(row: Sequence[Any]) -> Answer:
    """Kind, MessageId and whether it is positive, as the queries give them."""
    kind, message_id, positive = row
    return Answer(Kind(kind), MessageId(message_id), None if positive is None else bool(positive))


def _party_row(party: Party) -> tuple[str, str | None, str]:
    return (party.id.value, party.id.type, party.role)


def _party(row: list[str]) -> Party:
    value, type_, role = row
    return Party(PartyId(value, type_), role)


def _property_rows(properties: Sequence[Property]) -> list[tuple[str, str, str | None]]:
    return [(item.name, item.value, item.type) for item in properties]


def _properties(rows: list[list[str]]) -> tuple[Property, ...]:
    return tuple([Property(*row) for row in rows])


def _place_row(place: Place) -> tuple[int, int, str | None]:
    return (place.size, place.start, place.file)


def _references(rows: list[list[Any]]) -> tuple[Reference, ...]:
    return tuple(
        [
            Reference(uri, method, bytes.fromhex(digest), tuple(transforms), xml.encode())
            for uri, method, digest, transforms, xml in rows
        ]
    )
