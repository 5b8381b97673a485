"""Where receivers are: look-ups asked once for all who wait, and their results used as long as they may be.

    find    fresh: from memory, asked anew in the background when it ages
            else: asked, one look-up for all who want the same at that time
            Unavailable: what was found before, as long as it may be used; else what a snapshot says
    known   from memory or not at all, for C1, which is never held up by DNS or SMP

Results are kept for each network, the most recently used; they are forgotten when its rules or anchors change. Several
processes on one store have a directory each: what one finds, another has to ask for itself.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ehmi_ap.agreements import Agreements
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import FOUND, Found, Missed, Result, Wanted
from ehmi_ap.discovery.network import Network, asks_nobody
from ehmi_ap.discovery.snapshots import Snapshot, is_of
from ehmi_ap.errors import NotFound, Unavailable
from ehmi_ap.flows.explain import quoted
from ehmi_ap.flows.remembered import Remembered, basis_of, remember

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds for one look-up with all its questions."""


class Look(Protocol):
    """How the network is asked (flows.ask); `known` is what was found before, which may be unchanged."""

    async def __call__(
        self, wanted: Wanted, network: Network, trust: Trust, *, now: datetime, known: Found | None
    ) -> Result: ...


class Judge(Protocol):
    """How a snapshot is judged, which may ask whether certificates are revoked."""

    async def __call__(
        self, snapshot: Snapshot, wanted: Wanted, network: Network, trust: Trust, *, now: datetime
    ) -> Result: ...


def _not_observed(network: str, outcome: str, seconds: float) -> None:
    """Where nobody reads metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is remembered of one receiver, for an administrator; `use` is Remembered.use() now."""

    network: str
    wanted: Wanted
    remembered: Remembered
    use: str


