"""The Commission's test platform around two real access points: it plays C1 and C4 and sits between C2 and C3.

    async with open_world(folder, "http") as world:
        exchange = await world.exchange(message())           # C1 submits at C2; until C2's outcome
        answer = await world.post(world.crafted(...))        # a message made by hand, posted to C3

In-process an access point's POST is handed to the other's receive(); over http it goes through the product's PeerWeb
to the other's listener. Either way it passes the sender's `Link`, which records it and may withhold or alter it.
P-Modes are those that ship for the Commission's test, with our partners in them.
"""

import asyncio
import tomllib
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import pytest

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.config import Config
from ehmi_ap.model import (
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Participant,
    Payload,
    Submission,
    UserMessage,
    Wire,
)
from ehmi_ap.net.http import PeerWeb
from ehmi_ap.ports import Query, Reach, Stored
from ehmi_ap.server import listening
from ehmi_ap.tables import to_toml
from tests import craft, pki
from tests.conformance.discovery_service import NETWORK, DiscoveryService, discovery_service
from tests.functional.sim import Weather, sunshine
from tests.pair import PARTY_TYPE, Side, write_pair

PATIENCE = 30
"""Seconds until a test that waits in vain fails."""

SHIPPED = Path(__file__).resolve().parents[2] / "pmodes"
POLICY = "1.2.208.169.1.1.1.2.8"
"""What the dynamic receiver's P-Mode asks of a signer's certificate."""

SENDER = Participant("C1", "urn:oasis:names:tc:ebcore:partyid-type:unregistered:c1")
RECEIVER = Participant("C4", "urn:oasis:names:tc:ebcore:partyid-type:unregistered:c4")
CORNERS = "".join(
    f'<eb:Property name="{name}" type="{corner.scheme}">{corner.value}</eb:Property>'
    for name, corner in (("originalSender", SENDER), ("finalRecipient", RECEIVER))
)

XML = b"<min><der>sample</der></min>"
BINARY = b"!! Modify me after submission, if you dare!!"

INITIATOR, RESPONDER = craft.EB + "initiator", craft.EB + "responder"


# -- what passes


@dataclass(frozen=True)
class Capture:
    """A body as it travelled."""

    content_type: str
    body: bytes
    status: int = 200


@dataclass
class Exchange:
    """One POST and its answer; None: there was none."""

    request: Capture
    answer: Capture | None = None

    @property
    def answered(self) -> Capture:
        assert self.answer is not None, "there was no answer"
        return self.answer


class Forward(Protocol):
    """How a POST goes on behind the interceptor."""

    async def __call__(self, url: str, wire: Wire, *, reach: Reach) -> Wire: ...


class Link:
    """`ports.Web` of one access point, with the platform's interceptor in it."""

    def __init__(self, forward: Forward, close: Callable[[], Awaitable[None]]) -> None:
        self.exchanges: list[Exchange] = []
        self.close = close
        self._forward = forward
        self._weather: deque[Weather] = deque()

    def forecast(self, *weather: Weather) -> None:
        """What the next POSTs meet, one each; afterwards the sun shines."""
        self._weather.extend(weather)

    def clear(self) -> None:
        """Forget what was and what was to come."""
        self.exchanges.clear()
        self._weather.clear()

    async def post(
        self, url: str, wire: Wire, *, timeout: float, tls_trust: str | None, reach: Reach = Reach.ANY
    ) -> Wire:
        sent = replace(wire, body=MemoryBody(read_all(wire.body)))
        exchange = Exchange(_captured(sent))
        self.exchanges.append(exchange)
        weather = self._weather.popleft() if self._weather else sunshine
        answer = await weather(sent, lambda changed: self._forward(url, changed, reach=reach))
        exchange.answer = _captured(answer)
        return answer

    def of(self, message_id: MessageId) -> list[Exchange]:
        """Every POST of a message, in order. A MessageId is never encrypted."""
        return [exchange for exchange in self.exchanges if str(message_id).encode() in exchange.request.body]


def _captured(wire: Wire) -> Capture:
    return Capture(wire.content_type, read_all(wire.body), wire.status)


# -- C1 and C4


@dataclass
class Corner:
    """A backend: everything it is handed and told."""

    fetches: bool = False
    messages: dict[MessageId, list[UserMessage]] = field(default_factory=dict)
    payloads: dict[MessageId, list[bytes]] = field(default_factory=dict)
    events: list[DeliveryEvent] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def deliver(self, message: UserMessage) -> None:
        self.messages.setdefault(message.message_id, []).append(message)
        self.payloads[message.message_id] = [read_all(payload.body) for payload in message.payloads]

    async def notify(self, event: DeliveryEvent) -> None:
        async with self._news:
            self.events.append(event)
            self._news.notify_all()

    async def run(self, submit: object) -> None:
        """The tests feed submissions themselves."""

    async def told(self, message_id: MessageId, kind: EventKind) -> DeliveryEvent:
        """Wait until it hears this of a message."""

        def heard() -> list[DeliveryEvent]:
            return [event for event in self.events if event.message_id == message_id and event.kind is kind]

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(heard)
        return heard()[0]


