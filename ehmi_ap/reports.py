"""Delivery status as ports: the events that EDS is told, stored until it took them, and whoever it is told to.

A message's own events are the outbox: with the event that a message was received or sent, and in its transaction, the
store writes a report of it (spec/eds.md 1.4, 3).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from ehmi_ap.model import DeliveryEvent, EventKind, MessageId, Organisation

REPORTED = frozenset({EventKind.RECEIVED, EventKind.SENT})
"""What an access point reports: the subtypes of EDS that are its own (spec/eds.md 1.1)."""


class StatusOutcome(StrEnum):
    """What became of one delivery status that was reported (spec/eds.md 3)."""

    TAKEN = "taken"
    REFUSED = "refused"  # for good: this event will never be right
    LATER = "later"  # try again
    MISCONFIGURED = "misconfigured"  # our certificate, enrolment or settings; nothing is wrong with the event


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusAnswer:
    """The answer of EDS, for the operator; `reference` is where the event is now, `retry_after` in seconds."""

    outcome: StatusOutcome
    what: str
    fix: str = ""
    reference: str | None = None
    retry_after: float | None = None


class Eds(Protocol):
    """EHMI's delivery status service."""

    async def report(self, event: bytes, organisation: Organisation) -> StatusAnswer:
        """Report one AuditEvent (FHIR JSON) on behalf of an organisation; raises nothing."""


class ReportState(StrEnum):
    """What became of a report; docs/explanation/delivery-status.md draws it."""

    WAITING = "waiting"  # to be told, now or later
    PARKED = "parked"  # refused for good; waits for a person
    TAKEN = "taken"  # EDS has it
    DROPPED = "dropped"  # a person, or the retention, gave it up


OPEN = (ReportState.WAITING, ReportState.PARKED)
"""Those that EDS does not have yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the reports of one message are made of: on whose behalf, and facts as JSON, a CPR number among them."""

    organisation: Organisation
    facts: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One event of a message that EDS is told. `key` is its message's; `event.seq` names the report.

    `tries` counts only those after which EDS took others: what it never takes must not wait for ever. `what` and `fix`
    are of the last try; `reference` is where EDS keeps it. `facts` is None when they are no longer kept.
    """

    key: int
    event: DeliveryEvent
    organisation: Organisation
    state: ReportState
    tries: int
    changed_at: datetime
    facts: str | None = field(default=None, repr=False)
    what: str = ""
    fix: str = ""
    reference: str | None = None


class Reports(Protocol):
    """The reports of a store. Every method that writes is one transaction; raises StoreError, as the store does."""

    async def organisations(self) -> Sequence[Organisation]:
        """On whose behalf reports wait."""

    async def claim(self, organisation: Organisation, *, now: datetime, lease: float, limit: int) -> Sequence[Report]:
        """Waiting reports of one organisation, oldest first; nobody else claims them for `lease` seconds.

        None of a message of which an earlier one waits elsewhere: held by another, or for its time.
        """

    async def hold(
        self, seqs: Collection[int], *, until: datetime, what: str = "", fix: str = "", counts: bool = False
    ) -> None:
        """They wait on, at least `until`; `counts` makes it one more of Report.tries. Empty texts change nothing."""

    async def settle(
        self,
        seq: int,
        state: ReportState,
        *,
        now: datetime,
        what: str = "",
        fix: str = "",
        reference: str | None = None,
    ) -> bool:
        """It waits no longer: taken, parked or dropped. False: it was not open any more."""

    async def reopen(self, seq: int | None = None, *, now: datetime) -> int:
        """Parked ones wait again, all or this one, and those that wait are due now; how many that were."""

    async def expire(self, *, before: datetime, now: datetime, what: str) -> int:
        """Drop what happened `before` and EDS has not: a CPR number is not kept for ever. How many that were."""

    async def find(
        self,
        *,
        states: Collection[ReportState] = (),
        message_id: MessageId | None = None,
        after: int = 0,
        limit: int = 50,
    ) -> Sequence[Report]:
        """Reports with a seq above `after`, ascending; of the messages with this MessageId. Without their facts."""

    async def get(self, seq: int) -> Report | None:
        """One report, without its facts."""

    async def counts(self) -> Mapping[ReportState, int]:
        """How many are open, for metrics and health."""
