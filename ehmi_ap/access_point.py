"""The access point: names the concrete parts, joins them, starts and stops them.

    async with AccessPoint(config) as ap:
        message_id = await ap.submit(Submission(...))
        async for event in ap.events(message_id=message_id): ...

C1 calls submit(), the AS4 listener calls receive(); senders, deliverers, the reporter and the backends' own feeds run
in the background from start() to stop(). Everything that matters is in the store: whatever dies goes on from there.
"""

import asyncio
import logging
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType

import ehmi_ap.config as configuration
from ehmi_ap.agreements import Agreements
from ehmi_ap.backends import build_all
from ehmi_ap.background import SWEEP, Background
from ehmi_ap.body import Body
from ehmi_ap.config import Config
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Result, Wanted
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import NotAllowed, NotFound, StoreError
from ehmi_ap.flows import queue
from ehmi_ap.flows.authorship import Signature, signature_of
from ehmi_ap.flows.bell import Bell
from ehmi_ap.flows.deliver import deliver
from ehmi_ap.flows.directory import Directory
from ehmi_ap.flows.pickup import Pickup
from ehmi_ap.flows.probe import Probe
from ehmi_ap.flows.receive import receive
from ehmi_ap.flows.send import send
from ehmi_ap.flows.status import StatusReporting
from ehmi_ap.flows.submit import submit
from ehmi_ap.flows.world import World
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import DeliveryEvent, Direction, EventKind, MessageId, Submission, Wire
from ehmi_ap.outward import Outward
from ehmi_ap.ports import Backend, Blobs, Job, Store, Stored
from ehmi_ap.profile import Profile
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.sqlite import SqliteStore

log = logging.getLogger(__name__)

GRACE = 20.0
"""Seconds that what is in flight may take to end when we stop."""
PACE = 0.002
"""Seconds at least between two looks of one follower of events."""
DAILY = 86400.0
"""Seconds between warnings of certificates that end."""


