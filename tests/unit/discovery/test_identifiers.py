"""Identifiers: read, compared by each network's rules, and never changed."""

from dataclasses import replace

import pytest

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.identifiers import (
    EBCORE,
    ISO6523,
    WILDCARD,
    ebcore,
    forms,
    gln_doubt,
    means,
    read_identifier,
    read_participant,
    same_identifier,
    same_participant,
    wanted,
)
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import Misconfigured
from ehmi_ap.model import Participant

NETWORK = Network(name="test")
OASIS = replace(NETWORK, fold_case=True)
HCO = (
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
    "##urn:dk:medcom:fhir:homecareobservation-message::1.2"
)
HCO_OF_THE_SMP_PAGE = (
    "urn:dk:healthcare:prod:medcom:messaging:fhir:structuredefinition:homecareobservation"
    "#urn:dk:medcom:fhir:homecareobservation:3.0"
)
PINT = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:peppol:pint:billing-3.0{}::2.1"


class TestReading:
    @pytest.mark.parametrize(
        ("text", "value", "scheme"),
        [
            ("0088:5790000121526", "0088:5790000121526", ISO6523),
            ("iso6523-actorid-upis::0088:5790000121526", "0088:5790000121526", ISO6523),
            (" 0088:5790000121526\n", "0088:5790000121526", ISO6523),
            ("connectivity-partid-qns::dynceftest2party71gw", "dynceftest2party71gw", "connectivity-partid-qns"),
            ("::urn:poland:ncpb", "urn:poland:ncpb", None),
            ("x::a::b", "a::b", "x"),
        ],
    )
    def test_participants(self, text: str, value: str, scheme: str | None) -> None:
        assert read_participant(text, ISO6523) == Participant(value, scheme)

    @pytest.mark.parametrize(
        ("text", "value", "scheme"),
        [
            ("unregistered:domain:ec.europa.eu", "ec.europa.eu", "unregistered:domain"),
            ("unregistered:ec.europa.eu", "ec.europa.eu", "unregistered"),
            ("iso6523:0088:123456789", "123456789", "iso6523:0088"),
            ("iso6523:0088: 123456789 ", "123456789", "iso6523:0088"),
            ("iso6523:0088::123456789", "123456789", "iso6523:0088"),
            ("iso6523::0088:123456789", "123456789", "iso6523:0088"),
            ("iso9735:14:5790000121526:ZZ", "5790000121526:ZZ", "iso9735:14"),
        ],
    )
    @pytest.mark.parametrize("before", ["", "::", "  "])
    def test_ebcore_ids_as_the_european_commissions_client_reads_them(
        self, before: str, text: str, value: str, scheme: str
    ) -> None:
        assert read_participant(before + EBCORE + text, ISO6523) == Participant(value, EBCORE + scheme)

    def test_the_prefix_of_an_ebcore_id_in_any_case(self) -> None:
        prefix = "urn:OASIS:names:tC:eBcore:partyId-type:unregistered:domain"
        assert read_participant(f"{prefix}:ec.europa.eu", None) == Participant("ec.europa.eu", prefix)

    @pytest.mark.parametrize(
        "text", ["invalid-catalog:ec.europa.eu", "iso6523::0088", "iso6523:0088", "unregistered", ""]
    )
    def test_what_is_no_ebcore_id(self, text: str) -> None:
        with pytest.raises(Misconfigured) as refused:
            read_participant(EBCORE + text, None)
        assert refused.value.reason == "IDENTIFIER_SYNTAX_ERROR"

    @pytest.mark.parametrize("text", ["", "  ", "::", "iso6523-actorid-upis::"])
    def test_nothing_is_no_participant(self, text: str) -> None:
        with pytest.raises(Misconfigured):
            read_participant(text, ISO6523)

    @pytest.mark.parametrize(
        ("text", "value", "scheme"),
        [
            (HCO, HCO, "busdox-docid-qns"),
            (HCO_OF_THE_SMP_PAGE, HCO_OF_THE_SMP_PAGE, "busdox-docid-qns"),
            (f"busdox-docid-qns::{HCO}", HCO, "busdox-docid-qns"),
            (f"dk-medcom-messaging::{HCO}", HCO, "dk-medcom-messaging"),
            (f"::{HCO}", HCO, None),
            ("peppol-doctype-wildcard::a::b##c*::2.1", "a::b##c*::2.1", WILDCARD),
        ],
    )
    def test_documents_are_taken_whole(self, text: str, value: str, scheme: str | None) -> None:
        assert read_identifier(text, "busdox-docid-qns") == Identifier(value, scheme)

    def test_the_default_scheme_may_have_any_form(self) -> None:
        assert read_identifier("urn:scheme::value", "urn:scheme") == Identifier("value", "urn:scheme")
        assert read_identifier("urn:other::value", "urn:scheme") == Identifier("urn:other::value", "urn:scheme")

    @pytest.mark.parametrize("text", ["", " ", "busdox-docid-qns::"])
    def test_nothing_is_no_document(self, text: str) -> None:
        with pytest.raises(Misconfigured):
            read_identifier(text, "busdox-docid-qns")

    def test_schemes_left_out_are_the_networks(self) -> None:
        asked = wanted("0088:5790000121526", HCO, "urn:ehmi:sdn-emergence", replace(NETWORK, process_scheme=None))
        assert asked.participant == Participant("0088:5790000121526", ISO6523)
        assert asked.document == Identifier(HCO, "busdox-docid-qns")
        assert asked.process == Identifier("urn:ehmi:sdn-emergence")


