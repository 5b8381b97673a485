"""Look-ups that come to a good end, and what is asked on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest
from smp_documents import PHOSS, PHOSS_CA, RECORDED

from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Identifier, Missed, Step
from ehmi_ap.discovery.identifiers import EBCORE, WILDCARD
from ehmi_ap.discovery.lookup import judge_metadata
from ehmi_ap.discovery.published import Process, PublishedCertificate, Target
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.discovery.smp_urls import group_urls, metadata_urls
from ehmi_ap.model import Participant
from ehmi_ap.questions import DnsQuestion, DnsStatus, WebAnswer, WebFailure, WebQuestion
from tests.pki import NOW
from tests.simulated_network import (
    AP,
    AP_CRL,
    GROUP_URL,
    HCO,
    LEGACY_NAME,
    METADATA_URL,
    METADATA_URL_2,
    NAME,
    OTHER_SMP,
    OTHER_URL,
    PEPPOL_PROFILE,
    PROCESS,
    PROFILE,
    RECEIVER,
    SMP,
    SMP_CRL,
    WANTED,
    World,
    access_point,
    answered,
    ap_certificate,
    certificate,
    endpoint,
    good_metadata,
    group,
    metadata,
    naptr,
    nothing,
    other_signer,
    records,
    redirect,
    smp_certificate,
    smp_signer,
)

DAY = timedelta(days=1)
OTHER_SPELLING = Identifier("urn:dk:healthcare:prod:hco#urn:dk:medcom:fhir:hco:3.0", "busdox-docid-qns")


def warnings(found: Found) -> list[Step]:
    return [step for step in found.steps if step.warning]


class TestTheWholeWay:
    def test_every_step_is_told_with_its_evidence(self) -> None:
        found = World().found()
        assert [step.what for step in found.steps] == [
            "Read what is wanted",
            "Ask DNS for the NAPTR records of its name",
            "Choose the NAPTR record",
            "Ask the SMP for the metadata",
            "Verify the signature of the metadata",
            "Check who signed",
            "Ask whether the certificate of the signer is revoked",
            "Choose the endpoint",
            "Ask whether the certificate of the endpoint is revoked",
        ]
        evidence = " ".join(step.evidence for step in found.steps)
        signer = format(certificate(smp_signer()).serial_number, "x")
        for seen in (NAME, SMP, METADATA_URL, "TTL 60 s", "rsa-sha256", signer, SMP_CRL, AP, PROFILE, AP_CRL):
            assert seen in evidence
        assert warnings(found) == []

    def test_the_result_has_what_proves_it(self) -> None:
        found = World().found()
        assert found.endpoint.url == AP
        assert found.endpoint.encryption == certificate(access_point())
        assert found.endpoint.signing == (certificate(access_point()),)
        assert (found.smp, found.metadata, found.ttl) == (METADATA_URL, good_metadata().body, 60)

    def test_what_is_asked(self) -> None:
        world = World()
        world.found()
        dns, web, *status = world.asked
        assert dns == DnsQuestion(name=NAME)
        assert web == WebQuestion(url=METADATA_URL, purpose="smp", private=False)
        assert [(each.url, each.purpose) for each in status if isinstance(each, WebQuestion)] == [
            (SMP_CRL, "status"),
            (AP_CRL, "status"),
        ]

    def test_in_a_closed_network_private_addresses_may_be_asked(self) -> None:
        world = World()
        world.change(publishers={"private_addresses": True})
        world.found()
        assert all(each.private for each in world.asked if isinstance(each, WebQuestion))

    @pytest.mark.parametrize("dialect", ["peppol", "oasis1"])
    def test_both_dialects_of_smp_1(self, dialect: str) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(dialect=dialect))
        assert world.found().endpoint.url == AP


class TestTheEnd:
    """`usable_until` is the first end of anything on the way."""

    def test_of_a_certificate_above(self) -> None:
        assert World().found().usable_until == certificate(access_point()).not_after

    def test_of_the_endpoint(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(endpoint(expires=NOW + DAY)))
        assert world.found().usable_until == NOW + DAY

    def test_of_the_signer(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(), smp_certificate(not_after=NOW + DAY))
        assert world.found().usable_until == NOW + DAY

    def test_of_the_receivers_certificate(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(endpoint(identity=ap_certificate(not_after=NOW + DAY))))
        assert world.found().usable_until == NOW + DAY


class TestWhereTheSmpIs:
    def test_the_participants_own_before_the_networks_before_dns(self) -> None:
        world = World()
        other = metadata_urls("https://own.example/smp", RECEIVER, HCO, smp2=False)[0]
        world.web |= {METADATA_URL: WebAnswer(status=500), other: good_metadata()}
        world.change(smp=SMP, smps={"0088:5790000121526": "https://own.example/smp/"})
        found = world.found()
        assert (found.smp, found.ttl) == (other, None)
        assert not any(isinstance(each, DnsQuestion) for each in world.asked)

    @pytest.mark.parametrize("key", ["iso6523-actorid-upis::0088:5790000121526", " 0088:5790000121526"])
    def test_a_participant_is_named_as_anywhere(self, key: str) -> None:
        world = World(dns={})
        world.change(smps={"0088:1": "https://not.example", key: SMP})
        assert world.found().smp == METADATA_URL

    def test_the_networks(self) -> None:
        world = World(dns={})
        world.change(smp=f"{SMP}/", zones=())
        assert world.found().smp == METADATA_URL

    def test_the_participants_zone_alone(self) -> None:
        name = dns_name(RECEIVER, "other.example", World().network.naming)
        world = World(dns={name: records()})
        world.change(zone_of={"0088:5790000121526": "other.example"})
        assert world.found().smp == METADATA_URL
        world.change(zone_of={"0088:5790000121526": "third.example"})
        assert world.missed().error.reason == "PARTICIPANT_NOT_REGISTERED"

    def test_the_first_zone_in_which_it_is(self) -> None:
        second = dns_name(RECEIVER, "sml2.example", World().network.naming)
        world = World(dns={second: records(ttl=30)})
        world.change(zones=("sml.example", "sml2.example", "sml3.example"))
        assert world.found().ttl == 30
        names = [each.name for each in world.asked if isinstance(each, DnsQuestion)]
        assert names == [NAME, NAME, second]

    def test_a_missing_name_is_asked_for_elsewhere(self) -> None:
        world = World(dns={NAME: nothing()}, again={NAME: records(server="192.0.2.2:53")})
        assert world.found().endpoint.url == AP
        first, second = (each for each in world.asked if isinstance(each, DnsQuestion))
        assert (first.again_after, second.again_after) == (None, "192.0.2.1:53")

    def test_a_name_without_record_is_looked_for_in_the_next_zone_too(self) -> None:
        second = dns_name(RECEIVER, "sml2.example", World().network.naming)
        world = World(dns={NAME: nothing(DnsStatus.NO_DATA), second: records()})
        world.change(zones=("sml.example", "sml2.example"))
        assert world.found().endpoint.url == AP

    @pytest.mark.parametrize("first", [nothing(), nothing(DnsStatus.NO_DATA)])
    def test_the_legacy_name(self, first: object) -> None:
        base = f"http://{LEGACY_NAME}"
        world = World(dns={NAME: first, LEGACY_NAME: records(naptrs=(), texts=("192.0.2.80",), ttl=90)})
        world.change(legacy=True, publishers={"https_only": False})
        url = metadata_urls(base, RECEIVER, HCO, smp2=False)[0]
        world.web[url] = good_metadata()
        found = world.found()
        assert (found.smp, found.ttl) == (url, 90)
        assert DnsQuestion(name=LEGACY_NAME, type="ADDRESS") in world.asked

    def test_without_legacy_nobody_asks_for_it(self) -> None:
        world = World(dns={LEGACY_NAME: records(naptrs=(), texts=("192.0.2.80",))})
        assert world.missed().error.reason == "PARTICIPANT_NOT_REGISTERED"

    def test_dnssec_that_is_preferred_warns(self) -> None:
        world = World()
        world.change(resolver={"dnssec": "prefer"})
        [warning] = warnings(world.found())
        assert "not validated by DNSSEC" in warning.evidence
        world.dns[NAME] = records(secure=True)
        assert warnings(world.found()) == []

    def test_dnssec_that_is_required_is_enough(self) -> None:
        world = World(dns={NAME: records(secure=True)})
        world.change(resolver={"dnssec": "require"})
        assert world.found().endpoint.url == AP

    def test_a_misspelt_gln_is_told_beside_the_answer(self) -> None:
        missed = World().missed(replace(WANTED, participant=Participant("0088:5790000121527", RECEIVER.scheme)))
        assert missed.error.reason == "PARTICIPANT_NOT_REGISTERED"
        assert "check digit of GLN 5790000121527 would be 6" in missed.steps[1].evidence
        assert missed.steps[1].warning


class TestDialectsAndServices:
    """What is asked where, by the service of the record and the dialects of the network (DDC's matrix)."""

    @pytest.mark.parametrize(
        ("services", "dialects", "record", "document", "asked"),
        [
            (("Meta:SMP",), ("oasis1",), "Meta:SMP", "oasis1", [METADATA_URL]),
            (("oasis-bdxr-smp-2",), ("oasis2",), "oasis-bdxr-smp-2", "oasis2", [METADATA_URL_2]),
            (("oasis-bdxr-smp-2", "Meta:SMP"), ("oasis2",), "Meta:SMP", "oasis2", [METADATA_URL_2]),
            (
                ("oasis-bdxr-smp-2", "Meta:SMP"),
                ("oasis2", "oasis1"),
                "Meta:SMP",
                "oasis1",
                [METADATA_URL_2, METADATA_URL],
            ),
            (("Meta:SMP",), ("oasis1", "oasis2"), "Meta:SMP", "oasis2", [METADATA_URL, METADATA_URL_2]),
        ],
    )
    def test_found(
        self, services: tuple[str, ...], dialects: tuple[str, ...], record: str, document: str, asked: list[str]
    ) -> None:
        world = World(dns={NAME: records(naptr(service=record))})
        world.change(services=services, publishers={"dialects": dialects})
        del world.web[METADATA_URL]
        world.web[asked[-1]] = answered(metadata(dialect=document))
        assert world.found().smp == asked[-1]
        assert [url for url in world.urls() if url.startswith(SMP)] == asked

    @pytest.mark.parametrize(
        ("services", "dialects", "record", "document"),
        [
            (("Meta:SMP",), ("oasis1",), "oasis-bdxr-smp-2", "oasis2"),
            (("oasis-bdxr-smp-2",), ("oasis2",), "Meta:SMP", "oasis1"),
            (("oasis-bdxr-smp-2", "Meta:SMP"), ("oasis2",), "Meta:SMP", "oasis1"),
            (("oasis-bdxr-smp-2", "Meta:SMP"), ("oasis2", "oasis1"), "oasis-bdxr-smp-2", "oasis1"),
        ],
    )
    def test_not_found(self, services: tuple[str, ...], dialects: tuple[str, ...], record: str, document: str) -> None:
        world = World(dns={NAME: records(naptr(service=record))})
        world.change(services=services, publishers={"dialects": dialects})
        url = METADATA_URL_2 if record != "Meta:SMP" else METADATA_URL
        world.web = {**world.web, METADATA_URL: WebAnswer(status=404), GROUP_URL: WebAnswer(status=404)}
        world.web[url] = answered(metadata(dialect=document))
        assert world.missed().error.outcome in ("not-supported", "not-registered")

    def test_ebcore_ids_in_either_form(self) -> None:
        participant = Participant("5790000121526", EBCORE + "iso6523:0088")
        name = dns_name(participant, "sml.example", World().network.naming)
        world = World(dns={name: records()})
        commission, oasis = metadata_urls(SMP, participant, HCO, smp2=False)
        world.web[oasis] = answered(metadata(participant=participant))
        found = world.found(replace(WANTED, participant=participant))
        assert found.smp == oasis
        assert world.urls()[:2] == [commission, oasis]


class TestOtherSpellings:
    def test_a_document_under_its_other_spelling(self) -> None:
        world = World()
        world.change(spellings={HCO.value: (OTHER_SPELLING.value,)}, publishers={"dialects": ("oasis1",)})
        url = metadata_urls(SMP, RECEIVER, OTHER_SPELLING, smp2=False)[0]
        world.web[METADATA_URL] = WebAnswer(status=404)
        world.web[GROUP_URL] = answered(group(Identifier("urn:x", HCO.scheme), OTHER_SPELLING))
        world.web[url] = answered(metadata(document=OTHER_SPELLING))
        found = world.found()
        assert found.smp == url
        assert [each for each in world.urls() if each.startswith(SMP)] == [METADATA_URL, GROUP_URL, url]

    def test_a_process_under_its_other_spelling(self) -> None:
        world = World()
        world.change(spellings={"urn:ehmi:sdn-emergence": ("sdn-emergence", "dk-messaging::sdn-emergence")})
        for scheme in (PROCESS.scheme, "dk-messaging"):
            process = Process(identifiers=(Identifier("sdn-emergence", scheme),), endpoints=(endpoint(),))
            world.web[METADATA_URL] = answered(metadata(processes=(process,)))
            assert world.found().endpoint.url == AP

    def test_a_wildcard(self) -> None:
        invoice = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:peppol:pint:billing-3.0{}::2.1"
        asked = Identifier(invoice.format("@jp:peppol-1"), WILDCARD)
        registered = Identifier(invoice.format("*"), WILDCARD)
        wanted = replace(WANTED, document=asked)
        world = World()
        world.web[GROUP_URL] = answered(group(HCO, registered))
        world.web[metadata_urls(SMP, RECEIVER, registered, smp2=False)[0]] = answered(metadata(document=registered))
        assert world.missed(wanted).error.reason == "DOCUMENT_NOT_REGISTERED"
        world.change(wildcards=True)
        assert world.found(wanted).endpoint.url == AP

    def test_the_group_of_an_ebcore_id_in_its_second_form(self) -> None:
        participant = Participant("5790000121526", EBCORE + "iso6523:0088")
        name = dns_name(participant, "sml.example", World().network.naming)
        world = World(dns={name: records()})
        world.web[group_urls(SMP, participant, smp2=False)[1]] = answered(
            group(OTHER_SPELLING, participant=participant)
        )
        missed = world.missed(replace(WANTED, participant=participant))
        assert missed.error.reason == "DOCUMENT_NOT_REGISTERED"
        assert OTHER_SPELLING.value in str(missed.error)


class TestRedirects:
    def test_one_is_followed(self) -> None:
        world = World()
        world.web |= {METADATA_URL: answered(redirect()), OTHER_URL: answered(metadata(), other_signer())}
        found = world.found()
        assert (found.smp, found.endpoint.url) == (OTHER_URL, AP)
        assert found.metadata == world.web[OTHER_URL].body
        assert "Follow the redirect" in [step.what for step in found.steps]

    def test_to_the_base_url_of_an_smp(self) -> None:
        world = World()
        world.web |= {
            METADATA_URL: answered(redirect(href=f"{OTHER_SMP}/")),
            OTHER_URL: answered(metadata(), other_signer()),
        }
        assert world.found().smp == OTHER_URL

    @pytest.mark.parametrize("subject", ["C=DK,O=Test,CN=Other SMP", "CN=Other SMP, O=Test, C=DK"])
    def test_the_signer_is_named_in_any_order(self, subject: str) -> None:
        world = World()
        target = Target(href=OTHER_URL, subject=subject)
        world.web |= {
            METADATA_URL: answered(redirect(target=target)),
            OTHER_URL: answered(metadata(), other_signer()),
        }
        assert world.found().endpoint.url == AP

    def test_its_signer_is_on_the_way_too(self) -> None:
        world = World()
        world.web |= {
            METADATA_URL: answered(redirect(), smp_certificate(not_after=NOW + DAY)),
            OTHER_URL: answered(metadata(), other_signer()),
        }
        assert world.found().usable_until == NOW + DAY

    def test_of_one_process_of_smp_2(self) -> None:
        """The redirect of another process is nothing to us, though it comes first."""
        announced = (PublishedCertificate(certificate=certificate(other_signer())),)
        elsewhere = Process(identifiers=(Identifier("urn:other"),), redirect=Target(href="https://evil.example"))
        ours = Process(identifiers=(PROCESS,), redirect=Target(href=OTHER_SMP, certificates=announced))
        world = World(dns={NAME: records(naptr(service="oasis-bdxr-smp-2"))})
        world.change(services=("oasis-bdxr-smp-2",))
        there = metadata_urls(OTHER_SMP, RECEIVER, HCO, smp2=True)[0]
        world.web |= {
            METADATA_URL_2: answered(metadata(dialect="oasis2", processes=(elsewhere, ours))),
            there: answered(metadata(dialect="oasis2"), other_signer()),
        }
        assert world.found().smp == there
        world.web[there] = answered(metadata(dialect="oasis2"))
        assert world.missed().error.reason == "REDIRECT_CERTIFICATE"


class TestRevocation:
    def test_soft_lets_pass_what_nobody_knows(self) -> None:
        world = World()
        world.change(publishers={"revocation": "soft"}, receivers={"revocation": "soft"})
        world.web |= {SMP_CRL: WebAnswer(failure=WebFailure.TIMEOUT), AP_CRL: WebAnswer(status=500)}
        assert [step.what for step in warnings(world.found())] == [
            "Ask whether the certificate of the signer is revoked",
            "Ask whether the certificate of the endpoint is revoked",
        ]

    def test_off_asks_nobody_and_says_so(self) -> None:
        world = World()
        world.change(publishers={"revocation": "off"}, receivers={"revocation": "off"})
        assert len(warnings(world.found())) == 2
        assert not [each for each in world.asked if isinstance(each, WebQuestion) and each.purpose == "status"]

    def test_a_pinned_signer_needs_no_list(self) -> None:
        world = World()
        world.trusted = {**world.trusted, "smp-ca": [smp_signer()]}
        del world.web[SMP_CRL]
        assert world.found().endpoint.url == AP


class TestTheEndpoint:
    def test_the_preferred_transport(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(
            metadata(endpoint(transport_profile=PEPPOL_PROFILE, url="https://peppol.example"), endpoint())
        )
        assert world.found().endpoint.url == AP
        world.change(receivers={"transport_profiles": (PEPPOL_PROFILE, PROFILE)})
        assert world.found().endpoint.url == "https://peppol.example"

    def test_one_that_cannot_be_used_is_no_obstacle(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(endpoint(url="https://old.example", expires=NOW - DAY), endpoint()))
        found = world.found()
        assert found.endpoint.url == AP
        assert f"not https://old.example over {PROFILE}: it expired" in self.choice(found).evidence
        assert warnings(found) == []

    def test_several_alike_are_told(self) -> None:
        world = World()
        world.web[METADATA_URL] = answered(metadata(endpoint(), endpoint(url="https://second.example")))
        found = world.found()
        assert found.endpoint.url == AP
        assert warnings(found) == [self.choice(found)]

    def choice(self, found: Found) -> Step:
        return next(step for step in found.steps if step.what == "Choose the endpoint")

    def test_in_a_closed_network_it_may_have_a_private_address(self) -> None:
        world = World()
        world.change(receivers={"private_addresses": True})
        world.web[METADATA_URL] = answered(metadata(endpoint(url="https://10.1.2.3/as4")))
        assert world.found().endpoint.url == "https://10.1.2.3/as4"


class TestKnownMetadata:
    """Conditional GET: what an earlier look-up found is judged again."""

    def earlier(self, world: World) -> Found:
        world.web[METADATA_URL] = replace(world.web[METADATA_URL], last_modified="Mon, 23 Nov 2026 10:00:00 GMT")
        return world.found()

    def test_unchanged(self) -> None:
        world = World()
        known = self.earlier(world)
        world.web[METADATA_URL] = WebAnswer(status=304)
        found = world.found(known=known)
        assert (found.endpoint, found.metadata, found.last_modified) == (
            known.endpoint,
            known.metadata,
            known.last_modified,
        )
        [question] = [each for each in world.asked if isinstance(each, WebQuestion) and each.purpose == "smp"]
        assert question.if_modified_since == "Mon, 23 Nov 2026 10:00:00 GMT"

    def test_unchanged_where_a_redirect_leads(self) -> None:
        world = World()
        there = replace(answered(metadata(), other_signer()), last_modified="Mon, 23 Nov 2026 10:00:00 GMT")
        world.web |= {METADATA_URL: answered(redirect()), OTHER_URL: there}
        known = world.found()
        world.web[OTHER_URL] = WebAnswer(status=304)
        assert world.found(known=known).smp == OTHER_URL

    def test_it_is_judged_as_if_it_were_new(self) -> None:
        world = World()
        known = self.earlier(world)
        world.web[METADATA_URL] = WebAnswer(status=304)
        world.change(publishers={"subject": "CN=THE SMP,.*"})
        missed = world.look_up(known=known)
        assert isinstance(missed, Missed)
        assert missed.error.reason == "SIGNER_SUBJECT"

    def test_of_another_url_it_is_nothing(self) -> None:
        world = World()
        known = replace(self.earlier(world), smp="https://else.example")
        world.web[METADATA_URL] = WebAnswer(status=304)
        missed = world.look_up(known=known)
        assert isinstance(missed, Missed)
        assert missed.error.reason == "SMP_STATUS"


class TestStoredMetadata:
    """Metadata that was kept as it was signed is judged by the same steps, wherever nothing can be asked."""

    def closed(self, revocation: str) -> World:
        world = World(dns={}, web={})
        world.change(publishers={"revocation": revocation}, receivers={"revocation": revocation}, zones=())
        return world

    def test_good(self) -> None:
        world = self.closed("soft")
        found = world.judge(good_metadata().body)
        assert isinstance(found, Found)
        assert found.endpoint == World().found().endpoint
        assert not any(each.startswith(SMP) for each in world.urls())

    def test_a_redirect_of_smp_2_leads_to_urls_of_smp_2(self) -> None:
        world = self.closed("off")
        process = Process(identifiers=(PROCESS,), redirect=Target(href=OTHER_SMP))
        world.judge(answered(metadata(dialect="oasis2", processes=(process,))).body)
        assert world.urls() == [metadata_urls(OTHER_SMP, RECEIVER, HCO, smp2=True)[0]]

    def test_where_somebody_demands_that_revocation_is_asked_for(self) -> None:
        missed = self.closed("hard").judge(good_metadata().body)
        assert isinstance(missed, Missed)
        assert missed.error.reason == "REVOCATION_UNAVAILABLE"

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (good_metadata().body.replace(b"ap.example", b"ap.evil"), "SIGNATURE_DIGEST"),
            (b"", "SMP_NOT_XML"),
            (answered(metadata(participant=Participant("0088:1", RECEIVER.scheme))).body, "OTHER_IDENTIFIERS"),
            (answered(metadata(), access_point()).body, "SIGNER_UNTRUSTED"),
            (answered(redirect()).body, "DOCUMENT_WITHOUT_METADATA"),
        ],
    )
    def test_bad(self, data: bytes, reason: str) -> None:
        missed = self.closed("off").judge(data)
        assert isinstance(missed, Missed)
        assert missed.error.reason == reason


@pytest.mark.parametrize("dialect", ["peppol", "oasis1", "oasis2"])
def test_the_recorded_answers_of_another_product(dialect: str) -> None:
    """Metadata as phoss SMP 8.1.0 signs it, below its own CA, judged as an answer that was stored."""
    world = World()
    trusted = {"trust": ("phoss",), "revocation": "off"}
    world.change(publishers=trusted, receivers=trusted)
    data = (PHOSS / dialect / "service-metadata.xml").read_bytes()
    result = world.talk(judge_metadata(data, RECORDED, world.network, Trust({"phoss": PHOSS_CA}), now=NOW))
    assert isinstance(result, Found)
    assert result.endpoint.url.startswith("https://ap.test/")


def test_the_cas_of_smps_are_none_of_receivers_and_the_other_way_round() -> None:
    world = World()
    world.change(publishers={"trust": ("ap-ca",)}, receivers={"trust": ("smp-ca",)})
    assert world.missed().error.reason == "SIGNER_UNTRUSTED"
    world.change(publishers={"trust": ("smp-ca",)})
    assert world.missed().error.reason == "ENDPOINT_UNTRUSTED"
