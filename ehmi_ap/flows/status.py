"""Tell EDS what became of messages: each report of the store until EDS has it (spec/eds.md 2.2, 3; decision 54).

    whose reports wait  ->  claim some  ->  message by message, in order  ->  settle each

Rules: nothing here delays a message. An event is made of what the store has, so that a repetition is the same event.
Within a message the order is kept, but for what is parked. When EDS is down it is asked now and then, not once for each
report; an organisation for which we may not speak holds up nobody else. What EDS never takes, while it takes others, is
parked in the end.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.status import Gap, from_json
from ehmi_ap.flows.explain import quoted
from ehmi_ap.lifecycle import RetryPolicy, wait_after
from ehmi_ap.model import Organisation
from ehmi_ap.reports import Eds, Report, Reports, ReportState, StatusAnswer, StatusOutcome

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Messages whose events are told side by side."""
BATCH = 32
LEASE = 900.0
"""Seconds for which a claim holds: longer than a batch takes when every call takes its longest."""
FUTILE = 3
"""So many calls without success in a row, and EDS is taken to be down."""
RECENT = 600.0
"""Seconds since EDS took something, in which it is no outage that it does not take another."""
PATIENCE = 12
"""Tries of one report while EDS takes others, before it is parked."""
LONGEST_ASKED = 3600.0
"""Seconds of EDS's Retry-After that are kept to."""

DOWN = RetryPolicy(first_wait=5.0, longest_wait=300.0)
REFUSING = RetryPolicy(first_wait=60.0, longest_wait=3600.0)
ODD = RetryPolicy(first_wait=5.0, longest_wait=1800.0)
"""Waits after a miss: of EDS itself, for one organisation, of one report. Only the waits of these policies count."""


class Gate:
    """Behind it nobody is asked for a while; each miss makes that longer."""

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float], chance: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._chance = chance
        self._misses = 0
        self._opens_at = clock()
        self.trouble: str | None = None

    @property
    def is_open(self) -> bool:
        return self._clock() >= self._opens_at

    def miss(self, what: str, *, not_before: float | None = None) -> bool:
        """Close it; `not_before` in seconds is what was asked of us. False: it was closed already."""
        self.trouble = what
        if not self.is_open:
            return False
        self._misses += 1
        wait = max(wait_after(self._policy, self._misses, self._chance()), min(not_before or 0.0, LONGEST_ASKED))
        self._opens_at = self._clock() + wait
        return True

    def open(self) -> None:
        """It goes well again, or a person says so."""
        self._misses, self._opens_at, self.trouble = 0, self._clock(), None


