"""The demo's EDS, told over mutual TLS as anybody might tell it; the product's own client is in test_net_eds."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ehmi_ap.demo.authorization import AUDIENCE, signed, thumbprint
from ehmi_ap.demo.eds import StatusService
from ehmi_ap.demo.pages import answering
from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.status import Facts
from ehmi_ap.envelope import Document, Kind
from ehmi_ap.model import Organisation
from ehmi_ap.net.tls import client_context, server_context
from tests.servers import TlsFiles

KEY = Ed25519PrivateKey.generate()
NORTH, SOUTH = Organisation("9999011000016008", "9520000001018"), Organisation("9999021000016004", "9520000001025")
FACTS = Facts(
    kind=Kind.MESSAGE,
    sender=NORTH,
    receiver=SOUTH,
    message=Document("m", "homecareobservation-message", "1.2"),
    transport=Document("t", "SBDH", "1.0"),
)
AT = datetime.fromisoformat("2026-11-23T12:00:00+01:00")
EVENT = audit_event(FACTS, Deed.SENT, at=AT, failed=False, device=Device(id="north-AP"))
FHIR = "application/fhir+json"


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def service() -> StatusService:
    return StatusService(KEY.public_key())


@pytest.fixture
async def base(tls: TlsFiles, service: StatusService) -> AsyncIterator[str]:
    async with answering(service, tls=server_context(certificate=tls.server, client_ca=tls.client_ca)) as url:
        yield url


def claims(tls: TlsFiles, **changes: Any) -> dict[str, Any]:
    """Of a token of north, as the authorization server makes them."""
    certificate = x509.load_pem_x509_certificates(tls.client.read_bytes())[0]
    return {
        "aud": AUDIENCE,
        "exp": 4102444800,
        "scope": f"EDS system/AuditEvent.crs SOR:{NORTH.sor} GLN:{NORTH.gln}",
        "cnf": {"x5t#S256": thumbprint(certificate)},
        "ehmi:eer:device_id": "north-AP",
        "ehmi:org_context": {"sor": NORTH.sor, "gln": NORTH.gln},
        **changes,
    }


async def tell(
    base: str,
    tls: TlsFiles,
    *,
    token: str,
    event: object = EVENT,
    shows: Path | None = None,
    method: str = "POST",
    path: str = "/fhir/AuditEvent",
    content_type: str = FHIR,
) -> tuple[int, Any]:
    """Status and the issue's code, if there is one."""
    context = client_context(anchors=[tls.ca.der], certificate=shows or tls.client)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    async with aiohttp.ClientSession() as session:
        answer = await session.request(method, f"{base}{path}", ssl=context, headers=headers, data=data)
        body = await answer.read()
    said = json.loads(body) if answer.content_type == FHIR else {}
    return answer.status, said["issue"][0]["code"] if said else None


async def test_an_event_is_taken_from_whom_it_is_by(base: str, tls: TlsFiles, service: StatusService) -> None:
    assert await tell(base, tls, token=signed(claims(tls), KEY)) == (201, None)
    assert service.taken == [EVENT]


@pytest.mark.parametrize(
    "changes",
    [{"exp": 1795430000}, {"exp": 0}, {"aud": "https://other.example"}, {"cnf": {"x5t#S256": "x"}}],
    ids=str,
)
async def test_a_token_that_ended_or_is_somebody_elses_is_not_believed(
    base: str, tls: TlsFiles, service: StatusService, changes: dict[str, Any]
) -> None:
    assert await tell(base, tls, token=signed(claims(tls, **changes), KEY)) == (401, None)
    assert service.taken == []


async def test_a_token_is_shown_with_its_certificate(base: str, tls: TlsFiles) -> None:
    assert await tell(base, tls, token=signed(claims(tls), KEY), shows=tls.other_client) == (401, None)


async def test_only_the_authorization_server_makes_tokens(base: str, tls: TlsFiles) -> None:
    for token in (signed(claims(tls), Ed25519PrivateKey.generate()), "", "x.y.z"):
        assert await tell(base, tls, token=token) == (401, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"ehmi:eer:device_id": "south-AP"},
        {"ehmi:org_context": {"sor": "937961000016000", "gln": NORTH.gln}},
        {"ehmi:org_context": {"sor": SOUTH.sor, "gln": SOUTH.gln}},  # of the event, but not of the scope
        {"scope": "EDS system/AuditEvent.crs"},
        {"scope": f"EDS system/AuditEvent.rs SOR:{NORTH.sor} GLN:{NORTH.gln}"},
    ],
    ids=str,
)
async def test_a_token_for_other_organisations_and_devices_is_not_enough(
    base: str, tls: TlsFiles, service: StatusService, changes: dict[str, Any]
) -> None:
    assert await tell(base, tls, token=signed(claims(tls, **changes), KEY)) == (403, "forbidden")
    assert service.taken == []


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({**EVENT, "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/AuditEvent"]}}, (422, "invalid")),
        ({**EVENT, "resourceType": "Provenance"}, (422, "invalid")),
        ({**EVENT, "meta": {}}, (400, "structure")),
        ({**EVENT, "agent": [{"who": {}}]}, (400, "structure")),
        ({"resourceType": "AuditEvent"}, (400, "structure")),
        ([], (400, "structure")),
        (b"no JSON", (400, "structure")),
        (b"[" * 100_000, (400, "structure")),
    ],
    ids=["no profile of EDS", "not an AuditEvent", "no profile", "no name", "nothing in it", "a list", "text", "deep"],
)
async def test_what_is_no_event_is_refused(
    base: str, tls: TlsFiles, service: StatusService, event: object, expected: tuple[int, str]
) -> None:
    assert await tell(base, tls, token=signed(claims(tls), KEY), event=event) == expected
    assert service.taken == []


@pytest.mark.parametrize(
    ("how", "status"),
    [({"method": "PUT"}, 404), ({"path": "/fhir"}, 404), ({"content_type": "application/json"}, 415)],
    ids=str,
)
async def test_there_is_one_way_to_tell_it(base: str, tls: TlsFiles, how: dict[str, str], status: int) -> None:
    assert (await tell(base, tls, token=signed(claims(tls), KEY), **how))[0] == status  # type: ignore[arg-type]  # texts only
