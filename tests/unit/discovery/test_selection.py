"""Which endpoint is chosen, why each other one was not, and what the sender is told when none is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pki
import pytest

from ehmi_ap.discovery import smp
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.published import Metadata, Process, PublishedCertificate, PublishedEndpoint, Target
from ehmi_ap.discovery.selection import Reason, Selection, select
from ehmi_ap.model import Participant
from tests.unit.discovery.smp_documents import (
    ANCHORS,
    AP,
    AP2,
    AP_CA,
    DOCUMENT,
    EDELIVERY,
    NETWORK,
    NOW,
    PAIR,
    PARTICIPANT,
    PEPPOL,
    PHOSS,
    PHOSS_CA,
    PROCESS,
    RECORDED,
    WANTED,
    certificate,
    endpoint,
    metadata,
    of,
    utc,
)

HOUR = timedelta(hours=1)
SIGNATURE = smp.read(smp.write(metadata(), PAIR)).signature
OTHER = Identifier("urn:ehmi:other", "cenbii-procid-ubl")


def chosen(
    *endpoints: PublishedEndpoint, wanted: Wanted = WANTED, network: Network = NETWORK, **fields: Any
) -> Selection:
    published = metadata(*endpoints, **{"signature": SIGNATURE, **fields})
    return select(published, wanted, network, anchors=ANCHORS, now=NOW)


def reasons(selection: Selection) -> list[Reason | None]:
    return [each.reason for each in selection.judged]


def refused(selection: Selection) -> str:
    assert (selection.endpoint, selection.redirect) == (None, None)
    assert selection.error is not None
    return selection.error.reason


@pytest.mark.parametrize(
    ("dialect", "profile"),
    [
        ("peppol", "peppol-transport-as4-v2_0"),
        ("oasis1", "bdxr-transport-ebms3-as4-v1p0"),
        ("oasis2", "bdxr-transport-ebms3-as4-v1p0"),
    ],
)
def test_of_a_recorded_answer_the_endpoint_in_its_dates_is_chosen(dialect, profile):
    published = smp.read((PHOSS / dialect / "service-metadata.xml").read_bytes())

    selection = select(published, RECORDED, NETWORK, anchors=PHOSS_CA, now=NOW)

    assert selection.error is None
    assert (selection.endpoint.transport_profile, selection.endpoint.url) == (profile, f"https://ap.test/{profile}")
    assert selection.endpoint.signing == (selection.endpoint.encryption,)
    assert reasons(selection) == [None, Reason.EXPIRED, Reason.PROCESS, Reason.PROCESS]


def test_what_is_chosen_says_all_that_is_needed_to_send():
    dates = {"activates": NOW - HOUR, "expires": NOW + HOUR}
    found = chosen(endpoint(url="https://ap.test:8443/as4?x=1", **dates)).endpoint

    assert (found.url, found.transport_profile) == ("https://ap.test:8443/as4?x=1", EDELIVERY)
    assert (found.encryption, found.signing) == (of(AP), (of(AP),))
    assert (found.activates, found.expires) == (NOW - HOUR, NOW + HOUR)


def test_the_network_s_order_of_profiles_decides_then_the_document_s():
    first, second, third = (
        endpoint(PEPPOL, "https://1.test/"),
        endpoint(url="https://2.test/"),
        endpoint(url="https://3.test/"),
    )

    selection = chosen(first, second, third)

    assert selection.endpoint.url == "https://2.test/"
    assert reasons(selection) == [Reason.LESS_PREFERRED, None, Reason.LESS_PREFERRED]
    assert selection.chosen.published == second


def test_a_less_preferred_profile_is_used_where_the_preferred_one_cannot_be():
    selection = chosen(endpoint(expires=NOW), endpoint(PEPPOL))

    assert selection.endpoint.transport_profile == PEPPOL
    assert reasons(selection) == [Reason.EXPIRED, None]


UNREADABLE = PublishedCertificate(certificate=None, fault="the text is not a certificate in base64")
SHORT = pki.make_leaf(AP_CA, key="rsa1024-a")
CASES: dict[str, tuple[PublishedEndpoint, Reason, str]] = {
    "another profile": (endpoint("busdox-transport-as2-ver2p0"), Reason.TRANSPORT_PROFILE, "NO_TRANSPORT_PROFILE"),
    "no profile": (endpoint(""), Reason.TRANSPORT_PROFILE, "NO_TRANSPORT_PROFILE"),
    "a profile of other case": (endpoint(EDELIVERY.upper()), Reason.TRANSPORT_PROFILE, "NO_TRANSPORT_PROFILE"),
    "unreadable dates": (endpoint(fault="a date"), Reason.UNREADABLE_DATES, "NO_ACTIVE_ENDPOINT"),
    "not yet active": (endpoint(activates=NOW + HOUR), Reason.NOT_YET_ACTIVE, "NO_ACTIVE_ENDPOINT"),
    "expired": (endpoint(expires=NOW), Reason.EXPIRED, "NO_ACTIVE_ENDPOINT"),
    "reversed dates": (
        endpoint(activates=NOW - HOUR, expires=NOW - 2 * HOUR),
        Reason.EXPIRED,
        "NO_ACTIVE_ENDPOINT",
    ),
    "no URL": (endpoint(url=None), Reason.NO_URL, "ENDPOINT_WITHOUT_URL"),
    "http": (endpoint(url="http://ap.test/"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "a mail address": (endpoint(url="mailto:a@b.test"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "a user": (endpoint(url="https://u:p@ap.test/"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "a private address": (endpoint(url="https://10.0.0.1/as4"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "the metadata of a cloud": (endpoint(url="https://169.254.169.254/"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "this machine": (endpoint(url="https://[::1]/"), Reason.URL, "ENDPOINT_URL_REFUSED"),
    "no certificate": (endpoint(certificates=()), Reason.CERTIFICATE, "ENDPOINT_UNFIT"),
    "a certificate that cannot be read": (
        endpoint(certificates=(UNREADABLE,)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNREADABLE",
    ),
    "an expired certificate": (
        endpoint(certificates=(certificate(pki.make_leaf(AP_CA, not_after=NOW - HOUR)),)),
        Reason.CERTIFICATE,
        "ENDPOINT_EXPIRED",
    ),
    "a certificate of the future": (
        endpoint(certificates=(certificate(pki.make_leaf(AP_CA, not_before=NOW + HOUR)),)),
        Reason.CERTIFICATE,
        "ENDPOINT_NOT_YET_VALID",
    ),
    "a certificate of a stranger": (
        endpoint(certificates=(certificate(pki.make_leaf(pki.make_ca("AP CA"))),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNTRUSTED",
    ),
    "a certificate with a short key": (
        endpoint(certificates=(certificate(SHORT),)),
        Reason.CERTIFICATE,
        "ENDPOINT_WEAK",
    ),
    "a certificate not for encryption": (
        endpoint(certificates=(certificate(pki.make_leaf(AP_CA, key_usage=["digital_signature"])),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNFIT",
    ),
    "a certificate not for signatures": (
        endpoint(certificates=(certificate(pki.make_leaf(AP_CA, key_usage=["key_encipherment"])),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNFIT",
    ),
    "a certificate for signatures alone": (
        endpoint(certificates=(certificate(use="sign"),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNFIT",
    ),
    "a certificate for encryption alone": (
        endpoint(certificates=(certificate(use="encrypt"),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNFIT",
    ),
    "a certificate that is not to be used yet": (
        endpoint(certificates=(certificate(activates=NOW + HOUR),)),
        Reason.CERTIFICATE,
        "ENDPOINT_NOT_YET_VALID",
    ),
    "a certificate that is not to be used any more": (
        endpoint(certificates=(certificate(expires=NOW),)),
        Reason.CERTIFICATE,
        "ENDPOINT_EXPIRED",
    ),
    "a certificate whose dates cannot be read": (
        endpoint(certificates=(certificate(fault="a date cannot be read"),)),
        Reason.CERTIFICATE,
        "ENDPOINT_UNREADABLE",
    ),
    "two certificates for something unknown": (
        endpoint(certificates=(certificate(use="other"), certificate(AP2, use="other"))),
        Reason.CERTIFICATE,
        "ENDPOINT_UNFIT",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_endpoint_is_dropped_with_its_reason(case):
    published, reason, error = CASES[case]

    selection = chosen(published)
    assert refused(selection) == error
    assert reasons(selection) == [reason]
    assert selection.judged[0].error.what

    beside = chosen(published, endpoint(PEPPOL))
    assert beside.endpoint.transport_profile == PEPPOL
    assert reasons(beside) == [reason, None]


def test_the_endpoint_that_came_furthest_decides_what_is_told():
    selection = chosen(endpoint("busdox-transport-as2-ver2p0"), endpoint(expires=NOW), endpoint(url=None))

    assert refused(selection) == "ENDPOINT_WITHOUT_URL"
    assert "it has no URL" in selection.error.what
    assert reasons(selection) == [Reason.TRANSPORT_PROFILE, Reason.EXPIRED, Reason.NO_URL]


def test_from_the_moment_of_activation_until_that_of_expiration():
    moment = timedelta(microseconds=1)

    assert chosen(endpoint(activates=NOW)).endpoint
    assert refused(chosen(endpoint(activates=NOW + moment))) == "NO_ACTIVE_ENDPOINT"
    assert chosen(endpoint(expires=NOW + moment)).endpoint
    assert refused(chosen(endpoint(expires=NOW))) == "NO_ACTIVE_ENDPOINT"


def test_what_the_network_allows_passes():
    open_network = replace(NETWORK, receivers=replace(NETWORK.receivers, https_only=False, private_addresses=True))

    assert chosen(endpoint(url="http://10.0.0.1/as4"), network=open_network).endpoint.url == "http://10.0.0.1/as4"


def test_one_certificate_for_each_use():
    both = endpoint(certificates=(certificate(AP, use="sign"), certificate(AP2, use="encrypt")))

    found = chosen(both).endpoint

    assert (found.encryption, found.signing) == (of(AP2), (of(AP),))


def test_of_several_certificates_those_that_can_be_used_are():
    lapsed = certificate(pki.make_leaf(AP_CA, not_after=NOW - HOUR))

    found = chosen(endpoint(certificates=(UNREADABLE, lapsed, certificate(AP), certificate(AP2)))).endpoint

    assert (found.encryption, found.signing) == (of(AP), (of(AP), of(AP2)))


def test_it_is_over_when_the_use_of_one_of_its_certificates_is():
    """So that nobody remembers it for longer (Found.usable_until)."""
    used, unused = certificate(AP, expires=NOW + HOUR), certificate(AP2, use="other", expires=NOW + HOUR / 2)

    assert chosen(endpoint(certificates=(used, unused))).endpoint.expires == NOW + HOUR
    assert chosen(endpoint(certificates=(used,), expires=NOW + 2 * HOUR)).endpoint.expires == NOW + HOUR
    assert chosen(endpoint(certificates=(used,), expires=NOW + HOUR / 2)).endpoint.expires == NOW + HOUR / 2


def test_one_certificate_with_an_unknown_type_code_is_for_everything():
    assert chosen(endpoint(certificates=(certificate(use="other", type_code="x"),))).endpoint.encryption == of(AP)


def test_policies_and_no_anchors():
    strict = replace(NETWORK, receivers=replace(NETWORK.receivers, policies=("1.2.3",)))
    assert refused(chosen(endpoint(), network=strict)) == "ENDPOINT_POLICY"

    published = metadata(signature=SIGNATURE)
    assert select(published, WANTED, NETWORK, anchors=(), now=NOW).error.reason == "ENDPOINT_UNTRUSTED"
    assert select(published, WANTED, NETWORK, anchors=None, now=NOW).endpoint
    assert select(published, WANTED, NETWORK, anchors=(of(AP),), now=NOW).endpoint


# -- identifiers


def test_unsigned_metadata_is_not_used():
    assert refused(chosen(signature=None)) == "SIGNATURE_MISSING"


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"participant": Participant("0088:1", "iso6523-actorid-upis")}, "participant"),
        ({"participant": replace(PARTICIPANT, scheme="other-actorid-upis")}, "participant"),
        ({"document": replace(DOCUMENT, value="urn:x")}, "document"),
        ({"document": replace(DOCUMENT, scheme=None)}, "document"),
        ({"document": replace(DOCUMENT, value=DOCUMENT.value.upper())}, "document"),
    ],
)
def test_other_identifiers_than_asked_for(fields, names):
    selection = chosen(**fields)

    assert refused(selection) == "OTHER_IDENTIFIERS"
    assert f"for the {names}" in selection.error.what


def test_participants_are_the_same_in_any_case_and_documents_where_the_network_says_so():
    upper = replace(DOCUMENT, value=DOCUMENT.value.upper())

    assert chosen(participant=replace(PARTICIPANT, value="0088:5790000201389".upper())).endpoint
    assert chosen(document=upper, network=replace(NETWORK, fold_case=True)).endpoint


def test_another_spelling_that_the_network_lists():
    listed = replace(NETWORK, spellings={"sdn-emergence": ("urn:ehmi:sdn-emergence",)})
    wanted = replace(WANTED, process=Identifier("sdn-emergence", PROCESS.scheme))

    assert refused(chosen(wanted=wanted)) == "PROCESS_NOT_REGISTERED"
    assert chosen(wanted=wanted, network=listed).endpoint


# -- processes


def blocks(*processes: Process, wanted: Wanted = WANTED) -> Selection:
    return chosen(processes=processes, wanted=wanted)


HERE = Process(identifiers=(PROCESS,), endpoints=(endpoint(url="https://here.test/"),))
THERE = Process(identifiers=(OTHER,), endpoints=(endpoint(url="https://there.test/"),))
ANY = Process(identifiers=(), endpoints=(endpoint(url="https://any.test/"),))
TARGET = Target(href="https://smp2.test/x")


def test_the_process_has_to_be_the_one():
    assert blocks(THERE, HERE).endpoint.url == "https://here.test/"
    assert reasons(blocks(THERE, HERE)) == [Reason.PROCESS, None]
    assert refused(blocks(THERE)) == "PROCESS_NOT_REGISTERED"
    assert refused(blocks()) == "PROCESS_NOT_REGISTERED"
    assert str(PROCESS) in blocks(THERE).error.what
    assert refused(blocks(replace(HERE, endpoints=()))) == "PROCESS_NOT_REGISTERED"


def test_endpoints_of_any_process_serve_where_none_is_named():
    assert blocks(ANY, HERE).endpoint.url == "https://here.test/"
    assert blocks(ANY, THERE).endpoint.url == "https://any.test/"
    assert blocks(Process(identifiers=(OTHER, PROCESS), endpoints=HERE.endpoints)).endpoint.url == "https://here.test/"


def test_a_redirect_is_followed_for_its_own_process_alone():
    redirect = Process(identifiers=(PROCESS,), redirect=TARGET)

    assert blocks(redirect, THERE).redirect == TARGET
    assert blocks(redirect, THERE, wanted=replace(WANTED, process=OTHER)).endpoint.url == "https://there.test/"
    assert blocks(redirect, ANY).redirect == TARGET
    assert blocks(redirect, HERE).endpoint.url == "https://here.test/"
    assert refused(blocks(THERE, Process(identifiers=(OTHER,), redirect=TARGET))) == "PROCESS_NOT_REGISTERED"


def test_dates_of_oasis2_in_utc():
    document = metadata(endpoint(expires=utc("2026-11-24")), dialect="oasis2")
    published = smp.read(smp.write(document, PAIR))

    assert isinstance(published, Metadata)
    assert select(published, WANTED, NETWORK, anchors=ANCHORS, now=utc("2026-11-23T23:59:59")).endpoint
    at_midnight = select(published, WANTED, NETWORK, anchors=ANCHORS, now=utc("2026-11-24"))
    assert refused(at_midnight) == "NO_ACTIVE_ENDPOINT"
