"""A small world: access points joined in memory, with weather between them, and a clock that a test moves.

    net = Net()
    c2, c3 = net.site("c2", ...), net.site("c3", ...)
    net.forecast(lose_request, lose_answer)        # what happens to the next POSTs; afterwards the sun shines
    await c2.submit(...); await c2.send_due(); await c3.deliver_due()

`Net` implements ports.Web; stores, blobs, crypto and flows are the product's own. A `Fuse` blows at a chosen step of the
ports, as a crash would; `Site.restart()` drops everything that was in memory and opens the store again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pki
from registry import Registry

from ehmi_ap.agreements import Agreements
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.crypto.keys import Keys, Trust, load_certificates, load_key_pairs
from ehmi_ap.discovery.found import Result
from ehmi_ap.discovery.network import Network, Publishers, Receivers
from ehmi_ap.errors import BackendError, TransportError
from ehmi_ap.flows.deliver import deliver
from ehmi_ap.flows.directory import Directory
from ehmi_ap.flows.receive import receive
from ehmi_ap.flows.report import report
from ehmi_ap.flows.send import send
from ehmi_ap.flows.submit import submit
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import RetryPolicy
from ehmi_ap.model import DeliveryEvent, Direction, MessageId, PartyId, Payload, Service, Submission, UserMessage, Wire
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Blobs, Reach, Store
from ehmi_ap.profile import Profile
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.memory import MemoryBlobs, MemoryStore
from ehmi_ap.store.sqlite import SqliteStore

UNREGISTERED = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
SERVICE = Service("urn:example:results")
ACTION = "urn:example:results:submit"
LEASE = 60.0
"""Seconds; a test that restarts a site moves the clock beyond it."""

Forward = Callable[[Wire], Awaitable[Wire]]
Weather = Callable[[Wire, Forward], Awaitable[Wire]]


def party(name: str) -> PartyId:
    return PartyId(name, UNREGISTERED)


# -- weather


async def sunshine(wire: Wire, forward: Forward) -> Wire:
    """The request arrives, and so does its answer."""
    return await forward(wire)


async def lose_request(wire: Wire, forward: Forward) -> Wire:
    """The peer never sees it."""
    raise TransportError("peer.example refuses connections")


async def lose_answer(wire: Wire, forward: Forward) -> Wire:
    """The peer has it, and its answer is lost on the way back."""
    await forward(wire)
    raise TransportError("peer.example closed the connection before its answer was whole")


async def withhold(wire: Wire, forward: Forward) -> Wire:
    """The European Commission's rehearsal of a missing receipt: the request is kept back, the answer is empty."""
    return Wire(content_type="", body=MemoryBody(b""), status=202)


async def twice(wire: Wire, forward: Forward) -> Wire:
    """A client that sends the same POST a second time while the first is in flight (peers-live 5, Domibus)."""
    first, second = await asyncio.gather(forward(wire), forward(wire))
    assert read_all(first.body) == read_all(second.body), "two equal POSTs in flight got different answers"
    return first


def answer_with(answer: Wire) -> Weather:
    """The peer answers this, whatever it was sent."""

    async def answering(wire: Wire, forward: Forward) -> Wire:
        return answer

    return answering


def hold_answer(held: list[Wire]) -> Weather:
    """The peer has it; its answer is put into `held`, to be posted later, and the sender times out."""

    async def holding(wire: Wire, forward: Forward) -> Wire:
        held.append(await forward(wire))
        raise TransportError("no whole answer from peer.example within 300 s")

    return holding


# -- steps that may be the last


class Crash(BaseException):
    """The process is gone. No `except Exception` of the product sees it."""


@dataclass
class Fuse:
    """Counts the steps of all ports and blows at the one in `at`: before the step, or after it was done."""

    at: int | None = None
    steps: int = 0
    names: list[str] = field(default_factory=list)

    @property
    def blown(self) -> bool:
        return self.at is not None and self.steps >= self.at

    def tick(self, name: str) -> None:
        self.steps += 1
        self.names.append(name)
        if self.steps == self.at:
            raise Crash(name)


class Fused:
    """A port, each call of which ticks before and after."""

    def __init__(self, port: object, name: str, fuse: Fuse) -> None:
        self._port, self._name, self._fuse = port, name, fuse

    def __getattr__(self, method: str) -> object:
        call = getattr(self._port, method)
        if not asyncio.iscoroutinefunction(call):
            return call

        async def ticking(*args: object, **kwargs: object) -> object:
            self._fuse.tick(f"before {self._name}.{method}")
            result = await call(*args, **kwargs)
            self._fuse.tick(f"after {self._name}.{method}")
            return result

        return ticking


