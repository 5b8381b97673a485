"""EdsClient against a real EDS and its authorization server over mutual TLS: the events of the IG's own envelopes."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from ehmi_ap.demo.authorization import Enrolment
from ehmi_ap.demo.eds import outcome
from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.status import Facts
from ehmi_ap.envelope import Document, Kind
from ehmi_ap.model import Organisation
from ehmi_ap.net.calls import Caller
from ehmi_ap.net.eds import EdsClient
from ehmi_ap.net.tls import client_context, server_context
from ehmi_ap.net.tokens import Tokens
from ehmi_ap.reports import StatusAnswer, StatusOutcome
from tests.delivery_status import Answerer, AuthorizationServer, StatusService
from tests.servers import TlsFiles, peer

SENDER = Organisation("8851000016006", "5790000121526")
RECEIVER = Organisation("263001000016001", "5790000201389")
CPR = "0101010227"
FACTS = Facts(
    kind=Kind.MESSAGE,
    sender=SENDER,
    receiver=RECEIVER,
    message=Document("f06c1ac8-6096-5178-a380-2831d2456986", "homecareobservation-message", "1.2"),
    transport=Document("9a6ff822-08de-5a6f-9670-9fa4b9d2f0dc", "SBDH", "1.0"),
    patient=CPR,
)


def event(device: str = "Our-AP", **changes: Any) -> bytes:
    at = datetime.fromisoformat("2026-09-01T10:00:01+02:00")
    made = audit_event(FACTS, Deed.RECEIVED, at=at, failed=False, device=Device(id=device))
    return json.dumps({**made, **changes}).encode()


class World:
    """The two servers, and our clients of them; each client has the certificate that its name says."""

    def __init__(self, tls: TlsFiles, authorization: AuthorizationServer, eds: StatusService) -> None:
        self.tls, self.authorization, self.eds = tls, authorization, eds
        self.issuer, self.base = "", ""

    @asynccontextmanager
    async def client(self, *, shows: str = "client", base: str | None = None) -> AsyncIterator[EdsClient]:
        """`shows`: the certificate for EDS, while the token is asked for with the one that was enrolled."""
        async with self._caller("client") as enrolled, self._caller(shows) as caller:
            tokens = Tokens(enrolled, issuer=self.issuer, client_id="our-ap", clock=lambda: 0.0)
            yield EdsClient(caller, tokens, base=base or self.base)

    def _caller(self, name: str) -> Caller:
        context = client_context(anchors=[self.tls.ca.der], certificate=getattr(self.tls, name))
        return Caller(context, timeout=5.0)

    async def report(self, data: bytes, organisation: Organisation = SENDER, **how: Any) -> StatusAnswer:
        async with self.client(**how) as client:
            return await client.report(data, organisation)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def world(tls: TlsFiles) -> AsyncIterator[World]:
    enrolment = Enrolment(
        client_id="our-ap",
        subject="CN=client,O=Test,C=DK",
        device_id="Our-AP",
        organisations=frozenset({SENDER, Organisation("937961000016000", "5790000201389")}),
    )
    authorization = AuthorizationServer(enrolment)
    made = World(tls, authorization, StatusService(authorization.key.public_key()))
    context = server_context(certificate=tls.server, client_ca=tls.client_ca)
    async with peer(authorization, context) as issuer, peer(made.eds, context) as base:
        made.issuer = issuer.removesuffix("/as4")
        made.base = base.replace("/as4", "/fhir/")
        yield made


async def test_an_event_is_taken(world: World) -> None:
    answer = await world.report(event())
    assert answer == StatusAnswer(
        outcome=StatusOutcome.TAKEN, what="EDS answers with HTTP 201", reference="/fhir/AuditEvent/1"
    )
    assert world.eds.taken == [json.loads(event())]
    (headers,) = world.eds.requests
    assert (headers["Content-Type"], headers["Accept"]) == ("application/fhir+json", "application/fhir+json")


async def test_a_token_serves_many_events(world: World) -> None:
    async with world.client() as client:
        for _ in range(3):
            assert (await client.report(event(), SENDER)).outcome is StatusOutcome.TAKEN
    assert world.authorization.scopes == ["EDS system/AuditEvent.crs SOR:8851000016006 GLN:5790000121526"]


# -- 401 and 403


async def test_a_token_that_is_refused_is_renewed_once(world: World) -> None:
    world.eds.disbelieves = 1
    assert (await world.report(event())).outcome is StatusOutcome.TAKEN
    assert len(world.authorization.scopes) == 2


async def test_a_second_refusal_is_ours_to_mend(world: World) -> None:
    world.eds.disbelieves = 9
    answer = await world.report(event())
    assert (answer.outcome, answer.what) == (StatusOutcome.MISCONFIGURED, "EDS answers with HTTP 401")
    assert len(world.authorization.scopes) == len(world.eds.requests) == 2


async def test_a_token_is_worth_nothing_with_another_certificate(world: World) -> None:
    """RFC 8705 3: it is bound to the one that it was asked for with."""
    assert (await world.report(event(), shows="other_client")).outcome is StatusOutcome.MISCONFIGURED
    assert world.eds.taken == []


@pytest.mark.parametrize(
    ("data", "organisation"),
    [
        (event(device="Another-AP"), SENDER),
        (event(), Organisation("937961000016000", "5790000201389")),
    ],
    ids=["another device", "an organisation of another message"],
)
async def test_an_event_that_we_may_not_report(world: World, data: bytes, organisation: Organisation) -> None:
    answer = await world.report(data, organisation)
    assert answer.outcome is StatusOutcome.MISCONFIGURED
    assert answer.what.startswith("EDS answers with HTTP 403: forbidden: this client may not post")
    assert "device" in answer.fix


async def test_an_organisation_that_we_are_not_enrolled_for(world: World) -> None:
    answer = await world.report(event(), RECEIVER)
    assert answer.outcome is StatusOutcome.MISCONFIGURED
    assert answer.what.endswith("invalid_scope")
    assert world.eds.requests == []


@pytest.mark.parametrize(
    ("sor", "gln"),
    [
        ("1 EDS", "5790000121526"),
        ("8851000016006 system/AuditEvent.cruds", "5790000121526"),
        ("8851000016006", "5790000121526 openid"),
        ("8851000016006\n", "5790000121526"),
        ("", "5790000121526"),
        ("8851000016006", "x" * 101),
        ("8851000016006&scope=x", "5790000121526"),
    ],
)
async def test_what_an_envelope_names_asks_for_no_other_scope(world: World, sor: str, gln: str) -> None:
    """A blank in a SOR code would."""
    answer = await world.report(event(), Organisation(sor, gln))
    assert answer.outcome is StatusOutcome.REFUSED
    assert "none that a token can be asked for" in answer.what
    assert world.authorization.asked == []


# -- what EDS says otherwise


def saying(status: int, body: bytes = b"", **headers: str) -> Answerer:
    async def answerer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return answerer


async def test_what_is_no_event_of_eds_is_refused_for_good(world: World) -> None:
    answer = await world.report(event(meta={"profile": []}))
    assert (answer.outcome, answer.what) == (
        StatusOutcome.REFUSED,
        "EDS answers with HTTP 422: invalid: no profile of EDS",
    )


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, StatusOutcome.TAKEN),
        (302, StatusOutcome.MISCONFIGURED),
        (307, StatusOutcome.MISCONFIGURED),
        (400, StatusOutcome.REFUSED),
        (403, StatusOutcome.MISCONFIGURED),
        (404, StatusOutcome.MISCONFIGURED),
        (408, StatusOutcome.LATER),
        (412, StatusOutcome.REFUSED),
        (422, StatusOutcome.REFUSED),
        (429, StatusOutcome.LATER),
        (500, StatusOutcome.LATER),
        (503, StatusOutcome.LATER),
    ],
)
async def test_each_status(world: World, status: int, expected: StatusOutcome) -> None:
    """spec/eds.md 3; a redirect is not followed, as the token would go along."""
    world.eds.answer = saying(status, Location="https://localhost:1/x")
    answer = await world.report(event())
    assert (answer.outcome, answer.what) == (expected, f"EDS answers with HTTP {status}")
    assert bool(answer.fix) == (expected is not StatusOutcome.TAKEN)
    assert len(world.eds.requests) == 1


async def test_eds_says_when_to_come_back(world: World) -> None:
    world.eds.answer = saying(503, **{"Retry-After": "120"})
    assert (await world.report(event())).retry_after == 120.0


@pytest.mark.parametrize(
    "text",
    [
        f"Patient {CPR} is not known",
        f"Patient {CPR[:6]}-{CPR[6:]} is not known",
        f"entity[0].what.identifier.value: '{CPR}'",
        f"{CPR}{CPR}",
    ],
)
async def test_what_eds_repeats_of_a_patient_is_left_out(world: World, text: str) -> None:
    async def answerer(request: web.Request) -> web.Response:
        return outcome(422, "invariant", text)

    world.eds.answer = answerer
    answer = await world.report(event())
    assert answer.what.startswith("EDS answers with HTTP 422: invariant: ")
    assert "…" in answer.what
    assert not any(part in answer.what for part in (CPR, CPR[:6], CPR[6:]))


def issues(*found: object) -> bytes:
    return json.dumps({"resourceType": "OperationOutcome", "issue": list(found)}).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>no</html>", ""),
        (b"[1]", ""),
        (b"[" * 100_000, ""),
        (b"\xff\xfe", ""),
        (issues(), ""),
        (b'{"issue": {"severity": "error"}}', ""),
        (issues("x", 7, None), ""),
        (issues({"severity": "warning", "code": "a", "diagnostics": "never mind"}), ""),
        (issues({"severity": "error", "code": "required"}), ": required"),
        (issues({"severity": "fatal", "code": "a", "details": {"text": "b"}}), ": a: b"),
        (issues({"severity": "error", "code": "a", "details": "b"}), ": a"),
        (
            issues({"severity": "error", "code": "a", "diagnostics": "b"}, {"severity": "error", "code": "c"}),
            ": a: b; c",
        ),
        (issues({"severity": "error", "code": "a", "diagnostics": "b\r\nforged\x1b[2J\ud800"}), ": a: b  forged [2J "),
        (issues({"severity": "error", "code": "a", "diagnostics": "x" * 9000}), ": a: " + "x" * 497),
    ],
)
async def test_what_an_answer_says_is_one_bounded_line(world: World, body: bytes, said: str) -> None:
    world.eds.answer = saying(422, body)
    answer = await world.report(event())
    assert (answer.outcome, answer.what) == (StatusOutcome.REFUSED, f"EDS answers with HTTP 422{said}")


async def test_an_event_whose_answer_cannot_be_read_is_taken_all_the_same(world: World) -> None:
    """It would be there twice if it were reported again."""
    world.eds.answer = saying(201, b"x" * 300_000)
    answer = await world.report(event())
    assert answer.outcome is StatusOutcome.TAKEN
    assert answer.what == "EDS answers with HTTP 201; the answer is larger than 262144 bytes"


@pytest.mark.parametrize("location", ["/x\u00e6", "/" + "x" * 600])
async def test_a_place_that_cannot_be_kept_is_not(world: World, location: str) -> None:
    world.eds.answer = saying(201, Location=location)
    assert (await world.report(event())).reference is None


async def test_eds_cannot_be_reached(world: World) -> None:
    answer = await world.report(event(), base=f"https://localhost:{unused_port()}/fhir")
    assert answer.outcome is StatusOutcome.LATER
    assert answer.what.startswith("EDS: ")
    assert "refuses connections" in answer.what
    assert "[eds.tls]" in answer.fix


async def test_an_authorization_server_in_trouble_is_asked_later(world: World) -> None:
    world.authorization.instead["/mtls/token"] = saying(503, **{"Retry-After": "30"})
    answer = await world.report(event())
    assert (answer.outcome, answer.retry_after) == (StatusOutcome.LATER, 30.0)


async def test_an_eds_that_is_not_trusted_gets_neither_token_nor_event(world: World, tls: TlsFiles) -> None:
    eds = StatusService(world.authorization.key.public_key())
    async with peer(eds, server_context(certificate=tls.elsewhere)) as base:
        answer = await world.report(event(), base=base)
    assert answer.outcome is StatusOutcome.MISCONFIGURED
    assert "is not accepted" in answer.what
    assert eds.requests == []
