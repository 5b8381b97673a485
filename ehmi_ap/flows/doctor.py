"""From a participant to a receipt, link by link: a look-up, and what only shows when one goes on from it.

Nothing is kept and nothing is sent but a message to the test service. A broken link does not end it: what can be
checked all the same is, since a wrong clock or a wrong entry of our own may be the reason for what broke before it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.discovery.found import FOUND, Endpoint, Found, Missed, Result, Step, Wanted
from ehmi_ap.discovery.inquiry import printable
from ehmi_ap.discovery.lookup import lookup
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import ApError, DiscoveryError
from ehmi_ap.flows import checkup
from ehmi_ap.flows.ask import ask
from ehmi_ap.flows.checkup import Evidence, not_sent
from ehmi_ap.flows.trial import try_out
from ehmi_ap.model import MessageId, Participant, PartyId
from ehmi_ap.pmode import PMode
from ehmi_ap.ports import Dns, Documents, Web
from ehmi_ap.questions import WebAnswer, WebQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Us:
    """Our own side; without it, nothing is sent. `pmode` None: we have none for the network."""

    keys: Keys
    party: PartyId
    public_url: str
    pmode: PMode | None
    web: Web
    new_id: Callable[[], MessageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is looked into. `documents` asks SMPs, `peers` the endpoint's host; `own` is a participant of ours.

    `at` is when everything has to be valid, and `now` our clock; both aware.
    """

    wanted: Wanted
    network: Network
    trust: Trust
    dns: Dns
    documents: Documents
    peers: Documents
    at: datetime
    now: Callable[[], datetime]
    us: Us | None = None
    own: Participant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Every link with its evidence; `problem` is the first that is broken, but for a clock that is the reason of it."""

    steps: tuple[Step, ...]
    endpoint: Endpoint | None = None
    problem: DiscoveryError | None = None

    @property
    def outcome(self) -> str:
        return FOUND if self.problem is None else self.problem.outcome


async def diagnose(case: Case) -> Diagnosis:
    """Look at every link; nothing is raised for what the world does."""
    return await _Examination(case).whole()


class _LeftOut(Exception):
    """A link cannot be checked, for this reason."""


@dataclass
class _Examination:
    case: Case
    steps: list[Step] = field(default_factory=list)
    problems: list[DiscoveryError] = field(default_factory=list)
    apart: dict[str, float] = field(default_factory=dict)  # seconds by which a host is ahead of us

    async def whole(self) -> Diagnosis:
        result = await self._look_up(self.case.wanted)
        self.steps += result.steps
        if isinstance(result, Missed):
            self.problems.append(result.error)
        found = result if isinstance(result, Found) else None
        connects = await self._check("Connect to the endpoint", self._connect(found))
        await self._check("Look at the published certificate", self._certificate(found))
        await self._check("Compare clocks", self._clock())
        await self._check("Look ourselves up", self._own_entry())
        await self._check("Send a test message", self._test_message(found, connects=connects))
        return Diagnosis(
            steps=tuple(self.steps),
            endpoint=found.endpoint if found is not None else None,
            problem=min(self.problems, key=lambda each: each.reason != "CLOCK_OFF", default=None),
        )

    async def _check(self, what: str, link: Awaitable[Evidence]) -> bool:
        """Note what is seen; whether the link holds."""
        try:
            seen = await link
        except _LeftOut as reason:
            self.steps.append(Step(what=what, evidence=f"not done: {reason}", warning=True))
        except ApError as error:
            problem = error if isinstance(error, DiscoveryError) else not_sent(error)
            self.steps.append(Step(what=what, evidence=printable(problem.what), ok=False))
            self.problems.append(problem)
        else:
            self.steps.append(Step(what=what, evidence=printable(seen.text), warning=seen.warning))
            return True
        return False

    async def _look_up(self, wanted: Wanted) -> Result:
        case = self.case
        documents = _Timed(case.documents, case.now, self.apart)
        return await ask(lookup(wanted, case.network, case.trust, now=case.at), case.dns, documents)

    # -- the links

    async def _connect(self, found: Found | None) -> Evidence:
        case, url = self.case, _endpoint(found).url
        question = WebQuestion(url=url, purpose="smp", private=case.network.receivers.private_addresses)
        seen = await _Timed(case.peers, case.now, self.apart).fetch(question)
        return checkup.tls(url, seen, case.now())

    async def _certificate(self, found: Found | None) -> Evidence:
        return checkup.certificate(_endpoint(found), self.case.at)

    async def _clock(self) -> Evidence:
        out_of_time = ("_EXPIRED", "_NOT_YET_VALID")
        return checkup.clock(self.apart, doubted=any(each.reason.endswith(out_of_time) for each in self.problems))

    async def _own_entry(self) -> Evidence:
        case, us = self.case, _ours(self.case)
        if case.own is None:
            raise _LeftOut("no participant of ours was named")
        result = await self._look_up(replace(case.wanted, participant=case.own))
        return checkup.own_entry(result, us.keys, us.public_url, case.at)

    async def _test_message(self, found: Found | None, *, connects: bool) -> Evidence:
        case, endpoint, us = self.case, _endpoint(found), _ours(self.case)
        assert found is not None
        if not connects:
            raise _LeftOut("there is no connection to the endpoint")
        if us.pmode is None:
            raise _LeftOut(f'no P-Mode has `network = "{case.network.name}"`: nobody is sent to in this network')
        outcome = await try_out(
            found,
            us.pmode,
            case.network,
            keys=us.keys,
            sender=case.own or Participant(us.party.value, us.party.type),
            receiver=case.wanted.participant,
            web=us.web,
            new_id=us.new_id,
            now=case.now(),
        )
        return checkup.answer(outcome, endpoint)


def _endpoint(found: Found | None) -> Endpoint:
    if found is None:
        raise _LeftOut("no endpoint was found")
    return found.endpoint


def _ours(case: Case) -> Us:
    if case.us is None:
        raise _LeftOut("there is no configuration, with our keys and our URL")
    return case.us


class _Timed:
    """Documents, whose servers' clocks are compared with ours in passing."""

    def __init__(self, documents: Documents, now: Callable[[], datetime], apart: dict[str, float]) -> None:
        self._documents = documents
        self._now = now
        self._apart = apart

    async def fetch(self, question: WebQuestion) -> WebAnswer:
        """The answer, as it came."""
        answer = await self._documents.fetch(question)
        if answer.date is not None and question.purpose == "smp":
            self._apart[urlsplit(question.url).netloc] = (answer.date - self._now()).total_seconds()
        return answer