class Directory:
    """The look-ups of one access point; serves one event loop, ended by close()."""

    def __init__(
        self,
        look: Look,
        *,
        judge: Judge,
        agreements: Callable[[], Agreements],
        now: Callable[[], datetime],
        clock: Callable[[], float],
        count: Callable[[str], None],
        observe: Callable[[str, str, float], None] = _not_observed,
    ) -> None:
        """`clock` is monotonic, in seconds; `observe` is told network, outcome and duration of each look-up."""
        self._look = look
        self._judge = judge
        self._agreements = agreements
        self._now = now
        self._clock = clock
        self._count = count
        self._observe = observe
        self._entries: dict[str, OrderedDict[Wanted, Remembered]] = {}
        self._flights: dict[tuple[str, Wanted], asyncio.Task[Result]] = {}
        self._unconditional: set[tuple[str, Wanted]] = set()  # flights that ask for all, changed or not

    async def find(self, name: str, wanted: Wanted, *, fresh: bool = False) -> Result:
        """Where `wanted` is in the network `name`; `fresh`: as it is now, whatever was found or asked before.

        Raises:
            NotFound: there is no such network.
        """
        if not fresh:
            answer = self._remembered(name, wanted)
            if answer is not None:
                return self._or_else(answer, name, wanted)
            return self._or_else(await asyncio.shield(self._flight(name, wanted)), name, wanted)
        key = (name, wanted)
        if key in self._flights:
            await asyncio.wait([self._flights[key]])  # it was begun before it was asked for
        while key in self._flights and key not in self._unconditional:
            await asyncio.wait([self._flights[key]])
        return await asyncio.shield(self._flight(name, wanted, fresh=True))

    def known(self, name: str, wanted: Wanted) -> Found | None:
        """What may be used without asking; None: nothing."""
        remembered = self._recall(name, wanted)
        return remembered.fresh(self._now()) if remembered is not None else None

    def entries(self, participant: str | None = None) -> Sequence[Entry]:
        """What is remembered of the participant with this identifier, in any case; None: of all."""
        now = self._now()
        return [
            Entry(network=name, wanted=wanted, remembered=remembered, use=remembered.use(now))
            for name, kept in self._entries.items()
            for wanted, remembered in kept.items()
            if participant is None or wanted.participant.value.lower() == participant.lower()
        ]

    def flush(self, participant: str | None = None) -> int:
        """Forget what entries() gives; how many entries."""
        flushed = self.entries(participant)
        for entry in flushed:
            del self._entries[entry.network][entry.wanted]
        return len(flushed)

    async def close(self) -> None:
        """End the look-ups under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _remembered(self, name: str, wanted: Wanted) -> Result | None:
        """What need not be asked; None: it has to be."""
        remembered, now = self._recall(name, wanted), self._now()
        if remembered is None:
            return None
        error, found = remembered.missed(now), remembered.fresh(now)
        if found is not None:
            if error is None and remembered.ages(now):
                self._flight(name, wanted)
            self._count("lookup_remembered fresh")
            return found
        if error is None:
            return None
        self._count(f"lookup_remembered {error.outcome}")
        return Missed(error=error, steps=())

    def _or_else(self, result: Result, name: str, wanted: Wanted) -> Result:
        """Only where nobody could be asked: what was found before, or what a snapshot says."""
        if isinstance(result, Found) or not isinstance(result.error, Unavailable):
            return result
        remembered, now = self._recall(name, wanted), self._now()
        if remembered is None:
            return result
        for word, found in (("stale", remembered.stale(now)), ("snapshot", remembered.stored(now))):
            if found is not None:
                self._count(f"lookup_instead {word}")
                return found
        return result

    def _recall(self, name: str, wanted: Wanted) -> Remembered | None:
        """The entry, if the rules and anchors it was judged by still are those of the network."""
        kept = self._entries.get(name, OrderedDict())
        remembered = kept.get(wanted)
        if remembered is None:
            return None
        agreements = self._agreements()
        network = agreements.networks.get(name)
        if network is None or remembered.basis != basis_of(network, agreements.trust):
            del kept[wanted]
            return None
        kept.move_to_end(wanted)
        return remembered

    def _flight(self, name: str, wanted: Wanted, *, fresh: bool = False) -> "asyncio.Task[Result]":
        """The look-up under way for this receiver; begun, if there is none."""
        key = (name, wanted)
        if key not in self._flights:
            flight = asyncio.create_task(self._fly(name, wanted, fresh=fresh))
            self._flights[key] = flight
            if fresh:
                self._unconditional.add(key)
            flight.add_done_callback(lambda done: self._landed(key, done))
        return self._flights[key]

    def _landed(self, key: tuple[str, Wanted], flight: "asyncio.Task[Result]") -> None:
        del self._flights[key]
        self._unconditional.discard(key)
        if not flight.cancelled() and flight.exception() is not None:
            log.error("a look-up failed on our side", exc_info=flight.exception(), extra={"network": key[0]})

    async def _fly(self, name: str, wanted: Wanted, *, fresh: bool) -> Result:
        agreements, now, started = self._agreements(), self._now(), self._clock()
        network = agreements.networks.get(name)
        if network is None:
            raise NotFound(f"there is no network {name}", fix="Name one of networks/, or one that ships.")
        before = None if fresh else self._recall(name, wanted)
        result = await self._ask(wanted, network, agreements, now, before.found if before is not None else None)
        self._note(network, result, self._clock() - started)
        stored = None
        if isinstance(result, Missed) and isinstance(result.error, Unavailable) and not asks_nobody(network):
            stored = await self._stored(wanted, network, agreements, now)
        kept = self._entries.setdefault(name, OrderedDict())
        basis = basis_of(network, agreements.trust)
        at = now if isinstance(result, Found) else self._now()  # to miss may take as long as it is remembered
        kept[wanted] = remember(self._recall(name, wanted), result, basis, at, stored=stored)
        kept.move_to_end(wanted)
        while len(kept) > network.cache.size:
            kept.popitem(last=False)
        return result

    async def _ask(
        self, wanted: Wanted, network: Network, agreements: Agreements, now: datetime, known: Found | None
    ) -> Result:
        """The network, or the snapshots of one in which nobody can be asked; `known` may be unchanged."""
        if asks_nobody(network) and agreements.snapshots.get(network.name):
            what = f"{wanted.participant} has no snapshot of {wanted.document} in the network {network.name}"
            found = await self._stored(wanted, network, agreements, now)
            return found or Missed(error=fault("PARTICIPANT_NOT_REGISTERED", what), steps=())
        try:
            async with asyncio.timeout(LONGEST):
                return await self._look(wanted, network, agreements.trust, now=now, known=known)
        except TimeoutError:
            what = f"the look-up took longer than {LONGEST:g} seconds in all"
            return Missed(error=fault("SMP_TIMEOUT", what), steps=())

    async def _stored(self, wanted: Wanted, network: Network, agreements: Agreements, now: datetime) -> Result | None:
        """By the first snapshot that can be used, else why one cannot; None: there is none."""
        missed: Result | None = None
        try:
            async with asyncio.timeout(LONGEST):
                for snapshot in agreements.snapshots.get(network.name, ()):
                    if is_of(snapshot, wanted, network):
                        result = await self._judge(snapshot, wanted, network, agreements.trust, now=now)
                        if isinstance(result, Found):
                            return result
                        missed = missed or result
        except TimeoutError:  # who says what is revoked does not answer
            what = f"to judge what is stored took longer than {LONGEST:g} seconds in all"
            missed = Missed(error=fault("REVOCATION_UNAVAILABLE", what), steps=())
        return missed

    def _note(self, network: Network, result: Result, seconds: float) -> None:
        outcome = FOUND if isinstance(result, Found) else result.error.outcome
        self._count(f"lookup {outcome}")
        self._observe(network.name, outcome, seconds)
        if isinstance(result, Missed):
            error = result.error
            facts = {"network": network.name, "code": error.code, "reason": error.reason, "what": quoted(error.what)}
            log.warning("a receiver was looked up in vain", extra={**facts, "fix": error.fix})
