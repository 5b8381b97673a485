"""What may be asked of an SML, and the words in which the rest is refused."""

import re
from datetime import date, timedelta

import pki
import pytest

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.model import Participant
from ehmi_ap.sml import Publisher, SmlInput, new_migration_key, values

UPIS = "iso6523-actorid-upis"
EBCORE = "urn:oasis:names:tc:ebcore:partyid-type"
PUBLISHED_KEY = re.compile(  # the pattern that peppol-commons takes from BDMSL, since its version 1.01
    r"^(?=.{8,24}$)(?=(.*[@#$%()\[\]{}*^_\-!~|+=]){2,})(?=(.*[A-Z]){2})(?=(.*[a-z]){2})(?=(.*[0-9]){2})(?=\S+$).*$"
)


@pytest.mark.parametrize(
    "url",
    [
        "https://sml.example/edelivery-sml",
        "https://sml.example/edelivery-sml//",
        "https://[::1]:8443",
        "https://10.0.0.1/",
    ],
)
def test_a_base_url(url: str) -> None:
    assert values.base_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://sml.example/edelivery-sml", "it is not https"),
        ("sml.example", "cannot be the SML's URL"),
        ("https://", "cannot be"),
        ("https:///edelivery-sml", "cannot be"),
        ("https://user:secret@sml.example", "cannot be"),
        ("https://sml.example?wsdl", "cannot be"),
        ("https://sml.example/#top", "cannot be"),
        ("https://sml.example:0/", "cannot be"),
        ("https://sml.example:99999/", "cannot be"),
        ("https://sml.example/\nedelivery-sml", "cannot be"),
        ("https://[::1/", "cannot be"),
        (f"https://sml.example/{'x' * 2048}", "cannot be"),
        ("https://sml.example/edelivery-sml/manageparticipantidentifier", "one interface"),  # phoss-smp 92
        ("https://sml.example/edelivery-sml/BDMSLService/", "one interface"),
    ],
)
def test_no_base_url(url: str, said: str) -> None:
    with pytest.raises(SmlInput, match=said):
        values.base_url(url)


@pytest.mark.parametrize("text", ["MY-SMP", "a", "smp1.example", "A" * 63, ".".join(["a" * 62] * 4)])
def test_the_id_of_an_smp(text: str) -> None:
    values.check_publisher_id(text)


@pytest.mark.parametrize(
    "text", ["", "-a", "a-", "a_b", "a..b", ".", "a.", "æ", "A" * 64, ".".join(["a" * 63] * 4), "a\n"]
)
def test_no_id_of_an_smp(text: str) -> None:
    with pytest.raises(SmlInput, match="no id of an SMP"):
        values.check_publisher_id(text)


@pytest.mark.parametrize("url", ["https://smp.example", "http://smp.example/smp/", "https://smp.example:8443/x"])
def test_a_publisher(url: str) -> None:
    values.check_publisher(Publisher(id="SMP", logical_address=url, physical_address="192.0.2.10"))


@pytest.mark.parametrize(
    ("url", "ip", "said"),
    [
        ("smp.example", "192.0.2.10", "cannot be the SMP's URL"),
        ("ftp://smp.example", "192.0.2.10", "neither https nor http"),
        ("https://smp.example/a!b", "192.0.2.10", "it has a !"),
        ("https://smp.example/?x=1", "192.0.2.10", "cannot be the SMP's URL"),
        ("https://smp.example", "192.0.2", "no IPv4 address"),
        ("https://smp.example", "2001:db8::1", "no IPv4 address"),
        ("https://smp.example", "smp.example", "no IPv4 address"),
    ],
)
def test_no_publisher(url: str, ip: str, said: str) -> None:
    with pytest.raises(SmlInput, match=said):
        values.check_publisher(Publisher(id="SMP", logical_address=url, physical_address=ip))


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        (UPIS, "0088:5790000121526"),
        (UPIS, "9915:test"),
        (UPIS, "0242:" + "a" * 130),
        (UPIS, "0088:A.b_c~d-e"),
        (UPIS, "*"),
        ("ehealth-actorid-qns", "urn:poland:ncpb"),
        ("connectivity-partid-qns", "dynceftest2party71gw"),
        (f"{EBCORE}:iso6523:0088", "5790000121526"),
        (f"{EBCORE.upper()}:iso6523:0088", "5790000121526"),
        (f"{EBCORE}:iso9735:14", "5790000121526"),
        (f"{EBCORE}:unregistered", "party"),
        (f"{EBCORE}:unregistered:eu-test", "party"),
    ],
)
def test_a_participant(scheme: str, value: str) -> None:
    values.check_participants([Participant(value, scheme)])


