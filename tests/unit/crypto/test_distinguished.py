"""Issuer names compare by RDNs, however Java, .NET and OpenSSL write them (as4-wire 3.5, 9.24)."""

import time

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ehmi_ap.crypto.distinguished import name_text, same_name

NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DK"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Sund, "Data" + Co <A/S>'),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, "UI:DK-O:G:1"),
        x509.NameAttribute(NameOID.EMAIL_ADDRESS, "ap@example.dk"),
        x509.NameAttribute(NameOID.COMMON_NAME, "Ærø  CA"),
    ]
)

SAME = {
    "ours": name_text(NAME),
    "rfc2253": r"CN=Ærø CA,1.2.840.113549.1.9.1=ap@example.dk,2.5.4.5=UI:DK-O:G:1,O=Sund\, \"Data\" \+ Co \<A/S\>,C=DK",
    "java with hex": r"CN=Ærø CA,1.2.840.113549.1.9.1=#160d6170406578616d706c652e646b,2.5.4.5=#130b55493a444b2d4f3a473a31,"
    r"O=Sund\, \"Data\" \+ Co \<A/S\>,C=DK",
    "dotnet": 'C=DK, O="Sund, ""Data"" + Co <A/S>", SERIALNUMBER=UI:DK-O:G:1, E=ap@example.dk, CN="Ærø  CA"',
    "x500": r"C=DK; O=Sund\2C \22Data\22 \2B Co \3CA/S\3E; OID.2.5.4.5=UI:DK-O:G:1; EMAILADDRESS=ap@example.dk; CN=\C3\86r\C3\B8 CA",
    "spaces and case": 'cn = ærØ   ca , Email=AP@example.dk , serialNumber=UI:DK-O:G:1 , o="Sund, \\"Data\\" + Co <A/S>", c=dk',
}


@pytest.mark.parametrize("style", SAME)
def test_every_style_of_writing_is_the_same_name(style):
    assert same_name(SAME[style], NAME)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CN=Ærø CA",
        SAME["rfc2253"] + ",C=DK",
        SAME["rfc2253"].replace("DK", "SE"),
        SAME["rfc2253"].replace("CN", "OU"),
        SAME["rfc2253"].replace("C=DK", "C=DK,"),
        SAME["rfc2253"].replace(",C=DK", "+C=DK"),
        SAME["rfc2253"].replace("2.5.4.5=", "UNKNOWN="),
        SAME["dotnet"][:-1],
        SAME["dotnet"] + "x",
        SAME["java with hex"].replace("#160d", "#16zz"),
        SAME["rfc2253"] + "\\",
        "=",
        "CN",
        "CN=#",
        'CN="',
        "," * 50,
    ],
)
def test_another_or_an_unreadable_name_is_not(text):
    assert not same_name(text, NAME)


def test_a_multi_valued_rdn_is_one_rdn():
    name = x509.Name(
        [
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.SERIAL_NUMBER, "1")]
            ),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "DK")]),
        ]
    )

    assert same_name("C=DK,SERIALNUMBER=1+CN=a", name)
    assert same_name(name_text(name), name)
    assert not same_name("C=DK,SERIALNUMBER=1,CN=a", name)


def test_long_names_cost_little():
    started = time.thread_time()  # CPU, so that a busy machine does not count
    for text in ("CN=" + "\\" * 100_000, "CN=a," * 50_000, 'CN="' + '""' * 2_000, "CN=" + "\\41" * 1_300):
        assert not same_name(text, NAME)

    assert time.thread_time() - started < 0.2
