"""The demo's registry, asked by the product's own look-ups and HTTP."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import yarl

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.demo.registry import AP_CA, SMP_CA, TLS_CA, ZONE, Registry, registry
from ehmi_ap.discovery.found import Found, Missed, Result, Wanted
from ehmi_ap.discovery.identifiers import wanted
from ehmi_ap.discovery.lookup import lookup
from ehmi_ap.discovery.network import gaps
from ehmi_ap.flows.ask import ask
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context

NOW = datetime.now(UTC)
URL = "https://127.0.0.1:8443/as4"


@pytest.fixture
async def found(tmp_path: Path) -> AsyncIterator[Registry]:
    async with registry(tmp_path / "registry", now=NOW) as started:
        yield started


def sought(found: Registry, participant: str = "0088:1") -> Wanted:
    return wanted(participant, "urn:example:document", "urn:example:process", found.network)


def access_point(found: Registry, ca: str = AP_CA) -> Certificate:
    return Certificate.from_pem(found.authorities[ca].access_point("ap", now=NOW).certificate_pem)


async def look_up(found: Registry, what: Wanted, folder: Path, *, shown: bool = True) -> Result:
    """As an access point does that trusts the CAs; `shown`: with a client certificate."""
    anchors = {name: Certificate.from_pem(each.certificate_pem) for name, each in found.authorities.items()}
    client = found.authorities[TLS_CA].tls_client("client", now=NOW).write(folder, "client")
    ours = {"certificate": client.certificate, "key": client.key} if shown else {}
    async with WebDocuments(client_context(anchors=[anchors[TLS_CA].der], **ours)) as documents:
        trust = Trust({name: [certificate] for name, certificate in anchors.items()})
        conversation = lookup(what, found.network, trust, now=NOW)
        return await ask(conversation, RecursiveDns(found.network.resolver, moment=0.01), documents)


def reason(result: Result) -> str:
    assert isinstance(result, Missed)
    return result.error.reason


async def test_its_network_lacks_nothing_and_asks_for_all(found: Registry) -> None:
    network = found.network
    assert gaps(network) == ()
    assert (network.publishers.revocation, network.receivers.revocation) == ("hard", "hard")
    assert (network.publishers.https_only, network.publishers.client_certificate) == (True, True)
    assert not set(network.publishers.trust) & set(network.receivers.trust)


async def test_who_is_registered_is_found(found: Registry, tmp_path: Path) -> None:
    certificates = {each: access_point(found) for each in ("0088:1", "0088:2")}
    for each, certificate in certificates.items():
        found.register(sought(found, each), url=f"{URL}/{each[-1]}", certificate=certificate, now=NOW)
    for each, certificate in certificates.items():
        result = await look_up(found, sought(found, each), tmp_path)
        assert isinstance(result, Found)
        assert (result.endpoint.url, result.endpoint.encryption) == (f"{URL}/{each[-1]}", certificate)
        assert result.metadata == (found.folder / f"0088-{each[-1]}.xml").read_bytes()
    assert (found.folder / f"{ZONE}.zone").read_text() == found.zone.text()
    assert [each.where for each in found.asked] == ["SML", "SMP", "CA", "CA"] * 2


async def test_who_is_not_registered_is_not_found(found: Registry, tmp_path: Path) -> None:
    assert reason(await look_up(found, sought(found), tmp_path)) == "PARTICIPANT_NOT_REGISTERED"
    assert [each.what.rpartition(": ")[2] for each in found.asked] == ["NXDOMAIN", "NXDOMAIN"]


async def test_the_smp_wants_to_know_who_asks(found: Registry, tmp_path: Path) -> None:
    found.register(sought(found), url=URL, certificate=access_point(found), now=NOW)
    # Under TLS 1.3 the server may be gone before its alert is read: what is said then is that the connection broke.
    refused = ("CLIENT_CERTIFICATE_REFUSED", "SMP_BROKEN")
    assert reason(await look_up(found, sought(found), tmp_path, shown=False)) in refused
    assert [each.where for each in found.asked] == ["SML"]


@pytest.mark.parametrize("ca", [SMP_CA, TLS_CA])
async def test_no_ca_stands_in_for_another(found: Registry, tmp_path: Path, ca: str) -> None:
    found.register(sought(found), url=URL, certificate=access_point(found, ca), now=NOW)
    assert reason(await look_up(found, sought(found), tmp_path)) == "ENDPOINT_UNTRUSTED"


async def test_what_others_ask_is_told_without_what_a_terminal_acts_on(found: Registry) -> None:
    """Anybody on this machine may ask for a list."""
    url = urlsplit(found.authorities[AP_CA].crl_url or "")
    async with aiohttp.ClientSession() as session:
        answer = await session.get(yarl.URL("http://127.0.0.1/%1B%5B2J", encoded=True).with_port(url.port))
    assert answer.status == 404
    [asked] = found.asked
    assert asked.what == r"HTTP GET, revocation list '\x1b[2J': not there"