class TestComparing:
    @pytest.mark.parametrize(
        ("one", "other", "network", "same"),
        [
            (Participant("0088:ABC", ISO6523), Participant("0088:abc", ISO6523), NETWORK, True),
            (Participant("0088:abc", ISO6523), Participant("0088:abc", "ISO6523-actorid-upis"), NETWORK, False),
            (Participant("0088:abc", ISO6523), Participant("0088:abd", ISO6523), NETWORK, False),
            (Participant("ABC", "other-scheme-x"), Participant("abc", "other-scheme-x"), NETWORK, False),
            (Participant("ABC", "other-scheme-x"), Participant("abc", "other-scheme-x"), OASIS, True),
            (Participant("abc"), Participant("abc", ""), NETWORK, True),
            (Participant("0088:abc", ISO6523), Participant("0088:abc"), NETWORK, False),
            (
                Participant("123", EBCORE + "iso6523:0088"),
                Participant("123", EBCORE.upper() + "iso6523:0088"),
                NETWORK,
                True,
            ),
            (Participant("123", EBCORE + "iso6523:0088"), Participant(EBCORE + "iso6523:0088:123"), NETWORK, True),
            (Participant("123", EBCORE + "iso6523:0088"), Participant(EBCORE + "iso6523:0088::123"), NETWORK, True),
            (Participant("123", EBCORE + "iso6523:0088"), Participant("123", EBCORE + "iso6523:0060"), NETWORK, False),
            (Participant("123", EBCORE + "iso6523:0088"), Participant("0088:123", ISO6523), NETWORK, False),
        ],
    )
    def test_participants(self, one: Participant, other: Participant, network: Network, same: bool) -> None:
        assert same_participant(one, other, network) is same
        assert same_participant(other, one, network) is same

    def test_documents_keep_their_case_in_peppol_and_not_in_oasis(self) -> None:
        one, other = Identifier("urn:A", "s"), Identifier("urn:a", "s")
        assert not same_identifier(one, other, NETWORK)
        assert same_identifier(one, other, OASIS)
        assert not same_identifier(one, Identifier("urn:A", "S"), OASIS)
        assert same_identifier(Identifier("urn:A"), Identifier("urn:A", ""), NETWORK)

    def test_other_spellings_mean_the_same_where_the_network_says_so(self) -> None:
        network = replace(NETWORK, spellings={HCO: (HCO_OF_THE_SMP_PAGE, f"dk-medcom-messaging::{HCO}", f"::{HCO}")})
        asked = Identifier(HCO, "busdox-docid-qns")
        assert forms(asked, network) == (
            asked,
            Identifier(HCO_OF_THE_SMP_PAGE, "busdox-docid-qns"),
            Identifier(HCO, "dk-medcom-messaging"),
            Identifier(HCO),
        )
        assert means(Identifier(HCO_OF_THE_SMP_PAGE, "busdox-docid-qns"), asked, network)
        assert means(asked, Identifier(HCO_OF_THE_SMP_PAGE, "busdox-docid-qns"), network)
        assert not means(Identifier(HCO_OF_THE_SMP_PAGE, "busdox-docid-qns"), asked, NETWORK)
        assert not means(Identifier(HCO, "medcom-docid-qns"), asked, network)

    def test_wildcards_widen_until_the_last_part(self) -> None:
        network = replace(NETWORK, wildcards=True)
        asked = Identifier(PINT.format("@jp:peppol-1"), WILDCARD)
        values = [each.value for each in forms(asked, network)]
        assert values == [PINT.format(each) for each in ("@jp:peppol-1", "@jp:peppol-1*", "*")]

    def test_one_that_is_a_wildcard_already(self) -> None:
        asked = Identifier(PINT.format("@jp:peppol-1*"), WILDCARD)
        values = [each.value for each in forms(asked, replace(NETWORK, wildcards=True))]
        assert values == [PINT.format(each) for each in ("@jp:peppol-1*", "@jp:peppol-1", "*")]

    @pytest.mark.parametrize(
        ("asked", "network"),
        [
            (Identifier(PINT.format("@jp:peppol-1"), WILDCARD), NETWORK),
            (Identifier(PINT.format("@jp:peppol-1"), "busdox-docid-qns"), replace(NETWORK, wildcards=True)),
            (Identifier("a::b##urn:cen.eu:x::2.1", WILDCARD), replace(NETWORK, wildcards=True)),
            (Identifier("a##urn:peppol:pint:without-version", WILDCARD), replace(NETWORK, wildcards=True)),
        ],
    )
    def test_all_others_are_searched_exactly(self, asked: Identifier, network: Network) -> None:
        assert forms(asked, network) == (asked,)