@dataclass
class Node:
    """One access point with its corner and the link it sends by."""

    side: Side
    ap: AccessPoint
    corner: Corner
    link: Link

    async def outcome(self, message_id: MessageId, kind: EventKind = EventKind.SENT) -> DeliveryEvent:
        """Wait until this happens to a message here."""
        return await happened(self.ap, message_id, kind)

    async def stored(self, message_id: MessageId, direction: Direction) -> Stored | None:
        """What it keeps of a message."""
        found = await self.ap.store.find(Query(message_id=message_id, direction=direction))
        return found[0] if found else None


async def happened(ap: AccessPoint, message_id: MessageId, kind: EventKind) -> DeliveryEvent:
    """Wait until this happens to a message."""
    async with asyncio.timeout(PATIENCE):
        async for event in ap.events(message_id=message_id):
            if event.kind is kind:
                return event
    raise AssertionError("the access point stopped")


# -- the platform


@dataclass
class World:
    """C2 and C3, which know each other under the Commission's P-Modes, and the service in which C2 looks C3 up.

    C3 can decrypt for `registered` too, but does not sign with it.
    """

    transport: str
    c2: Node
    c3: Node
    client: aiohttp.ClientSession
    service: DiscoveryService
    registered: pki.Identity

    async def exchange(self, submission: Submission, *, at: Node | None = None) -> Exchange:
        """Submit at C2 (or `at`), wait for the outcome; the last POST of the message."""
        node = at or self.c2
        message_id = await node.ap.submit(submission)
        await node.outcome(message_id)
        return node.link.of(message_id)[-1]

    async def delivered(self, message_id: MessageId, *, at: Node | None = None) -> UserMessage:
        """Wait until C4 (or the corner of `at`) has a message; it has it once."""
        node = at or self.c3
        await node.outcome(message_id)
        [message] = node.corner.messages[message_id]
        return message

    def crafted(self, pmode: str = "SIMPLE_ONEWAY", **changes: Any) -> craft.Message:
        """A right message from C2 to C3 under a P-Mode, to plant a defect in."""
        kind = {"ONEWAY_ONLY_SIGN": "ONEWAY_SIGNONLY"}.get(pmode, pmode)
        values: dict[str, Any] = {
            "sender": self.c2.side.identity,
            "recipient": self.c3.side.identity,
            "from_id": self.c2.side.name,
            "to_id": self.c3.side.name,
            "party_type": PARTY_TYPE,
            "service": f"SRV_{kind}",
            "action": f"ACT_{kind}",
            "properties": CORNERS,
            "encrypt": pmode != "ONEWAY_ONLY_SIGN",
            **changes,
        }
        return craft.Message(**values)

    def pmode_of(self, node: Node) -> dict[str, object]:
        """A P-Mode table between the two for a test to change; its service is its own."""
        partner = self.c3 if node is self.c2 else self.c2
        return _agreed(partner.side, "CHANGING")

    async def post(self, message: craft.Message) -> "Posted":
        """POST a message made by hand to C3."""
        made = craft.make(message)
        request = Capture(made.content_type, made.body)
        if self.transport == "http":
            headers = {"Content-Type": request.content_type}
            async with self.client.post(self.c3.side.url, data=request.body, headers=headers) as response:
                answer = Capture(response.headers.get("Content-Type", ""), await response.read(), response.status)
        else:
            wire = Wire(content_type=request.content_type, body=MemoryBody(request.body))
            answer = _captured(await self.c3.ap.receive(wire))
        return Posted(request, answer, message_id=MessageId(made.message_id))

    async def not_kept(self, message_id: MessageId) -> bool:
        """C3 has nothing of a message, so that it can never be delivered."""
        return await self.c3.stored(message_id, Direction.INBOUND) is None


@dataclass(kw_only=True)
class Posted(Exchange):
    """An exchange begun by the platform itself."""

    message_id: MessageId


def message(
    *payloads: Payload, pmode: str | None = "SIMPLE_ONEWAY", message_id: MessageId | None = None, **changes: Any
) -> Submission:
    """What the platform's C1 submits: it always names MessageId and both corners."""
    values: dict[str, Any] = {
        "payloads": payloads or (xml(),),
        "message_id": message_id or MessageId(f"{uuid.uuid4()}@minder"),
        "pmode": pmode,
        "sender": SENDER,
        "receiver": RECEIVER,
        **changes,
    }
    return Submission(**values)


def xml(content_id: str = "xmlpayload@minder", data: bytes = XML, **changes: Any) -> Payload:
    """The platform's XML payload."""
    return Payload(**{"body": MemoryBody(data), "mime_type": "application/xml", "content_id": content_id, **changes})


def binary(content_id: str = "custompayload@minder", data: bytes = BINARY) -> Payload:
    """The platform's binary payload."""
    return Payload(body=MemoryBody(data), mime_type="application/octet-stream", content_id=content_id)


# -- set-up


