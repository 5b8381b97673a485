"""Look-ups over real DNS, TLS and HTTP, from the participant's name to the endpoint; and each link broken."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap.demo.dns import u_naptr
from ehmi_ap.demo.pages import Page, Segments, serving
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery.found import Found, Identifier, Missed
from ehmi_ap.discovery.network import Resolver
from ehmi_ap.model import Participant
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context
from tests.nameservers import nameserver, refusing, silent, zone
from tests.pki import NOW
from tests.publisher import WANTED, Net, published
from tests.simulated_network import certificate, key_pair, smp_certificate


@pytest.fixture
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    async with published(tmp_path) as made:
        made.register()
        yield made


async def found(net: Net, **options: Any) -> Found:
    result = await net.look_up(**options)
    assert isinstance(result, Found), result.error
    return result


async def missed(net: Net, **options: Any) -> tuple[str, str]:
    """Outcome and reason."""
    result = await net.look_up(**options)
    assert isinstance(result, Missed)
    assert not result.steps[-1].ok
    return result.error.outcome, result.error.reason


# -- found


@pytest.mark.parametrize("service", ["Meta:SMP", "oasis-bdxr-smp-2"])
async def test_a_receiver_is_found(net: Net, service: str) -> None:
    """By the URLs of either SMP specification, which the SMP gets as they are written (spec/discovery.md 2.1)."""
    net.network = replace(net.network, services=(service,))
    net.zone.put(net.name(), "NAPTR", u_naptr(net.smp.base, service=service))
    result = await found(net)
    assert result.endpoint.url == "https://localhost/as4"
    assert result.endpoint.encryption == certificate(net.access_point)
    assert (result.ttl, bool(result.last_modified)) == (60, True)
    assert all(step.ok for step in result.steps)
    participant = f"{WANTED.participant.scheme}::{WANTED.participant.value}"
    path = (participant, "services", str(WANTED.document))
    assert net.asked == [path if service == "Meta:SMP" else ("bdxr-smp-2", *path)]


async def test_an_alias_leads_to_the_record(net: Net) -> None:
    net.zone.remove(net.name())
    net.zone.put(net.name(), "CNAME", "publisher")
    net.zone.put("publisher", "NAPTR", u_naptr(net.smp.base))
    assert any("publisher.sml.test" in step.evidence for step in (await found(net)).steps)


async def test_metadata_that_did_not_change_is_not_sent_again(net: Net) -> None:
    first = await found(net)
    net.asked.clear()
    second = await found(net, known=first)
    assert second.metadata == first.metadata
    assert any("unchanged since" in step.evidence for step in second.steps)


async def test_a_redirect_is_followed(net: Net) -> None:
    """To an SMP with another signer; to whom it leads, is for the network to allow."""
    signer = smp_certificate("Other SMP", key="c", extensions=net.signer_lists)
    other = Publisher(key_pair(signer))
    other.register(net.register(url="https://elsewhere.example/as4"), now=NOW)
    async with serving(other.page) as other.base:
        net.change("publishers", https_only=False)
        redirect = partial(net.smp.redirect, WANTED.participant, WANTED.document, to=other.base, now=NOW)
        redirect(signer=certificate(signer))
        assert (await found(net)).endpoint.url == "https://elsewhere.example/as4"
        redirect(signer=certificate(net.signer))
        assert await missed(net) == ("untrusted", "REDIRECT_CERTIFICATE")
        net.change("publishers", https_only=True)
        assert await missed(net) == ("untrusted", "REDIRECT_URL_REFUSED")


# -- DNS


async def test_a_participant_that_is_not_registered(net: Net) -> None:
    stranger = replace(WANTED, participant=Participant("0088:5790000201389", WANTED.participant.scheme))
    assert await missed(net, wanted=stranger) == ("not-registered", "PARTICIPANT_NOT_REGISTERED")


async def test_a_server_that_falsely_says_that_there_is_no_such_name(net: Net) -> None:
    """The second one is asked before that is believed (spec/discovery.md 4)."""
    async with nameserver(zone("")) as wrong:
        net.dns = RecursiveDns(Resolver(servers=(wrong.address, net.server)), moment=0)
        assert await found(net)
        assert len(wrong.asked) == 1


@pytest.mark.parametrize("answer", [silent, refusing("SERVFAIL", reason=(6, "bogus")), refusing("REFUSED")])
async def test_a_server_that_does_not_answer(net: Net, answer: Any) -> None:
    async with nameserver(answer) as server:
        net.dns = RecursiveDns(Resolver(servers=(server.address,), timeout=0.1, lifetime=0.2))
        assert await missed(net) == ("unavailable", "DNS_TECHNICAL_FAILURE")


async def test_records_of_another_service(net: Net) -> None:
    net.zone.put(net.name(), "NAPTR", u_naptr(net.smp.base, service="https://smp.example"))
    assert await missed(net) == ("not-supported", "NO_MATCHING_SMP_SERVICE")


# -- the SMP


async def test_an_smp_that_is_not_there(net: Net, unused_tcp_port: int) -> None:
    net.zone.put(net.name(), "NAPTR", u_naptr(f"https://localhost:{unused_tcp_port}"))
    assert await missed(net) == ("unavailable", "SMP_UNREACHABLE")


async def test_an_smp_at_an_address_that_must_not_be_asked(net: Net) -> None:
    """Everything here is on the loopback; a network of the internet does not go there."""
    net.change("publishers", private_addresses=False)
    assert await missed(net) == ("untrusted", "ADDRESS_REFUSED")
    assert not net.asked


async def test_an_smp_that_we_do_not_trust(net: Net) -> None:
    """Its TLS certificate is below none of the CAs that the network names."""
    async with WebDocuments(client_context()) as documents:
        net.documents = documents
        assert await missed(net) == ("unavailable", "SMP_TLS")


async def test_an_smp_that_does_not_know_us(tmp_path: Path) -> None:
    """Without client certificate; what it says depends on the version of TLS, and whether its alert gets through."""
    async with published(tmp_path, client=False) as net:
        net.register()
        outcome, reason = await missed(net)
    assert (outcome, reason) in {
        ("misconfigured", "CLIENT_CERTIFICATE_REFUSED"),
        ("unavailable", "SMP_TLS"),
        ("unavailable", "SMP_BROKEN"),
    }
    assert not net.asked


async def test_a_document_that_the_participant_does_not_receive(net: Net) -> None:
    other = replace(WANTED, document=Identifier("urn:other", WANTED.document.scheme))
    assert await missed(net, wanted=other) == ("not-supported", "DOCUMENT_NOT_REGISTERED")


async def test_a_participant_that_the_smp_does_not_know(net: Net) -> None:
    net.smp.remove(WANTED.participant, WANTED.document)
    assert await missed(net) == ("not-registered", "PARTICIPANT_UNKNOWN_TO_SMP")


async def test_a_page_of_a_proxy(net: Net) -> None:
    net.instead = lambda path: Page(body=b"<html><br></html>", content_type="text/html", since=NOW)
    assert await missed(net) == ("unavailable", "SMP_NOT_XML")


async def test_too_much(net: Net) -> None:
    net.instead = lambda path: Page(body=b"<a>" + b" " * 1024 * 1024, since=NOW)
    assert await missed(net) == ("unavailable", "SMP_TOO_LARGE")


async def test_metadata_that_was_changed(net: Net) -> None:
    def changed(path: Segments) -> Page | None:
        page = net.smp.page(path)
        assert page is not None
        return replace(page, body=page.body.replace(b"https://localhost/as4", b"https://attacker/as4x"))

    net.instead = changed
    assert (await missed(net))[0] == "untrusted"


async def test_a_signer_that_was_revoked(net: Net) -> None:
    net.revoke(net.signer)
    assert await missed(net) == ("untrusted", "SIGNER_REVOKED")


async def test_an_access_point_that_was_revoked(net: Net) -> None:
    net.revoke(net.access_point)
    assert await missed(net) == ("untrusted", "ENDPOINT_REVOKED")


async def test_a_list_of_revoked_certificates_that_cannot_be_had(net: Net) -> None:
    net.lists.clear()
    assert await missed(net) == ("unavailable", "REVOCATION_UNAVAILABLE")
    net.change("publishers", revocation="soft")
    net.change("receivers", revocation="soft")
    assert await found(net)


async def test_an_endpoint_that_is_over(net: Net) -> None:
    net.register(expires=NOW - timedelta(days=1))
    assert (await missed(net))[0] == "not-supported"
