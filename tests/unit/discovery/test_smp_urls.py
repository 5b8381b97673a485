"""URLs of an SMP, with every identifier in one path segment (spec/discovery.md 2.1)."""

import pytest

from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.identifiers import EBCORE, ISO6523
from ehmi_ap.discovery.smp_urls import group_urls, metadata_urls, redirected, shapes
from ehmi_ap.model import Participant

API = Participant("0204:api-global", ISO6523)
INVOICE = Identifier(
    "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2::Invoice##urn:cen.eu:en16931:2017"
    "#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0::2.1",
    "busdox-docid-qns",
)
GOLDEN = (
    "/iso6523-actorid-upis%3A%3A0204%3Aapi-global/services/busdox-docid-qns%3A%3Aurn%3Aoasis%3Anames%3Aspecification"
    "%3Aubl%3Aschema%3Axsd%3AInvoice-2%3A%3AInvoice%23%23urn%3Acen.eu%3Aen16931%3A2017%23compliant%23urn%3Afdc%3A"
    "peppol.eu%3A2017%3Apoacc%3Abilling%3A3.0%3A%3A2.1"
)


@pytest.mark.parametrize(
    ("base", "root"),
    [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("https://h/smp", "https://h/smp"),
        ("https://h/smp////", "https://h/smp"),
    ],
)
def test_the_golden_url_below_every_base(base: str, root: str) -> None:
    assert metadata_urls(base, API, INVOICE, smp2=False) == (root + GOLDEN,)
    assert metadata_urls(base, API, INVOICE, smp2=True) == (f"{root}/bdxr-smp-2{GOLDEN}",)
    assert group_urls(base, API, smp2=False) == (f"{root}/iso6523-actorid-upis%3A%3A0204%3Aapi-global",)


def test_everything_but_unreserved_characters_is_encoded() -> None:
    [url] = metadata_urls("https://h", API, Identifier("a/b*c@d e+f~g-h_i.j%ø", "s"), smp2=False)
    assert url.endswith("/services/s%3A%3Aa%2Fb%2Ac%40d%20e%2Bf~g-h_i.j%25%C3%B8")


def test_without_a_scheme_the_colons_are_part_of_smp_1_only() -> None:
    one, document = Participant("abc"), Identifier("urn:x")
    assert metadata_urls("https://h", one, document, smp2=False) == ("https://h/%3A%3Aabc/services/%3A%3Aurn%3Ax",)
    assert metadata_urls("https://h", one, document, smp2=True) == ("https://h/bdxr-smp-2/abc/services/urn%3Ax",)


def test_an_ebcore_id_as_the_commission_joins_it_then_as_oasis_does() -> None:
    participant = Participant("123456789", EBCORE + "iso6523:0088")
    urn = "urn%3Aoasis%3Anames%3Atc%3Aebcore%3Apartyid-type%3Aiso6523%3A0088"
    assert group_urls("https://h", participant, smp2=False) == (
        f"https://h/{urn}%3A123456789",
        f"https://h/{urn}%3A%3A123456789",
    )


def test_an_ebcore_id_that_came_whole_has_one_form() -> None:
    assert len(group_urls("https://h", Participant(EBCORE + "iso6523:0088:123"), smp2=True)) == 1


@pytest.mark.parametrize("href", [f"https://other{GOLDEN}", f"http://b-f5e.iso6523-actorid-upis.sml/{GOLDEN}"])
def test_a_redirect_to_metadata_is_followed_as_it_is_written(href: str) -> None:
    assert redirected(href, API, INVOICE, smp2=False) == href


def test_a_redirect_to_an_smp_leads_to_its_metadata() -> None:
    assert redirected("https://other/", API, INVOICE, smp2=True) == f"https://other/bdxr-smp-2{GOLDEN}"


@pytest.mark.parametrize(
    ("service", "dialects", "smp2"),
    [
        ("Meta:SMP", ("oasis1",), (False,)),
        ("Meta:SMP", ("peppol", "oasis1"), (False,)),
        ("Meta:SMP", ("oasis2",), (True,)),
        ("Meta:SMP", ("oasis2", "oasis1"), (True, False)),
        ("oasis-bdxr-smp-2", ("oasis1",), (True,)),
        ("oasis-bdxr-smp-2#dbnalliance-1.1", ("oasis2",), (True,)),
        (None, ("peppol", "oasis1", "oasis2"), (False, True)),
    ],
)
def test_which_urls_are_asked(service: str | None, dialects: tuple[str, ...], smp2: tuple[bool, ...]) -> None:
    assert shapes(service, dialects) == smp2