class AccessPoint:
    """An AS4 access point. `agreements` is replaced as a whole when an administrator changes it.

    After start(), `store`, `blobs`, `backends` and `directory` may be used as well; `stats` counts what happened since
    then, `lookups` has number and seconds of look-ups by network and outcome.
    """

    store: Store
    blobs: Blobs
    agreements: Agreements
    backends: Mapping[str, Backend]
    directory: Directory

    def __init__(self, config: Config, *, backends: Mapping[str, Backend] | None = None) -> None:
        """`backends` stand beside those of the configuration, by name. Nothing is opened before start()."""
        self.config = config
        self.stats: Counter[str] = Counter()
        self.lookups: dict[tuple[str, str], tuple[int, float]] = {}
        self._given = dict(backends or {})
        self._started_at: datetime | None = None
        self._stopping = False
        self._bell = Bell()
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> "AccessPoint":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the store and begin to send, deliver and report.

        Raises:
            ConfigError: keys, certificates, P-Modes or backends are wrong; all findings at once.
            StoreError: the store cannot be opened.
        """
        config = self.config
        profiles = config.profiles()
        self.agreements = await asyncio.to_thread(configuration.load_agreements, config)
        self.backends = {**build_all(config.backends, home=config.home, domain=config.domain), **self._given}
        self._outward = Outward(config, lambda: self.agreements)
        try:
            blobs = await asyncio.to_thread(FileBlobs, config.store / "payloads")
            self.store = await SqliteStore.open(config.store / "ehmi-ap.db", blobs)
        except BaseException:
            await self._outward.close()
            raise
        self.blobs = blobs
        self._probe = Probe(self.store, time.monotonic)
        self.directory = Directory(
            self._look_up,
            judge=self._outward.judge,
            agreements=lambda: self.agreements,
            now=_now,
            clock=time.monotonic,
            count=self._count,
            observe=self._observe,
        )
        self._world = self._make_world(profiles)
        self._sending = self._pickup(Direction.OUTBOUND, send, config.workers.send)
        self._delivering = self._pickup(Direction.INBOUND, deliver, config.workers.deliver)
        self._world = replace(self._world, senders=self._sending)
        self._background = Background(self._world, self._bell, config.retention, self._make_status())
        self._started_at, self._stopping = _now(), False
        self._background.begin(self._running())
        log.info("access point started", extra={"party": str(config.party), "pmodes": len(self.agreements.pmodes)})

    async def stop(self, grace: float = GRACE) -> None:
        """Take nothing new up, give what is in flight `grace` seconds to end, and close the store."""
        if self._started_at is None or self._stopping:
            return
        self._stopping = True
        self._bell.ring()
        await asyncio.gather(self._sending.stop(grace), self._delivering.stop(grace))
        await self._background.stop()
        try:
            await self.directory.close()
            await self._outward.close()
        finally:
            await self.store.close()
        log.info("access point stopped")

    async def submit(self, submission: Submission, *, backend: str | None = None) -> MessageId:
        """Take a message from C1; it is stored when this returns, and sent by itself. See flows.submit.

        `backend` is whose message it is: who may sign it, and who is told its events. None: the program that calls
        this is C1 itself, one with us, and the default backend is told the events.
        """
        chosen = backend or self.default_backend
        message_id = await submit(submission, self._world, backend=chosen, ours=backend is None)
        self._bell.ring()
        return message_id

    @property
    def default_backend(self) -> str:
        """Whose a message is when nobody says so; empty where there is no backend at all."""
        return self._world.default_backend

    async def signature(self, body: Body, *, backend: str) -> Signature | None:
        """Our signature over a payload that C4 fetches from this backend; None where nothing is signed.

        Raises SendingBlocked.
        """
        return await signature_of(body, self._world, backend=backend)

    async def receive(self, wire: Wire) -> Wire:
        """The answer to one POST of a peer. See flows.receive."""
        answer = await receive(wire, self._world)
        self._delivering.wake()
        self._bell.ring()
        return answer

    async def events(
        self, *, after: int = 0, message_id: MessageId | None = None, follow: bool = True
    ) -> AsyncIterator[DeliveryEvent]:
        """What happened, by ascending `seq` above `after`; goes on with what happens next while `follow`.

        Ends when the access point stops. The store keeps events, so one may go on after the last seq seen.
        """
        clock = asyncio.get_running_loop().time
        while True:
            heard, looked = self._bell.listen(), clock()
            try:
                found = await self.store.events(after=after, message_id=message_id)
            except StoreError:
                if self._stopping:  # the store was closed under us
                    return
                raise
            for event in found:
                after = event.seq
                yield event
            if self._stopping or (not found and not follow):
                return
            if not found:
                await heard(SWEEP)
                await asyncio.sleep(max(looked + PACE - clock(), 0))

    async def resend(self, key: int) -> None:
        """Open a FAILED or UNDELIVERED message again. Raises NotFound, NotAllowed."""
        stored = await self._stored(key)
        if not stored.payloads_kept:
            raise NotAllowed(
                "the payloads of this message are no longer kept",
                fix="Let them be submitted anew, under a new message_id; [retention] says how long payloads are kept.",
            )
        event = _own_event(stored, EventKind.RESENT)
        if not await self.store.settle(key, Happening.RESENT, now=_now(), events=[event]):
            raise NotAllowed(
                f"a message that is {stored.state.value} cannot be resent",
                fix="Only failed and undelivered messages can; the others are under way, or done.",
            )
        (self._sending if stored.direction is Direction.OUTBOUND else self._delivering).wake()
        self._bell.ring()

    async def acknowledge(self, key: int) -> None:
        """C4 has fetched the message and keeps it; may be repeated. Raises NotFound, NotAllowed."""
        stored = await self._stored(key)
        if stored.direction is not Direction.INBOUND:
            raise NotFound("there is no such message in the inbox")
        if stored.state is State.DELIVERED:
            return
        event = _own_event(stored, EventKind.SENT)
        if not await self.store.settle(key, Happening.SETTLED, now=_now(), events=[event]):
            stored = await self._stored(key)
            if stored.state is not State.DELIVERED:
                raise NotAllowed(f"a message that is {stored.state.value} cannot be acknowledged")
            return
        self.stats["delivered"] += 1
        self._bell.ring()

    async def retry_status(self, seq: int | None = None) -> int:
        """Reports that were parked wait again, all or this one, and EDS is asked at once; how many now wait.

        Raises NotFound, NotAllowed (it waits for nothing any more).
        """
        found = await queue.retry(self.store.reports, seq, now=_now())
        self._background.retry_status()
        return found

    async def drop_status(self, seq: int, reason: str) -> None:
        """EDS is not told this report, ever; `reason` is kept with it. Raises NotFound, NotAllowed."""
        await queue.drop(self.store.reports, seq, reason, now=_now())
        self.stats["status_dropped"] += 1

    async def put_pmode(self, name: str, table: Mapping[str, object]) -> None:
        """Add or replace a P-Mode, effective at once. Raises ConfigError."""
        await self._change(lambda: configuration.put_pmode(self.config, name, table))

    async def delete_pmode(self, name: str) -> None:
        """Raises NotFound, ConfigError."""
        await self._change(lambda: configuration.delete_pmode(self.config, name))

    async def put_network(self, name: str, table: Mapping[str, object]) -> None:
        """Add or replace a network of the operator's own, effective at once. Raises ConfigError."""
        await self._change(lambda: configuration.put_network(self.config, name, table))

    async def delete_network(self, name: str) -> None:
        """Raises NotFound, ConfigError (a P-Mode needs it)."""
        await self._change(lambda: configuration.delete_network(self.config, name))

    async def put_certificate(self, name: str, data: bytes) -> None:
        """Add or replace trusted certificates (PEM or DER), effective at once. Raises ConfigError."""
        await self._change(lambda: configuration.put_certificate(self.config, name, data))

    async def delete_certificate(self, name: str) -> None:
        """Raises NotFound, ConfigError (a P-Mode needs it)."""
        await self._change(lambda: configuration.delete_certificate(self.config, name))

    async def health(self) -> Mapping[str, object]:
        """Whether messages can be taken and sent; `status` is ok, trouble or stopped."""
        if self._started_at is None or self._stopping:
            return {"status": "stopped"}
        own = (await self._probe.trouble(), self._sending.trouble, self._delivering.trouble)
        found = (*own, *self._background.trouble)
        trouble = [what for what in found if what]
        return {
            "status": "trouble" if trouble else "ok",
            "trouble": trouble,
            "since": self._started_at.isoformat(),
            "sending": self._sending.in_flight,
            "delivering": self._delivering.in_flight,
            "pmodes": len(self.agreements.pmodes),
            "delivery_status": list(self._background.untold),
            "warnings": list(self.agreements.warnings),
        }

    def _make_world(self, profiles: Mapping[str, Profile]) -> World:
        domain = self.config.domain
        chosen = self.config.backend_of(None) or next(iter(self.backends), "")
        return World(
            store=self.store,
            blobs=self.blobs,
            web=self._outward.web,
            backends=self.backends,
            default_backend=chosen,
            embedded=frozenset(self._given),
            agreements=lambda: self.agreements,
            directory=self.directory,
            profiles=profiles,
            us=self.config.party,
            domain=domain,
            now=_now,
            new_id=lambda: MessageId(f"{uuid.uuid4()}@{domain}"),
            chance=random.random,
            count=self._count,
            reports_status=self._outward.eds is not None,
        )

    def _make_status(self) -> StatusReporting | None:
        eds, settings = self._outward.eds, self.config.eds
        if eds is None or settings is None:
            return None
        return StatusReporting(
            self.store.reports,
            eds,
            device=settings.as_told(),
            failures=settings.failures,
            now=_now,
            clock=time.monotonic,
            chance=random.random,
            count=self._count,
        )

    def _count(self, what: str) -> None:
        self.stats[what] += 1

    def _observe(self, network: str, outcome: str, seconds: float) -> None:
        number, total = self.lookups.get((network, outcome), (0, 0.0))
        self.lookups[network, outcome] = (number + 1, total + seconds)

    async def _look_up(
        self, wanted: Wanted, network: Network, trust: Trust, *, now: datetime, known: Found | None
    ) -> Result:
        return await self._outward.look_up(wanted, network, trust, now=now, known=known)

    def _pickup(self, direction: Direction, work: Callable[[Job, World], Awaitable[bool]], workers: int) -> Pickup:
        async def ringing(job: Job, world: World) -> bool:
            try:
                return await work(job, world)
            finally:
                self._bell.ring()  # there are new events

        return Pickup(direction, ringing, self._world, workers=workers, lease=self.config.workers.lease)

    def _running(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """What runs by itself beside the parts of background.py."""
        parts: dict[str, Callable[[], Awaitable[None]]] = {
            "sending": self._sending.run,
            "delivering": self._delivering.run,
            "warnings": self._warn,
        }
        feeding = ((name, backend) for name, backend in self.backends.items() if hasattr(backend, "run"))
        return parts | {f"backend {name}": self._feed(name, backend) for name, backend in feeding}

    async def _warn(self) -> None:
        """Of certificates that end, and what else is worth knowing: now, and once a day anew."""
        while True:
            for warning in self.agreements.warnings:
                log.warning("worth a look", extra={"detail": warning})
            await asyncio.sleep(DAILY)
            await self._change(lambda: configuration.judge_again(self.config, self.agreements, now=_now()))

    def _feed(self, name: str, backend: Backend) -> Callable[[], Awaitable[None]]:
        async def submit_as(submission: Submission) -> MessageId:
            return await self.submit(submission, backend=name)

        return lambda: backend.run(submit_as)

    async def _change(self, change: Callable[[], Agreements]) -> None:
        async with self._changing:
            self.agreements = await asyncio.to_thread(change)
        self._sending.wake()

    async def _stored(self, key: int) -> Stored:
        stored = await self.store.get(key)
        if stored is None:
            raise NotFound("there is no such message")
        return stored


def _now() -> datetime:
    return datetime.now(UTC)


def _own_event(stored: Stored, kind: EventKind) -> DeliveryEvent:
    return DeliveryEvent(
        kind=kind,
        message_id=stored.message.message_id,
        direction=stored.direction,
        at=_now(),
        backend=stored.backend,
    )