# -- C1 and C4


@dataclass
class Inbox:
    """A backend: C4 that keeps what it is given, by sender and MessageId, and C1 that hears of its messages."""

    fetches: bool = False
    taken: dict[tuple[PartyId, MessageId], list[UserMessage]] = field(default_factory=dict)
    events: list[DeliveryEvent] = field(default_factory=list)
    down: bool = False

    async def deliver(self, message: UserMessage) -> None:
        if self.down:
            raise BackendError("C4 is down")
        self.taken.setdefault((message.from_.id, message.message_id), []).append(message)

    async def notify(self, event: DeliveryEvent) -> None:
        if self.down:
            raise BackendError("C4 is down")
        self.events.append(event)

    async def run(self, submit: object) -> None:
        """C1 is the test."""

    @property
    def messages(self) -> list[UserMessage]:
        """Every message that C4 has, each once however often it was handed over."""
        return [handed[0] for handed in self.taken.values()]

    def told(self, message_id: MessageId) -> list[tuple[str, bool, str | None]]:
        """What C1 or C4 heard of a message: kind, failed, code."""
        return [(e.kind.value, e.failed, e.code) for e in self.events if e.message_id == message_id]


# -- the sites


@dataclass
class Clock:
    at: datetime = pki.NOW

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Net:
    """`ports.Web` between sites, by URL."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.sites: dict[str, Site] = {}
        self.registry = Registry()
        self.posts: list[Wire] = []
        self.reaches: list[Reach] = []
        self.timeouts: list[float] = []
        self.answers: list[Wire] = []
        self._weather: deque[Weather] = deque()

    def forecast(self, *weather: Weather) -> None:
        """What the next POSTs meet, one each."""
        self._weather.extend(weather)

    async def post(
        self, url: str, wire: Wire, *, timeout: float, tls_trust: str | None, reach: Reach = Reach.ANY
    ) -> Wire:
        self.reaches.append(reach)
        as_sent = replace(wire, body=MemoryBody(b"".join(wire.body.chunks())))
        self.posts.append(as_sent)
        self.timeouts.append(timeout)
        weather = self._weather.popleft() if self._weather else sunshine
        answer = await weather(as_sent, self.sites[url].receive)
        self.answers.append(answer)
        return answer


class Site:
    """One access point, without its loops: a test takes each step itself."""

    def __init__(
        self, net: Net, name: str, identity: pki.Identity, *, folder: Path | None, fuse: Fuse | None = None
    ) -> None:
        """`folder` None: MemoryStore, which outlives restart(); else SqliteStore in that folder."""
        self.net, self.name, self.identity = net, name, identity
        self.folder = folder
        self.fuse = fuse or Fuse()
        self.inbox = Inbox()
        self.url = f"https://{name}.example/as4"
        self.keys = _keys(identity)
        self.certificates: dict[str, bytes] = {}
        self.pmodes: list[PMode] = []
        self.profiles: dict[str, Profile] = {"edelivery": Profile(name="edelivery")}
        self.networks: dict[str, Network] = {}
        self.store: Store = MemoryStore()
        self.blobs: Blobs = MemoryBlobs()
        self._ids = 0
        net.sites[self.url] = self

    async def open(self) -> None:
        if self.folder is not None:
            blobs = FileBlobs(self.folder / "payloads", threshold=4096)
            self.blobs, self.store = blobs, await SqliteStore.open(self.folder / "store.db", blobs)
        self.world = self._world()

    async def close(self) -> None:
        await self.store.close()

    async def restart(self) -> None:
        """As after kill -9: what was in memory is gone, leases run out."""
        if self.folder is not None:
            await self.store.close()
        self.fuse.at = None
        self.net.clock.advance(LEASE + 1)
        await self.open()

    def knows(self, other: "Site", **changes: object) -> PMode:
        """Add or replace the P-Mode with `other`."""
        self.certificates[other.name] = other.identity.pem
        return self._agree(
            {
                "name": other.name,
                "partner": party(other.name),
                "url": other.url,
                "certificate": other.name,
                "trust": (other.name,),
                **changes,
            }
        )

    def looks_up(self, anchor: pki.Identity, *, private: bool = False, **changes: object) -> PMode:
        """Add or replace the template for partners that are looked up; whoever stands below `anchor` may send to us."""
        self.certificates["ca"] = anchor.pem
        receivers = Receivers(trust=("ca",), private_addresses=private)
        self.networks["net"] = Network(name="net", publishers=Publishers(trust=("ca",)), receivers=receivers)
        return self._agree(
            {
                "name": "dynamic",
                "partner": None,
                "network": "net",
                "four_corner": True,
                "trust": ("ca",),
                "party_binding": "subject-cn",
                **changes,
            }
        )

    def _agree(self, terms: dict[str, object]) -> PMode:
        values: dict[str, object] = {
            "us": party(self.name),
            "service": SERVICE,
            "actions": (ACTION,),
            "retry": RetryPolicy(first_wait=30.0, jitter=0.0, window=86400.0),
            **terms,
        }
        pmode = PMode(**values)  # type: ignore[arg-type]
        self.pmodes = [item for item in self.pmodes if item.name != pmode.name] + [pmode]
        return pmode

    def renew(self, identity: pki.Identity) -> None:
        """A new key and certificate; what is encrypted for the old one cannot be read any more."""
        self.identity, self.keys = identity, _keys(identity)

    async def submit(self, data: bytes = b"<result/>", backend: str = "inbox", **changes: object) -> MessageId:
        values: dict[str, object] = {
            "payloads": (Payload(body=MemoryBody(data), mime_type="application/xml"),),
            **changes,
        }
        return await submit(Submission(**values), self.world, backend=backend, ours=True)  # type: ignore[arg-type]  # what a test varies

    async def receive(self, wire: Wire) -> Wire:
        """What a peer's POST meets; a peer hears nothing from a process that is gone."""
        try:
            self._alive()
            return await receive(wire, self.world)
        except Crash:
            raise TransportError(f"{self.name}.example closed the connection before its answer was whole") from None

    async def send_due(self) -> int:
        """One attempt for each message that is due; how many."""
        self._alive()
        jobs = await self.world.store.claim(Direction.OUTBOUND, now=self.net.clock.now(), lease=LEASE, limit=50)
        for job in jobs:
            await send(job, self.world)
        return len(jobs)

    async def deliver_due(self) -> int:
        """One attempt for each message that is due; how many."""
        self._alive()
        jobs = await self.world.store.claim(Direction.INBOUND, now=self.net.clock.now(), lease=LEASE, limit=50)
        for job in jobs:
            await deliver(job, self.world)
        return len(jobs)

    async def report(self) -> bool:
        self._alive()
        return await report(self.world)

    async def events(self, message_id: MessageId) -> list[tuple[str, bool, str | None]]:
        """The timeline of a message: kind, failed, code."""
        found = await self.store.events(message_id=message_id)
        return [(event.kind.value, event.failed, event.code) for event in found]

    def _alive(self) -> None:
        if self.fuse.blown:
            raise Crash(self.name)

    def _world(self) -> World:
        self.counted: Counter[str] = Counter()

        def count(what: str) -> None:
            self.counted[what] += 1

        self.directory = Directory(
            self._look,
            judge=self.net.registry.judge,
            agreements=self._agreements,
            now=self.net.clock.now,
            clock=lambda: self.net.clock.at.timestamp(),
            count=count,
        )
        return World(
            store=Fused(self.store, f"{self.name}.store", self.fuse),  # type: ignore[arg-type]
            blobs=self.blobs,
            web=Fused(self.net, "web", self.fuse),  # type: ignore[arg-type]
            backends={"inbox": Fused(self.inbox, "inbox", self.fuse)},  # type: ignore[dict-item]
            default_backend="inbox",
            agreements=self._agreements,
            directory=self.directory,
            profiles=self.profiles,
            us=party(self.name),
            domain=f"{self.name}.example",
            now=self.net.clock.now,
            new_id=self._new_id,
            chance=lambda: 0.0,
            count=count,
        )

    async def _look(self, *what: Any, **how: Any) -> Result:
        self.fuse.tick("before look-up")
        result = await self.net.registry(*what, **how)
        self.fuse.tick("after look-up")
        return result

    def _agreements(self) -> Agreements:
        named = {name: load_certificates(pem) for name, pem in self.certificates.items()}
        return Agreements(pmodes=tuple(self.pmodes), keys=self.keys, trust=Trust(named), networks=self.networks)

    def _new_id(self) -> MessageId:
        self._ids += 1
        return MessageId(f"{self._ids}@{self.name}.example")


_LOADED: dict[bytes, Keys] = {}


def _keys(identity: pki.Identity) -> Keys:
    """Loaded once: checking an RSA key takes 40 ms."""
    if identity.der not in _LOADED:
        pair = load_key_pairs(identity.key_pem + identity.chain_pem)[0]
        _LOADED[identity.der] = Keys(signing=pair, decryption=(pair,))
    return _LOADED[identity.der]
