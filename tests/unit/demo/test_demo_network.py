"""The demo's network as it stands before anything is sent: who may do what at its EDS."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from ehmi_ap.config import Config, Eds
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.network import Network, network
from ehmi_ap.demo.registry import TLS_CA
from ehmi_ap.net.eds import SCOPE
from ehmi_ap.net.tls import client_context


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Network]:
    document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
    async with network(tmp_path, now=datetime.now(UTC), document=document) as started:
        yield started


def settings(folder: Path, name: str) -> Eds:
    eds = Config.load(folder / name / "ehmi-ap.toml").eds
    assert eds is not None
    return eds


async def ask(net: Network, url: str, shows: Eds | None, form: dict[str, str]) -> tuple[int, Any]:
    """With the certificate of these settings, or without one."""
    anchor = Certificate.from_pem(net.registry.authorities[TLS_CA].certificate_pem)
    ours = {"certificate": shows.tls.certificate, "key": shows.tls.key} if shows is not None else {}
    context = client_context(anchors=[anchor.der], **ours)
    async with aiohttp.ClientSession() as session:
        answer = await session.post(url, ssl=context, data=form)
        return answer.status, await answer.json()


async def test_an_access_point_gets_tokens_for_whom_it_serves_and_not_as_the_other(
    net: Network, tmp_path: Path
) -> None:
    ours, theirs = settings(tmp_path, "c2"), settings(tmp_path, "c3")
    url = f"{net.eds.issuer}/mtls/token"
    answers = {}
    for by, serves in ((ours, ours), (ours, theirs), (theirs, ours)):
        assert by.client_id is not None
        [organisation] = serves.organisations
        scope = f"{SCOPE} SOR:{organisation.sor} GLN:{organisation.gln}"
        form = {"grant_type": "client_credentials", "scope": scope, "client_id": by.client_id}
        status, answer = await ask(net, url, ours, form)
        answers[by.device.id, serves.device.id] = (status, answer.get("error"))
    assert answers == {
        ("demo-ap-c2", "demo-ap-c2"): (200, None),
        ("demo-ap-c2", "demo-ap-c3"): (400, "invalid_scope"),
        ("demo-ap-c3", "demo-ap-c2"): (401, "invalid_client"),
    }


async def test_nobody_without_a_certificate_comes_to_eds(net: Network) -> None:
    for url in (f"{net.eds.base}/AuditEvent", f"{net.eds.issuer}/mtls/token"):
        with pytest.raises(aiohttp.ClientError):
            await ask(net, url, None, {})
    assert net.eds.service.taken == []
