"""A World over MemoryStore whose parts a test chooses, and messages in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pki
from registry import Registry

from ehmi_ap.agreements import Agreements
from ehmi_ap.body import MemoryBody
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import KeyPair, Keys, Trust
from ehmi_ap.flows.directory import Directory
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import State
from ehmi_ap.model import (
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Party,
    PartyId,
    Payload,
    Service,
    UserMessage,
    Wire,
)
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Reach
from ehmi_ap.store.memory import MemoryBlobs, MemoryStore

_OURS = pki.make_leaf(pki.make_ca(), "us")
_CERTIFICATE = Certificate.from_x509(_OURS.cert)
_PAIR = KeyPair(_OURS.key, _CERTIFICATE, (_CERTIFICATE,))
KEYS = Keys(signing=_PAIR, decryption=(_PAIR,))
US, THEM = PartyId("us", "urn:type"), PartyId("them", "urn:type")
PMODE = PMode(
    name="them",
    us=US,
    partner=THEM,
    service=Service("urn:service"),
    actions=("urn:action",),
    url="https://them.example/as4",
    certificate="them",
)


class NoWeb:
    async def post(
        self, url: str, wire: Wire, *, timeout: float, tls_trust: str | None, reach: Reach = Reach.ANY
    ) -> Wire:
        raise AssertionError("nothing is posted here")


def directory(agreements: Callable[[], Agreements], now: Callable[[], datetime]) -> Directory:
    """In which nobody is registered."""
    registry = Registry()
    return Directory(
        registry,
        judge=registry.judge,
        agreements=agreements,
        now=now,
        clock=lambda: 0.0,
        count=lambda what: None,
    )


def world(new_id: Callable[[], MessageId], now: datetime | None = None, **changes: Any) -> World:
    """`now` stands still where it is given; otherwise it is the real time, for what waits."""
    agreed = Agreements(pmodes=(PMODE,), keys=KEYS, trust=Trust({}))

    def clock() -> datetime:
        return now or datetime.now(UTC)

    base = World(
        store=MemoryStore(),
        blobs=MemoryBlobs(),
        web=NoWeb(),
        backends={},
        default_backend="rest",
        agreements=lambda: agreed,
        directory=directory(lambda: agreed, clock),
        profiles={},
        us=US,
        domain="us.example",
        now=clock,
        new_id=new_id,
        chance=lambda: 0.0,
    )
    return replace(base, **changes)


def message(name: str, now: datetime) -> UserMessage:
    return UserMessage(
        message_id=MessageId(f"{name}@us.example"),
        timestamp=now,
        from_=Party(US, "initiator"),
        to=Party(THEM, "responder"),
        service=PMODE.service,
        action="urn:action",
        conversation_id="c",
        payloads=(Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml"),),
    )


def event(
    name: str,
    now: datetime,
    *,
    kind: EventKind = EventKind.RECEIVED,
    backend: str = "rest",
    direction: Direction | None = None,
) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=MessageId(f"{name}@us.example"),
        direction=direction or Direction.OUTBOUND,
        at=now,
        backend=backend,
    )


async def accept(to: World, name: str, *, pmode: str = "them") -> None:
    """One outbound message, due at once."""
    now = to.now()
    await to.store.accept(
        message(name, now), pmode=pmode, backend="rest", fingerprint=name.encode(), events=[event(name, now)]
    )


async def keep(to: World, name: str, *, backend: str = "rest") -> None:
    """One inbound message, due at once."""
    now = to.now()
    arrived = event(name, now, backend=backend, direction=Direction.INBOUND)
    await to.store.keep(
        message(name, now),
        pmode="them",
        backend=backend,
        fingerprint=name.encode(),
        reply=Wire(content_type="", body=MemoryBody(b"")),
        state=State.RECEIVED,
        fetched=False,
        events=[arrived],
        repeated=replace(arrived, kind=EventKind.DUPLICATE),
    )
