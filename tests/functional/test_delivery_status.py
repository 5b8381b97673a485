"""Two access points that report to EDS: real AS4 between them, a real authorization server and EDS over mutual TLS."""

import asyncio
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from ehmi_ap import cli
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.demo.authorization import Enrolment
from ehmi_ap.demo.bundle import PATIENT_CPR, RECEIVER, SENDER
from ehmi_ap.demo.eds import outcome
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.ehmi.receipts import envelope_receipt
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.errors import ConfigError, NotAllowed, NotFound
from ehmi_ap.model import Direction, MessageId, Organisation, Payload, Submission
from ehmi_ap.net.tls import server_context
from ehmi_ap.ports import Query
from ehmi_ap.reports import Report, ReportState
from ehmi_ap.server import listening
from tests import pair
from tests.delivery_status import AuthorizationServer, StatusService, let_report
from tests.fhir_profiles import Profiles
from tests.servers import TlsFiles, peer

Json = dict[str, Any]
PATIENCE = 120.0  # seconds; only a hang takes so long
ENROLMENTS = {
    side: Enrolment(
        client_id=side,
        subject=f"CN={client},O=Test,C=DK",
        device_id=f"{side}-AP",
        organisations=frozenset({Organisation(serves.sor, serves.gln)}),
    )
    for side, client, serves in (("alpha", "client", SENDER), ("beta", "other client", RECEIVER))
}


class Place:
    """`alpha` sends, `beta` receives; EDS and the authorization server are down until start_eds()."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._running: dict[AccessPoint, AsyncExitStack] = {}
        self._tls = TlsFiles(folder)
        self.authorization = AuthorizationServer()
        self.eds = StatusService(self.authorization.key.public_key())
        eds, issuer = pair.free_ports(2)
        self._ports = (eds, issuer)
        self.sides = pair.write_pair(folder / "pair", profile="ehmi", pmode="[retry]\nattempts = 1\n")
        files = {"alpha": self._tls.client, "beta": self._tls.other_client}
        for side in self.sides:
            enrolment, client = ENROLMENTS[side.name], files[side.name]
            let_report(side, enrolment, ports=self._ports, tls=self._tls, client=client)
        self.enrol()

    def enrol(self, *, without_organisations: bool = False) -> None:
        """Both access points; `without_organisations`: they may speak for nobody."""
        for each in ENROLMENTS.values():
            self.authorization.enrol(replace(each, organisations=frozenset()) if without_organisations else each)

    async def start(self) -> None:
        self.alpha, self.beta = [await self.up(side) for side in self.sides]

    async def up(self, side: pair.Side) -> AccessPoint:
        running = await self._stack.enter_async_context(AsyncExitStack())
        ap = await running.enter_async_context(AccessPoint(Config.load(side.config)))
        await running.enter_async_context(listening(ap))
        self._running[ap] = running
        return ap

    async def down(self, ap: AccessPoint) -> None:
        await self._running.pop(ap).aclose()

    async def start_eds(self) -> None:
        context = server_context(certificate=self._tls.server, client_ca=self._tls.client_ca)
        for answerer, port in zip((self.eds, self.authorization), self._ports, strict=True):
            await self._stack.enter_async_context(peer(answerer, context, port))

    async def send(self, document: bytes | None = None, by: AccessPoint | None = None) -> MessageId:
        document = document or standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
        payload = Payload(body=MemoryBody(document), mime_type="application/xml")
        return await (by or self.alpha).submit(Submission(payloads=(payload,)))

    async def settled(self, ap: AccessPoint, number: int) -> None:
        """Until this access point has so many messages, and is done with each."""
        async with asyncio.timeout(PATIENCE):
            while sum((await ap.store.counts()).values()) < number or await self._waits(ap):
                await asyncio.sleep(0.01)

    async def _waits(self, ap: AccessPoint) -> bool:
        dues = [await ap.store.next_due(direction) for direction in Direction]
        return any(due is not None for due in dues)

    async def told(self, *aps: AccessPoint) -> None:
        """Until EDS has been told everything that these have for it."""
        async with asyncio.timeout(PATIENCE):
            for ap in aps or (self.alpha, self.beta):
                await ap.retry_status()
                while ReportState.WAITING in await ap.store.reports.counts():
                    await asyncio.sleep(0.01)

    async def all_parked(self, ap: AccessPoint, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await ap.store.reports.counts() != {ReportState.PARKED: number}:
                await asyncio.sleep(0.01)

    async def reports(self, ap: AccessPoint) -> list[Report]:
        return list(await ap.store.reports.find(limit=10_000))

    def by_envelope(self) -> Mapping[tuple[str, str], list[str]]:
        """The subtypes that EDS was told of each envelope by each access point, in the order in which it was."""
        told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for event in self.eds.taken:
            told[device(event), of(event, "ehmiTransportEnvelope")].append(event["subtype"][0]["code"])
        return told

    def outcomes(self, side: str = "alpha") -> list[tuple[str, str]]:
        """What was told by one side."""
        by = ENROLMENTS[side].device_id
        return [(event["subtype"][0]["code"], event["outcome"]) for event in self.eds.taken if device(event) == by]


def device(event: Json) -> str:
    """Who tells it."""
    identifier: str = event["source"]["observer"]["identifier"]["value"]
    return identifier


def of(event: Json, code: str) -> str:
    """The identifier of the entity of this type."""
    [found] = [each for each in event["entity"] if each["type"]["code"] == code]
    identifier: str = found["what"]["identifier"]["value"]
    return identifier


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        made = Place(tmp_path, stack)
        await made.start()
        yield made


async def test_each_access_point_tells_that_it_received_and_sent(place: Place, shared_data: Path) -> None:
    await place.start_eds()
    message_id = await place.send()
    await place.settled(place.beta, 1)
    await place.told()
    for side in ENROLMENTS:
        assert place.outcomes(side) == [("msg-received", "0"), ("msg-sent", "0")]
    profiles = Profiles(shared_data / "eds")
    assert [profiles.findings(event) for event in place.eds.taken] == [[]] * 4
    assert set(place.authorization.scopes) == {
        f"EDS system/AuditEvent.crs SOR:{each.sor} GLN:{each.gln}" for each in (SENDER, RECEIVER)
    }
    happened = await place.alpha.store.events(message_id=message_id)
    theirs = await place.beta.store.events(message_id=message_id)
    told_at = {datetime.fromisoformat(event["recorded"]) for event in place.eds.taken}
    milliseconds = {each.at.replace(microsecond=each.at.microsecond // 1000 * 1000) for each in (*happened, *theirs)}
    assert told_at == milliseconds
    for report in await place.reports(place.alpha):
        assert report.state is ReportState.TAKEN
        assert report.reference is not None


async def test_an_envelope_receipt_is_told_with_what_it_answers(place: Place) -> None:
    """The other way: beta is then the sender's access point; its event names message and envelope of the original."""
    await place.start_eds()
    document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
    await place.send(document)
    await place.settled(place.beta, 1)
    header = unwrap(document).header
    receipt = envelope_receipt(header, now=datetime.now(UTC), new_uuid=uuid4)
    await place.send(receipt, place.beta)
    await place.settled(place.alpha, 2)
    await place.told()
    events = [each for each in place.eds.taken if len(each["entity"]) == 4 and "Basic" in each["meta"]["profile"][0]]
    assert len(place.eds.taken) == 8
    assert len(events) == 4
    for event in events:
        assert of(event, "ehmiTransportEnvelope") == unwrap(receipt).header.instance_identifier
        assert of(event, "ehmiOrigTransportEnvelope") == header.instance_identifier
        assert of(event, "ehmiOrigMessage") == header.scope("MESSAGEIDENTIFIER")
        assert event["agent"][0]["who"]["identifier"]["value"] == RECEIVER.sor


