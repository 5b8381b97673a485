"""Numbers for Prometheus: how many messages are where, what was answered, how long it took.

Labels are words of ours: directions, states, HTTP statuses, routes, EBMS codes, and the operator's networks. Never a
party, participant, MessageId or text of a peer: a label that strangers can fill grows without end, and might name a
patient.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.lifecycle import State
from ehmi_ap.model import Direction
from ehmi_ap.ports import Store
from ehmi_ap.reports import OPEN, ReportState

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
_INBOUND = (State.RECEIVED, State.DELIVERING, State.DELIVERED, State.UNDELIVERED, State.ANSWERED)


class Metrics(Collector):
    """The metrics of one access point, in a registry of their own (an embedding host has its own beside it)."""

    def __init__(self, stats: Mapping[str, int], lookups: Mapping[tuple[str, str], tuple[int, float]]) -> None:
        """`stats` is what the access point counts, by words of its own: an outcome, or an outcome and a code.

        `lookups` has number and seconds by network and outcome.
        """
        self._stats = stats
        self._lookups = lookups
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(self)
        self._messages = Gauge(
            "ehmi_ap_messages", "Messages in the store.", ["direction", "state"], registry=self.registry
        )
        self._reports = Gauge(
            "ehmi_ap_eds_reports", "Events that EDS does not have yet.", ["state"], registry=self.registry
        )
        self._oldest = Gauge(
            "ehmi_ap_eds_oldest_seconds",
            "Age of the oldest event that waits to be told to EDS.",
            registry=self.registry,
        )
        self._as4 = Counter(
            "ehmi_ap_as4_requests", "Requests to the AS4 listener by HTTP status.", ["status"], registry=self.registry
        )
        self._as4_seconds = Histogram(
            "ehmi_ap_as4_request_seconds",
            "From the headers of an AS4 request to its answer.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._rest = Histogram(
            "ehmi_ap_rest_request_seconds",
            "REST requests by route and HTTP status.",
            ["route", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )

    def as4_answered(self, status: int, seconds: float) -> None:
        """An AS4 request was answered."""
        self._as4.labels(str(status)).inc()
        self._as4_seconds.observe(seconds)

    def rest_answered(self, route: str, status: int, seconds: float) -> None:
        """A REST request was answered; `route` is the name of its row, never its path."""
        self._rest.labels(route, str(status)).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """What the access point counted since it started: submitted, sent, received, refused and so on."""
        family = CounterMetricFamily("ehmi_ap_outcomes", "What came of messages and attempts.", labels=["what", "code"])
        for outcome, count in sorted(self._stats.items()):
            what, _, code = outcome.partition(" ")
            family.add_metric([what, code], count)
        yield family
        lasted = SummaryMetricFamily(
            "ehmi_ap_lookup_seconds", "Look-ups of receivers by DNS and SMP.", labels=["network", "outcome"]
        )
        for labels, (number, seconds) in sorted(self._lookups.items()):
            lasted.add_metric(labels, number, seconds)
        yield lasted

    async def exposition(self, store: Store, now: datetime) -> bytes:
        """What a scrape gets. Raises StoreError."""
        counts = await store.counts()
        for state in State:
            direction = Direction.INBOUND if state in _INBOUND else Direction.OUTBOUND
            self._messages.labels(direction.value, state.value).set(counts.get((direction, state), 0))
        told = await store.reports.counts()
        for each in OPEN:
            self._reports.labels(each.value).set(told.get(each, 0))
        oldest = await store.reports.find(states=[ReportState.WAITING], limit=1)
        self._oldest.set(max((now - oldest[0].event.at).total_seconds(), 0) if oldest else 0)
        return generate_latest(self.registry)


_METRICS: WeakKeyDictionary[AccessPoint, Metrics] = WeakKeyDictionary()


def of(ap: AccessPoint) -> Metrics:
    """The metrics of this access point, the same for both of its faces."""
    if ap not in _METRICS:
        _METRICS[ap] = Metrics(ap.stats, ap.lookups)  # not of `ap` itself, which would then never be garbage
    return _METRICS[ap]
