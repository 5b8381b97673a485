"""The demo's SMP: what it answers at which URL, read by the product's own reader."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal
from urllib.parse import urlsplit

import pytest

from ehmi_ap.demo.pages import Page, segments
from ehmi_ap.demo.smp import Publisher
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.identifiers import EBCORE
from ehmi_ap.discovery.published import Document, Group, Metadata, Redirect
from ehmi_ap.discovery.smp_urls import group_urls, metadata_urls
from ehmi_ap.model import Participant
from tests.pki import NOW
from tests.simulated_network import (
    HCO,
    RECEIVER,
    certificate,
    key_pair,
    metadata,
    other_signer,
    smp_signer,
)

BASE = "https://smp.example/smp"
OTHER = Identifier("urn:other/document#1", "busdox-docid-qns")
IN_EBCORE = Participant("5790000121526", f"{EBCORE}iso6523:0088")


@pytest.fixture
def publisher() -> Publisher:
    publisher = Publisher(key_pair(smp_signer()))
    publisher.base = BASE
    publisher.register(metadata(), now=NOW)
    return publisher


def page(publisher: Publisher, url: str) -> Page | None:
    return publisher.page(segments(urlsplit(url).path.removeprefix("/smp")))


def read(publisher: Publisher, url: str) -> Document:
    found = page(publisher, url)
    assert found is not None
    return smp.read(found.body)


@pytest.mark.parametrize("dialect", ["peppol", "oasis1"])
def test_metadata_is_signed_in_the_dialect_of_its_url(dialect: Literal["peppol", "oasis1"]) -> None:
    publisher = Publisher(key_pair(smp_signer()), dialect=dialect)
    publisher.register(metadata(dialect="oasis2"), now=NOW)
    for smp2, expected in ((False, dialect), (True, "oasis2")):
        document = read(publisher, metadata_urls(BASE, RECEIVER, HCO, smp2=smp2)[0])
        assert isinstance(document, Metadata)
        assert document.signature is not None
        assert document.signature.signer == certificate(smp_signer())
        assert replace(document, signature=None) == metadata(dialect=expected)


@pytest.mark.parametrize("smp2", [False, True])
def test_a_group_names_all_documents(publisher: Publisher, smp2: bool) -> None:
    publisher.register(metadata(document=OTHER), now=NOW + timedelta(days=1))
    [url] = group_urls(BASE, RECEIVER, smp2=smp2)
    group = read(publisher, url)
    assert isinstance(group, Group)
    assert (group.participant, set(group.documents)) == (RECEIVER, {HCO, OTHER})
    found = page(publisher, url)
    assert found is not None
    assert found.since == NOW + timedelta(days=1)
    if not smp2:  # OASIS SMP 2.0 has no URLs in its groups
        assert {each.href for each in group.references} == {
            metadata_urls(BASE, RECEIVER, each, smp2=False)[0] for each in (HCO, OTHER)
        }


def test_participants_have_no_case_and_documents_do(publisher: Publisher) -> None:
    """spec/discovery.md 1.2."""
    [url] = metadata_urls(BASE, RECEIVER, HCO, smp2=False)
    participant, document = url.split("/services/")
    assert page(publisher, f"{participant.replace('iso6523', 'ISO6523')}/services/{document}") is not None
    assert page(publisher, f"{participant}/services/{document.replace('homecare', 'HomeCare')}") is None


@pytest.mark.parametrize("smp2", [False, True])
def test_an_ebcore_participant_is_at_both_its_urls(smp2: bool) -> None:
    """As the European Commission joins it, and as OASIS does (spec/discovery.md 1.3)."""
    publisher = Publisher(key_pair(smp_signer()))
    publisher.register(metadata(participant=IN_EBCORE), now=NOW)
    urls = (*metadata_urls(BASE, IN_EBCORE, HCO, smp2=smp2), *group_urls(BASE, IN_EBCORE, smp2=smp2))
    assert len(urls) == 4
    for url in urls:
        document = read(publisher, url)
        assert isinstance(document, Metadata | Group)
        assert document.participant == IN_EBCORE


def test_a_redirect_names_who_has_to_have_signed(publisher: Publisher) -> None:
    signer = certificate(other_signer())
    publisher.redirect(RECEIVER, HCO, to="https://other.example", signer=signer, now=NOW)
    first = read(publisher, metadata_urls(BASE, RECEIVER, HCO, smp2=False)[0])
    assert isinstance(first, Redirect)
    assert first.target.href == metadata_urls("https://other.example", RECEIVER, HCO, smp2=False)[0]
    second = read(publisher, metadata_urls(BASE, RECEIVER, HCO, smp2=True)[0])
    assert isinstance(second, Metadata)
    [process] = second.processes
    assert process.redirect is not None
    assert process.redirect.href == "https://other.example"
    for target in (first.target, process.redirect):
        assert target.accepts(signer)
        assert not target.accepts(certificate(smp_signer()))


def test_what_was_removed_is_gone(publisher: Publisher) -> None:
    publisher.register(metadata(document=OTHER), now=NOW)
    publisher.remove(RECEIVER, HCO)
    assert page(publisher, metadata_urls(BASE, RECEIVER, HCO, smp2=False)[0]) is None
    assert page(publisher, metadata_urls(BASE, RECEIVER, OTHER, smp2=True)[0]) is not None
    assert page(publisher, group_urls(BASE, RECEIVER, smp2=False)[0]) is not None
    publisher.remove(RECEIVER, OTHER)
    publisher.remove(RECEIVER, OTHER)
    assert page(publisher, group_urls(BASE, RECEIVER, smp2=False)[0]) is None


@pytest.mark.parametrize("path", ["", "/", "/nobody", "/bdxr-smp-2", "/bdxr-smp-2/", "/services", "/a/b/c/d"])
def test_other_paths_have_nothing(publisher: Publisher, path: str) -> None:
    assert page(publisher, BASE + path) is None