@asynccontextmanager
async def open_world(folder: Path, transport: str) -> AsyncIterator[World]:
    """Write the configuration, start both access points, and for http their listeners."""
    sides = write_pair(folder, backends={"corner": 'kind = "memory"\n'})
    for side, partner in (sides, sides[::-1]):
        write_pmodes(side, partner)
    registered = also_decrypts(sides[1])
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(discovery_service(sides))
        aps: dict[str, AccessPoint] = {}
        c2, c3 = [await stack.enter_async_context(_node(side, transport, aps)) for side in sides]
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(transport, c2, c3, client, service, registered)


def write_pmodes(side: Side, partner: Side) -> None:
    """The Commission's P-Modes for this side, as they ship, and some for what they leave open."""
    shipped = {path.stem: path for path in sorted(SHIPPED.glob("[A-Z]*.toml"))}
    agreed = {"partner": partner.name, "url": partner.url, "certificate": partner.name}
    tables = {name: {**tomllib.loads(path.read_text("utf-8")), **agreed} for name, path in shipped.items()}
    # Retries rehearsed without waiting.
    tables["ONEWAY_RETRY"]["retry"]["first_wait"] = 0.02
    tables["AGREED"] = {**_agreed(partner, "AGREED"), "agreement": {"value": "urn:agreed", "type": "urn:type"}}
    tables["CHANGING"] = _agreed(partner, "CHANGING")
    # As in the Commission's messages of 2019: parties without a type, an agreement.
    untyped = {"us": {"id": side.name, "type": ""}, "partner": {"id": partner.name, "type": ""}}
    tables["UNTYPED"] = {**_agreed(partner, "UNTYPED"), **untyped, "agreement": "agreed"}
    if side.name == "alpha":  # what is sent under this one finds no P-Mode at the partner
        tables["UNKNOWN_THERE"] = _agreed(partner, "UNKNOWN_THERE")
    # Whoever stands below the CA and meets the policy.
    dynamic = {"trust": ["pair-ca"], "policies": [POLICY], "party_binding": "subject-cn", "four_corner": True}
    tables["DYNAMIC"] = {**_service("DYNAMIC"), **dynamic}
    # Whoever is found in the discovery service, and whoever it would find.
    tables["LOOKED_UP"] = {**_service("LOOKED_UP"), "network": NETWORK, "four_corner": True, "retry": {"attempts": 1}}
    tables["POINT_TO_POINT"] = {**_service("POINT_TO_POINT"), "network": NETWORK, "retry": {"attempts": 1}}
    for name, table in tables.items():
        (side.home / "pmodes" / f"{name}.toml").write_text(to_toml(table), encoding="utf-8")


def also_decrypts(side: Side) -> pki.Identity:
    """Give this side a second key to decrypt with."""
    window = {"not_before": datetime.now(UTC) - timedelta(days=1), "not_after": datetime.now(UTC) + timedelta(days=9)}
    second = pki.make_leaf(side.identity.issuer, side.name, key="d", **window)
    file = side.home / "keys" / "registered.pem"
    file.touch(mode=0o600)
    file.write_bytes(second.key_pem + second.pem)
    own = '[[keys.decryption]]\nfile = "keys/ap.key.pem"\ncertificate = "keys/ap.crt.pem"\n'
    with side.config.open("a", encoding="utf-8") as text:
        text.write(f'\n{own}[[keys.decryption]]\nfile = "keys/registered.pem"\n')
    return second


def _agreed(partner: Side, name: str) -> dict[str, Any]:
    """A P-Mode with the partner, after the Commission's; one attempt to send."""
    terms = {"partner": partner.name, "url": partner.url, "certificate": partner.name, "retry": {"attempts": 1}}
    return {**_service(name), **terms, "four_corner": True}


def _service(name: str) -> dict[str, Any]:
    return {"service": f"SRV_{name}", "actions": [f"ACT_{name}"], "party_id_uri": False}


@asynccontextmanager
async def _node(side: Side, transport: str, aps: dict[str, AccessPoint]) -> AsyncIterator[Node]:
    links: list[Link] = []

    def web(*arguments: Any, **settings: Any) -> Link:
        if transport == "http":
            peers = PeerWeb(*arguments, **settings)
            links.append(Link(partial(peers.post, timeout=PATIENCE, tls_trust=None), peers.close))
        else:
            links.append(Link(lambda url, wire, *, reach: aps[url].receive(wire), _nothing))
        return links[0]

    corner = Corner()
    ap = AccessPoint(Config.load(side.config), backends={"corner": corner})
    aps[side.url] = ap
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ehmi_ap.outward.PeerWeb", web)
        await ap.start()
    try:
        async with AsyncExitStack() as stack:
            if transport == "http":
                await stack.enter_async_context(listening(ap))
            yield Node(side, ap, corner, links[0])
    finally:
        await ap.stop()


async def _nothing() -> None:
    """There is no connection to close."""


def names(parts: Sequence[Payload]) -> list[str | None]:
    """Content ids, in order."""
    return [part.content_id for part in parts]