def test_the_whole_urn_is_joined_by_one_colon() -> None:
    assert ebcore(Participant("123", EBCORE + "iso6523:0088")) == EBCORE + "iso6523:0088:123"
    assert ebcore(Participant("0088:123", ISO6523)) is None


@pytest.mark.parametrize(
    ("participant", "doubt"),
    [
        (Participant("0088:5790000121526", ISO6523), None),
        (Participant("5790000121526", EBCORE + "iso6523:0088"), None),
        (Participant("0184:12345678", ISO6523), None),
        (Participant("5790000121527", EBCORE + "iso6523:0060"), None),
        (Participant("urn:poland:ncpb", "ehealth-actorid-qns"), None),
        (Participant("0088:5790000121527", ISO6523), "the check digit of GLN 5790000121527 would be 6"),
        (Participant("5790000121520", EBCORE + "iso6523:0088"), "the check digit of GLN 5790000121520 would be 6"),
        (Participant("0088:57900000121526", ISO6523), "57900000121526 is no GLN: that has 13 digits"),
        (Participant("0088:579000012152٦", ISO6523), "579000012152٦ is no GLN: that has 13 digits"),
    ],
)
def test_a_misspelt_gln_is_doubted(participant: Participant, doubt: str | None) -> None:
    assert gln_doubt(participant) == doubt


@pytest.mark.parametrize("gln", ["5790000201389", "5790000123117", "5790000127092", "5790002515798", "5790000120048"])
def test_glns_in_use_are_right(gln: str) -> None:
    assert gln_doubt(Participant(f"0088:{gln}", ISO6523)) is None
