"""What is exchanged and under which terms, said once for both sides.

A `Letter` under some `Terms` becomes a submission to our access point, or what phase4 is told to send; and it says what
has to arrive, in the form that C4 is told a message (docs/how-to/write-a-backend.md), whoever received it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ehmi_ap.body import MemoryBody
from ehmi_ap.model import AgreementRef, MessageId, Participant, Payload, Property, Service, Submission
from ehmi_ap.pmode import INITIATOR, RESPONDER

UNREGISTERED = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
ACTION = "exchange"
SERVICE = "urn:ehmi-ap:interop:"
"""The name of the terms follows."""

_OWN_FIELD = ("originalSender", "finalRecipient", "trackingIdentifier")
"""Message properties that a submission has fields of their own for."""

Json = dict[str, Any]


def prop(name: str, value: str, type_: str | None = None) -> Json:
    """An eb:Property."""
    return {"name": name, "value": value, "type": type_}


FOUR_CORNERS = (
    prop("originalSender", "urn:c1:hospital", UNREGISTERED),
    prop("finalRecipient", "urn:c4:practice", UNREGISTERED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One payload, uncompressed."""

    data: bytes
    mime_type: str = "application/xml"
    charset: str | None = None
    properties: tuple[Json, ...] = ()
    ending: str = ".xml"

    def content(self) -> Json:
        """What has to arrive."""
        return {
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "size": len(self.data),
            "mime_type": self.mime_type,
            "charset": self.charset,
            "properties": list(self.properties),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A party as it is written; a type of None is written by leaving it out."""

    id: str
    type: str | None = UNREGISTERED

    def table(self) -> Json:
        """As a P-Mode has it."""
        return {"id": self.id, "type": self.type or ""}

    def in_role(self, role: str) -> Json:
        return {"id": self.id, "type": self.type, "role": role}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the two sides agree on; `pmode` holds further keys of our P-Mode, which is called `name`."""

    name: str
    us: Party = Party(id="ehmi-ap")
    peer: Party = Party(id="phase4")
    service: Mapping[str, str | None] = field(default_factory=dict)
    action: str = ACTION
    agreement: Mapping[str, str | None] | None = None
    compress: bool = True
    sign_token: str = "bst"
    encrypt_token: str | None = "bst"  # None: not encrypted
    receipt_token: str = "bst"
    sign: str = "rsa-sha256"
    digest: str = "sha256"
    cipher: str = "aes128-gcm"
    two_way: bool = False
    pmode: Mapping[str, object] = field(default_factory=dict)

    @property
    def agreed_service(self) -> Json:
        return {"value": SERVICE + self.name, "type": None, **self.service}

    def table(self, *, url: str) -> Json:
        """Our P-Mode."""
        security = {
            "sign": self.sign,
            "accept_sign": [self.sign],
            "digest": self.digest,
            "accept_digest": [self.digest],
            "sign_token": self.sign_token,
            "receipt_token": self.receipt_token,
            "encrypt": self.encrypt_token is not None,
            "encrypt_token": self.encrypt_token or "bst",
            "cipher": self.cipher,
            "accept_cipher": [self.cipher],
        }
        table: Json = {
            "us": self.us.table(),
            "partner": self.peer.table(),
            "url": url,
            "certificate": "phase4",
            "service": _without_none(self.agreed_service),
            "actions": [self.action],
            "compress": self.compress,
            "mep": "two-way" if self.two_way else "one-way",
            "retry": {"attempts": 1},
            "security": security,
        }
        if self.agreement is not None:
            table["agreement"] = _without_none(self.agreement)
        return {**table, **self.pmode}

    def parties(self, *, ours: bool, reply: bool) -> tuple[Json, Json]:
        """From and To."""
        roles = (RESPONDER, INITIATOR) if reply and self.two_way else (INITIATOR, RESPONDER)
        sender, receiver = (self.us, self.peer) if ours else (self.peer, self.us)
        return sender.in_role(roles[0]), receiver.in_role(roles[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message. What is None is what the terms say, or for the sender to choose."""

    parts: tuple[Part, ...]
    properties: tuple[Json, ...] = FOUR_CORNERS
    message_id: str | None = None
    ref_to: str | None = None
    conversation_id: str | None = None
    service: Mapping[str, str | None] | None = None
    action: str | None = None

    def submission(self, terms: Terms) -> Submission:
        """What C1 asks of our access point."""
        named = {item["name"]: item for item in self.properties}
        tracking = named.get("trackingIdentifier")
        return Submission(
            payloads=tuple(_payload(part) for part in self.parts),
            message_id=MessageId(self.message_id) if self.message_id else None,
            ref_to=MessageId(self.ref_to) if self.ref_to else None,
            conversation_id=self.conversation_id,
            pmode=terms.name,
            service=Service(self.service["value"] or "", self.service.get("type")) if self.service else None,
            action=self.action,
            agreement=_agreement(terms.agreement),
            sender=_participant(named.get("originalSender")),
            receiver=_participant(named.get("finalRecipient")),
            tracking_id=tracking["value"] if tracking else None,
            properties=tuple(_properties([item for item in self.properties if item["name"] not in _OWN_FIELD])),
        )

    def order(self, terms: Terms, folder: Path) -> Json:
        """What phase4 is told to send; the payloads are written into `folder`."""
        from_, to = terms.parties(ours=False, reply=self.ref_to is not None)
        sign = {"token": terms.sign_token, "algorithm": terms.sign, "digest": terms.digest}
        encrypt = {"token": terms.encrypt_token, "cipher": terms.cipher} if terms.encrypt_token else None
        given: Json = {
            "key": "main",
            "from": from_,
            "to": to,
            "agreement": terms.agreement,
            "service": dict(self.service or terms.agreed_service),
            "action": self.action or terms.action,
            "message_id": self.message_id,
            "conversation_id": self.conversation_id,
            "ref_to": self.ref_to,
            "message_properties": list(self.properties),
            "payloads": [_written(part, n, terms, folder) for n, part in enumerate(self.parts, 1)],
            "sign": sign,
            "encrypt": encrypt,
            "timeout_ms": 240_000,
            "retries": 0,
            "dump": False,
        }
        return {key: value for key, value in given.items() if value is not None or key in ("sign", "encrypt")}

    def content(self, terms: Terms, *, ours: bool) -> Json:
        """What has to arrive, whoever receives it; an id only where it was given."""
        from_, to = terms.parties(ours=ours, reply=self.ref_to is not None)
        agreement = {"type": None, **terms.agreement} if terms.agreement else None
        chosen = {"message_id": self.message_id, "conversation_id": self.conversation_id}
        return {
            **{key: value for key, value in chosen.items() if value is not None},
            "from": from_,
            "to": to,
            "ref_to": self.ref_to,
            "service": {"type": None, **(self.service or terms.agreed_service)},
            "action": self.action or terms.action,
            "agreement": agreement and {key: agreement[key] for key in ("value", "type")},
            "properties": list(self.properties),
            "payloads": [part.content() for part in self.parts],
        }


def _payload(part: Part) -> Payload:
    return Payload(
        body=MemoryBody(part.data),
        mime_type=part.mime_type,
        character_set=part.charset,
        properties=tuple(_properties(part.properties)),
    )


def _participant(item: Json | None) -> Participant | None:
    return Participant(item["value"], item["type"]) if item else None


def _properties(items: Sequence[Json]) -> list[Property]:
    return [Property(item["name"], item["value"], item["type"]) for item in items]


def _agreement(agreement: Mapping[str, str | None] | None) -> AgreementRef | None:
    return AgreementRef(agreement["value"] or "", agreement.get("type")) if agreement else None


def _written(part: Part, number: int, terms: Terms, folder: Path) -> Json:
    path = folder / f"{number}{part.ending}"
    path.write_bytes(part.data)
    told: Json = {"file": str(path), "mime_type": part.mime_type, "compress": terms.compress}
    if part.charset:
        told["charset"] = part.charset
    return told | {"properties": list(part.properties)}


def _without_none(table: Mapping[str, str | None]) -> Json:
    return {key: value for key, value in table.items() if value is not None}
