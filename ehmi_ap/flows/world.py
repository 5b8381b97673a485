"""What the flows are given: the ports, the agreements of the moment, a clock, ids and chance."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ehmi_ap.agreements import Agreements
from ehmi_ap.flows.directory import Directory
from ehmi_ap.lifecycle import RetryPolicy
from ehmi_ap.model import MessageId, PartyId
from ehmi_ap.ports import Backend, Blobs, Job, Store, Web
from ehmi_ap.profile import Profile

DELIVERY = RetryPolicy(first_wait=5.0, factor=2.0, longest_wait=600.0, jitter=0.2, window=7 * 86400.0)
"""How long C4 is asked again: its system may be down over a weekend, and nobody else holds the message."""


class Senders(Protocol):
    """Slots of those who send. A message that one is free for is claimed in the transaction that stores it."""

    @property
    def lease(self) -> float:
        """Seconds for which a claim holds."""

    def reserve(self, lane: str) -> bool:
        """Take a slot for a message of this lane (P-Mode), unless others wait; start() or give_back() has to follow."""

    def start(self, job: Job) -> None:
        """Send it now, in the slot that was reserved."""

    def give_back(self, lane: str) -> None:
        """The slot is not needed after all."""

    def wake(self) -> None:
        """A message waits to be claimed."""


def _not_counted(what: str) -> None:
    """Where nobody reads metrics."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The outside world of one access point.

    `agreements` is asked anew for each message, so that a change is effective at once. `directory` says where the
    receivers are whose P-Mode names a network. `embedded` names the backends of the program that embeds us. `now` is
    aware, in UTC; `new_id` gives a MessageId of our domain; `chance` draws from [0, 1).
    """

    store: Store
    blobs: Blobs
    web: Web
    backends: Mapping[str, Backend]
    default_backend: str
    agreements: Callable[[], Agreements]
    directory: Directory
    profiles: Mapping[str, Profile]
    us: PartyId
    domain: str
    now: Callable[[], datetime]
    new_id: Callable[[], MessageId]
    chance: Callable[[], float]
    embedded: Collection[str] = ()
    delivery: RetryPolicy = DELIVERY
    delivery_timeout: float = 600.0  # seconds that one call of a backend may take
    count: Callable[[str], None] = _not_counted  # one more of this, for the metrics
    reports_status: bool = False  # to EHMI's delivery status service
    senders: Senders | None = None  # None: what is accepted waits to be claimed