async def test_what_is_given_up_is_outcome_8(place: Place) -> None:
    """Nobody takes it; an operator's resend arrives, and that is told too."""
    await place.start_eds()
    await place.down(place.beta)
    message_id = await place.send()
    await place.settled(place.alpha, 1)
    await place.told(place.alpha)
    assert place.outcomes() == [("msg-received", "0"), ("msg-sent", "8")]
    place.beta = await place.up(place.sides[1])
    [stored] = await place.alpha.store.find(Query(message_id=message_id))
    await place.alpha.resend(stored.key)
    await place.settled(place.beta, 1)
    await place.told(place.alpha)
    assert place.outcomes()[2:] == [("msg-sent", "0")]


async def test_nothing_is_lost_while_eds_is_down(place: Place) -> None:
    """For a whole run of messages; then each is told in its order, by each access point."""
    number = 1000
    for _ in range(number // 50):
        await asyncio.gather(*(place.send() for _ in range(50)))
    await place.settled(place.alpha, number)
    await place.settled(place.beta, number)
    assert (await place.alpha.health())["status"] == "ok"
    assert await place.alpha.store.reports.counts() == {ReportState.WAITING: 2 * number}
    assert place.eds.taken == []
    await place.start_eds()
    await place.told()
    assert len(place.eds.taken) == 4 * number
    assert len(place.by_envelope()) == 2 * number
    assert all(subtypes == ["msg-received", "msg-sent"] for subtypes in place.by_envelope().values())


async def test_what_eds_refuses_waits_for_a_person(place: Place) -> None:
    """It does not hold up the next one; it can be told again, or dropped, once."""
    await place.start_eds()
    place.eds.answer = refusing
    await place.send()
    await place.settled(place.beta, 1)
    await place.all_parked(place.alpha, 2)
    first, second = await place.reports(place.alpha)
    assert first.what.startswith("EDS answers with HTTP 422: invalid: no such")
    assert PATIENT_CPR not in first.what + first.fix
    place.eds.answer = None
    assert await place.alpha.retry_status(first.event.seq) == 1
    await place.all_parked(place.alpha, 1)
    await place.alpha.drop_status(second.event.seq, "a test")
    states = [(each.state, each.what) for each in await place.reports(place.alpha)]
    assert states == [(ReportState.TAKEN, "EDS answers with HTTP 201"), (ReportState.DROPPED, "a test")]
    for seq in (first.event.seq, second.event.seq):
        with pytest.raises(NotAllowed):
            await place.alpha.retry_status(seq)
        with pytest.raises(NotAllowed):
            await place.alpha.drop_status(seq, "again")
    with pytest.raises(NotFound):
        await place.alpha.retry_status(4711)
    with pytest.raises(NotFound):
        await place.alpha.drop_status(4711, "it is not there")


async def test_an_operator_deals_with_it_by_commands(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Not enrolled, then refused, then as it should be: the queue, the message's timeline, told again, dropped."""

    async def run(*argv: str) -> tuple[str, str]:
        config = ["--config", str(place.sides[0].config)]
        assert await asyncio.to_thread(cli.main, [*argv, *config]) == 0
        said = capsys.readouterr()
        return said.out, said.err

    place.enrol(without_organisations=True)
    await place.start_eds()
    message_id = await place.send()
    await place.settled(place.beta, 1)
    async with asyncio.timeout(PATIENCE):
        while not (await place.alpha.health())["delivery_status"]:
            await asyncio.sleep(0.01)
    out, err = await run("eds", "queue")
    assert len(re.findall(rf" waiting  +[1-]  +{SENDER.sor}/{SENDER.gln}  {message_id}", out)) == 2
    assert "not told at present: " in err
    place.enrol()
    place.eds.answer = refusing
    await run("eds", "retry", "--all")
    await place.all_parked(place.alpha, 2)
    out, err = await run("eds", "queue", "--state", "parked", "--message", message_id)
    assert (out.count("EDS answers with HTTP 422"), out.count("fix: "), err) == (1, 1, "")
    first, second = await place.reports(place.alpha)
    place.eds.answer = None
    assert (await run("eds", "retry", str(first.event.seq)))[0] == "told at once: 1\n"
    await place.all_parked(place.alpha, 1)
    await run("eds", "drop", str(second.event.seq), "--reason", "a test")
    out, _ = await run("show", message_id)
    told = [line.strip() for line in out.splitlines() if line.strip().startswith("EDS")]
    assert [line.split(" since ")[0].split(" at ")[0] for line in told] == ["EDS has it", "EDS is never told, dropped"]
    assert told[0].endswith(": /fhir/AuditEvent/1")
    assert (await run("eds", "queue")) == ("", "no reports\n")


async def test_who_is_not_enrolled_is_named_and_messages_pass(place: Place) -> None:
    place.enrol(without_organisations=True)
    await place.start_eds()
    await place.send()
    await place.settled(place.beta, 1)
    async with asyncio.timeout(PATIENCE):
        while not (health := await place.alpha.health())["delivery_status"]:
            await asyncio.sleep(0.01)
    assert health["status"] == "ok"
    assert "invalid_scope" in str(health["delivery_status"])
    place.enrol()
    await place.told()
    assert len(place.eds.taken) == 4
    assert (await place.alpha.health())["delivery_status"] == []


async def test_a_store_that_is_opened_again_goes_on_where_it_was(place: Place) -> None:
    await place.send()
    await place.settled(place.beta, 1)
    await place.down(place.alpha)
    await place.start_eds()
    place.alpha = await place.up(place.sides[0])
    await place.told()
    assert len(place.eds.taken) == 4


async def test_what_does_not_fit_is_said_before_anything_is_opened(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        alpha, _ = Place(tmp_path, stack).sides
        (alpha.home / "trust" / "eds-ca.pem").unlink()
        with pytest.raises(ConfigError, match=r"\[eds\] tls_trust: there is no trust/eds-ca.pem"):
            await AccessPoint(Config.load(alpha.config)).start()
        assert not (alpha.home / "data").exists()


async def test_without_eds_nothing_is_kept_of_a_patient(tmp_path: Path) -> None:
    """The envelope's identifiers are, so that its receipt is known."""
    alpha, _ = pair.write_pair(tmp_path, profile="ehmi")
    async with AccessPoint(Config.load(alpha.config)) as ap:
        document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
        await ap.submit(Submission(payloads=(Payload(body=MemoryBody(document), mime_type="application/xml"),)))
        assert await ap.store.reports.find() == []
        header = unwrap(document).header
        sender, receiver = (each.value.removeprefix("0088:") for each in (header.sender, header.receiver))
        known = [header.instance_identifier]
        assert await ap.store.envelopes.find(
            Direction.OUTBOUND, sender=sender, receiver=receiver, identifiers=known, messages=[]
        )


async def refusing(request: web.Request) -> web.Response:
    """As EDS may: with what it was told in it."""
    await request.read()
    return outcome(422, "invalid", f"no such patient {PATIENT_CPR}")