@pytest.mark.parametrize(
    ("scheme", "value"),
    [
        (UPIS, ""),
        (UPIS, "5790000121526"),
        (UPIS, "088:5790000121526"),
        (UPIS, "0088:"),
        (UPIS, "0088:a b"),
        (UPIS, "0088:a:b"),
        (UPIS, "0088:" + "a" * 131),
        (UPIS, " 0088:1"),
        (UPIS, "0088:1\n"),
        (UPIS.upper(), "0088:1"),
        ("iso6523-actorid", "0088:1"),
        ("a-b-" + "c" * 22, "0088:1"),
        ("", "0088:1"),
        (None, "0088:1"),
        (f"{EBCORE}:iso6523", "1"),
        (f"{EBCORE}:other:0088", "1"),
        ("ehealth-actorid-qns", "urn:dänemark"),
        ("ehealth-actorid-qns", "a" * 256),
        ("ehealth-actorid-qns", "a\x07"),
    ],
)
def test_no_participant(scheme: str | None, value: str) -> None:
    with pytest.raises(SmlInput):
        values.check_participants([Participant(value, scheme)])


def test_every_mistake_is_named_at_once() -> None:
    wrong = [Participant("1", UPIS), Participant("0088:1", UPIS), Participant("2", "x"), Participant("0088:1", UPIS)]
    with pytest.raises(SmlInput) as refused:
        values.check_participants(wrong)
    assert [part.split(" ")[0] for part in str(refused.value).split("; ")] == [
        f"{UPIS}::1:",
        "x::2:",
        f"{UPIS}::0088:1",
    ]


def test_twice_is_without_regard_to_case() -> None:
    """An SML hashes the small letters (spec/discovery.md 1.1)."""
    with pytest.raises(SmlInput, match="named twice"):
        values.check_participants([Participant("9915:test", UPIS), Participant("9915:TEST", UPIS)])


@pytest.mark.parametrize("name", ["Meta:SMP", "meta:cppa3", "Meta:EHMI+1.0", "x"])
def test_a_naptr_service(name: str) -> None:
    values.check_service(name)


@pytest.mark.parametrize(
    "name", ["", "https://smp.example/", "http://smp.example", "Meta SMP", ":SMP", "Meta:SMP!", "a" * 256]
)
def test_no_naptr_service(name: str) -> None:
    with pytest.raises(SmlInput, match="no NAPTR service"):
        values.check_service(name)


@pytest.mark.parametrize("key", ["aB1-cD2=", "aaBB11@@", "iK1^lB1@!UZwQA1Eod~wt1zR", "ABab12#$&/<>"])
def test_a_migration_key(key: str) -> None:
    values.check_migration_key(key)
    assert PUBLISHED_KEY.match(key)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "0 characters"),
        ("aB1-cD2", "7 characters"),
        ("aB1-cD2=" + "x" * 17, "25 characters"),
        ("ab1-cd2=", "capital letters"),
        ("AB1-CD2=", "small letters"),
        ("aBx-cDx=", "digits"),
        ("aB1-cD22", "@#"),
        ("aB1- cD2=", "others than visible ASCII"),
        ("aB1-cD2=æ", "others than visible ASCII"),
        ("aB1-cD2=\n", "others than visible ASCII"),
        ("0b7c1c9e-7f0e-4a4b-9f0a-0d6f0d6f0d6f", "36 characters, fewer than two capital letters"),  # once a UUID
    ],
)
def test_no_migration_key(key: str, said: str) -> None:
    with pytest.raises(SmlInput, match=said) as refused:
        values.check_migration_key(key)
    assert not key or key not in f"{refused.value} {refused.value.fix}"


def test_new_migration_keys_are_right_and_different() -> None:
    keys = {new_migration_key() for _ in range(200)}
    assert len(keys) == 200
    for key in keys:
        values.check_migration_key(key)
        assert PUBLISHED_KEY.match(key)
        assert len(key) == 24
        assert key[0].isalpha()


class TestChange:
    TODAY = date(2026, 11, 23)
    NEW = Certificate.from_x509(
        pki.make_leaf(None, not_before=pki.NOW + timedelta(days=10), not_after=pki.NOW + timedelta(days=20)).cert
    )
    VALID = Certificate.from_x509(pki.make_leaf(None).cert)

    @pytest.mark.parametrize("on", [None, date(2026, 12, 3), date(2026, 12, 12)])
    def test_to_one_that_becomes_valid(self, on: date | None) -> None:
        values.check_change(self.NEW, on, today=self.TODAY)

    @pytest.mark.parametrize("on", [date(2026, 11, 23), date(2027, 1, 1)])
    def test_to_one_that_is_valid(self, on: date) -> None:
        values.check_change(self.VALID, on, today=self.TODAY)

    @pytest.mark.parametrize(
        ("certificate", "on", "said"),
        [
            (VALID, None, "does not say when"),
            (VALID, date(2026, 11, 22), "has passed"),
            (NEW, date(2026, 12, 2), "not valid on 2026-12-02"),
            (NEW, date(2026, 12, 13), "not valid on 2026-12-13"),
            (VALID, date(2099, 1, 1), "not valid on 2099-01-01"),
        ],
    )
    def test_no_change(self, certificate: Certificate, on: date | None, said: str) -> None:
        with pytest.raises(SmlInput, match=said):
            values.check_change(certificate, on, today=self.TODAY)