class StatusReporting:
    """The reports of one access point. round() is called whenever there may be something to tell."""

    def __init__(
        self,
        reports: Reports,
        eds: Eds,
        *,
        device: Device,
        failures: bool,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        chance: Callable[[], float],
        count: Callable[[str], None],
    ) -> None:
        """`failures`: whether EDS is told, with outcome 8, that a message was given up (O-21)."""
        self._reports = reports
        self._eds = eds
        self._device = device
        self._failures = failures
        self._now = now
        self._clock = clock
        self._chance = chance
        self._count = count
        self._service = Gate(DOWN, clock, chance)
        self._gates: dict[Organisation, Gate] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._futile = 0
        self._taken_at: float | None = None

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why something is not told now, for health."""
        whom = (gate.trouble for gate in (self._service, *self._gates.values()))
        return tuple(dict.fromkeys(what for what in whom if what))

    def open(self) -> None:
        """Ask again at once, whatever went wrong: somebody mended it."""
        self._futile = 0
        for gate in (self._service, *self._gates.values()):
            gate.open()

    async def round(self) -> bool:
        """Tell what can be told now. True: something was, so there may be more. Raises StoreError."""
        if not self._service.is_open:
            return False
        waiting = await self._reports.organisations()
        self._gates = {each: gate for each, gate in self._gates.items() if each in waiting}
        settled = await asyncio.gather(*(self._tell(each) for each in waiting if self._may_ask(each)))
        return any(settled)

    def _may_ask(self, organisation: Organisation) -> bool:
        gate = self._gates.get(organisation)
        return self._service.is_open and (gate is None or gate.is_open)

    async def _tell(self, organisation: Organisation) -> bool:
        """One batch for one organisation; whether any of it is done with."""
        claimed = await self._reports.claim(organisation, now=self._now(), lease=LEASE, limit=BATCH)
        of_a_message = sorted(claimed, key=lambda report: (report.key, report.event.seq))
        groups = [list(group) for _, group in groupby(of_a_message, key=lambda report: report.key)]
        groups.sort(key=lambda group: group[0].event.seq)
        return any(await asyncio.gather(*(self._tell_message(group) for group in groups)))

    async def _tell_message(self, reports: Sequence[Report]) -> bool:
        """The reports of one message, in order, until one is not done with; whether any is."""
        async with self._slots:
            for place, report in enumerate(reports):
                if not self._may_ask(report.organisation):
                    await self._give_back(reports[place:])
                    return place > 0
                if not await self._tell_one(report):
                    await self._give_back(reports[place + 1 :])
                    return place > 0
        return True

    async def _give_back(self, reports: Sequence[Report]) -> None:
        if reports:
            await self._reports.hold([report.event.seq for report in reports], until=self._now())

    async def _tell_one(self, report: Report) -> bool:
        """Whether it is done with: taken, parked or dropped."""
        if report.event.failed and not self._failures:
            return await self._settle(report, ReportState.DROPPED, "[eds] failures is off")
        try:
            facts = from_json(report.facts or "{}")
            if isinstance(facts, Gap):
                return await self._park(report, *_incomplete(facts))
            made = audit_event(
                facts,
                Deed(report.event.kind.value),
                at=report.event.at,
                failed=report.event.failed,
                device=self._device,
            )
            answer = await self._eds.report(_bytes_of(made), report.organisation)
        except Exception as error:
            log.exception("a delivery status failed on our side", extra={"message_id": report.event.message_id})
            what = f"a failure of our own ({type(error).__name__}); see the log"
            return await self._park(report, what, "Look into the log; it is retried by `ehmi-ap eds retry`.")
        return await self._judge(report, answer)

    async def _judge(self, report: Report, answer: StatusAnswer) -> bool:
        match answer.outcome:
            case StatusOutcome.TAKEN:
                self._goes_well(report.organisation)
                self._taken_at = self._clock()
                return await self._settle(report, ReportState.TAKEN, answer.what, reference=answer.reference)
            case StatusOutcome.REFUSED:
                self._goes_well(report.organisation)
                return await self._park(report, answer.what, answer.fix)
            case StatusOutcome.MISCONFIGURED:
                return await self._refused_us(report, answer)
            case StatusOutcome.LATER:
                return await self._not_now(report, answer)

    def _goes_well(self, organisation: Organisation) -> None:
        self._futile = 0
        self._service.open()
        self._gates.pop(organisation, None)

    async def _refused_us(self, report: Report, answer: StatusAnswer) -> bool:
        """Nothing is wrong with the event: it waits, with all others of the organisation, for who mends it."""
        organisation = report.organisation
        gate = self._gates.setdefault(organisation, Gate(REFUSING, self._clock, self._chance))
        if gate.miss(quoted(answer.what), not_before=answer.retry_after):
            self._count("status_misconfigured")
            whom = quoted(f"SOR {organisation.sor}, GLN {organisation.gln}")
            facts = {"organisation": whom, "detail": quoted(answer.what)}
            log.error("EDS or its authorization server does not let us report", extra={**facts, "fix": answer.fix})
        await self._hold(report, answer, until=self._now())
        return False

    async def _not_now(self, report: Report, answer: StatusAnswer) -> bool:
        """EDS is down, or has its trouble with this one report."""
        self._futile += 1
        down = self._futile >= FUTILE or answer.retry_after is not None
        if down and self._service.miss(quoted(answer.what), not_before=answer.retry_after):
            self._count("status_unavailable")
            log.warning("EDS cannot be told", extra={"detail": quoted(answer.what), "fix": answer.fix})
        odd = self._taken_at is not None and self._clock() - self._taken_at < RECENT
        if odd and report.tries + 1 >= PATIENCE:
            return await self._park(report, f"not taken in {PATIENCE} tries: {answer.what}", answer.fix)
        wait = wait_after(ODD, report.tries + 1, self._chance())
        await self._hold(report, answer, until=self._now() + timedelta(seconds=wait), counts=odd)
        return False

    async def _hold(self, report: Report, answer: StatusAnswer, *, until: datetime, counts: bool = False) -> None:
        what, fix = quoted(answer.what), answer.fix
        await self._reports.hold([report.event.seq], until=until, what=what, fix=fix, counts=counts)

    async def _park(self, report: Report, what: str, fix: str) -> bool:
        facts = {"message_id": report.event.message_id, "detail": quoted(what), "fix": fix}
        log.error("a delivery status was parked, a person must look", extra=facts)
        return await self._settle(report, ReportState.PARKED, what, fix)

    async def _settle(
        self, report: Report, state: ReportState, what: str, fix: str = "", *, reference: str | None = None
    ) -> bool:
        settled = await self._reports.settle(
            report.event.seq, state, now=self._now(), what=quoted(what), fix=fix, reference=reference
        )
        if settled:
            self._count(f"status_{state.value}")
        return True


def _incomplete(gap: Gap) -> tuple[str, str]:
    what = f"the envelope has not exactly one scope {', '.join(gap.missing)}"
    return what, "Have whoever makes the envelopes write it; of this one there will be no delivery status: drop it."


def _bytes_of(event: object) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
