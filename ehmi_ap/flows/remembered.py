"""What one look-up came to, and for how long it may be used. Pure; times are aware.

found      fresh for `ttl`, no longer than DNS and certificates allow; from `refresh` of that it is asked anew
then       stale: good only while nobody can be asked (Unavailable), and never beyond its certificates
stored     what a snapshot says: the same, and only where nothing else is left
missed     remembered for a minute at most; but for Unavailable, what was found before is forgotten with it
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Result
from ehmi_ap.discovery.network import LONGEST_NEGATIVE, Network
from ehmi_ap.errors import DiscoveryError, Misconfigured, Unavailable

SHORTEST_TTL = 60.0
"""Seconds for which a result is kept though its DNS record would be gone: as long as such records usually say."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The rules and anchors by which a look-up was judged: once they change, it says nothing any more."""

    network: Network
    publishers: tuple[Certificate, ...]
    receivers: tuple[Certificate, ...]


def basis_of(network: Network, trust: Trust) -> Basis:
    """The network with the certificates that it names."""
    return Basis(network, trust.anchors(network.publishers.trust), trust.anchors(network.receivers.trust))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One receiver's entry; `found` and `error` are both there while its SMP cannot be asked."""

    basis: Basis
    found: Found | None = None
    found_at: datetime | None = None
    error: DiscoveryError | None = None
    missed_at: datetime | None = None
    snapshot: Found | None = None

    def fresh(self, now: datetime) -> Found | None:
        """What is used without asking."""
        return self.found if self.found is not None and now < self._fresh_until(1.0) else None

    def ages(self, now: datetime) -> bool:
        """Whether it is to be asked anew before it is no longer fresh."""
        return now >= self._fresh_until(self.basis.network.cache.refresh)

    def stale(self, now: datetime) -> Found | None:
        """What is used while nobody can be asked."""
        found, kept = self.found, timedelta(seconds=self.basis.network.cache.stale)
        return found if found is not None and now < min(found.usable_until, self._fresh_until(1.0) + kept) else None

    def stored(self, now: datetime) -> Found | None:
        """What is used while nobody can be asked, and nothing was found before."""
        return self.snapshot if self.snapshot is not None and now < self.snapshot.usable_until else None

    def missed(self, now: datetime) -> DiscoveryError | None:
        """Why there is nothing, if that was asked just now."""
        kept = timedelta(seconds=min(self.basis.network.cache.negative, LONGEST_NEGATIVE))
        return self.error if self.missed_at is not None and now < self.missed_at + kept else None

    def use(self, now: datetime) -> str:
        """What becomes of it when a message goes there: fresh, asked anew, stale, snapshot or missed."""
        if self.fresh(now) is not None:
            return "fresh"
        if self.missed(now) is None:
            return "asked anew"
        if not isinstance(self.error, Unavailable):
            return "missed"
        if self.stale(now) is not None:
            return "stale"
        return "missed" if self.stored(now) is None else "snapshot"

    def _fresh_until(self, part: float) -> datetime:
        assert self.found is not None
        assert self.found_at is not None
        seconds = self.basis.network.cache.ttl
        if self.found.ttl is not None:
            seconds = min(seconds, max(self.found.ttl, SHORTEST_TTL))
        return self.found_at + part * min(timedelta(seconds=seconds), self.found.usable_until - self.found_at)


def remember(
    before: Remembered | None, result: Result, basis: Basis, at: datetime, *, stored: Result | None = None
) -> Remembered:
    """The entry after a look-up that began `at` and found something, or ended `at` and did not.

    `stored` is what a snapshot came to when nobody could be asked.
    """
    if isinstance(result, Found):
        return Remembered(basis=basis, found=result, found_at=at)
    if before is None or not isinstance(result.error, Unavailable | Misconfigured):
        before = Remembered(basis=basis)
    return replace(before, error=result.error, missed_at=at, snapshot=stored if isinstance(stored, Found) else None)
