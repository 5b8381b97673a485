"""Documents of SMPs in all dialects: what we write we read, others' spellings, and everything that must not pass."""

import base64
from dataclasses import replace
from datetime import timedelta

import pki
import pytest
import xmlsec
from lxml import etree
from signxml import SignatureConfiguration, XMLVerifier

from ehmi_ap.crypto import enveloped
from ehmi_ap.crypto.algorithms import C14N11, DS
from ehmi_ap.discovery import smp, smp1, smp2
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.discovery.published import Group, Metadata, Process, Redirect, Target
from ehmi_ap.errors import DiscoveryError, NotSupported, Unavailable, Untrusted
from ehmi_ap.model import Participant
from tests.unit.discovery.smp_documents import (
    AP,
    AP2,
    DOCUMENT,
    EDELIVERY,
    NOW,
    OTHER_SMP,
    PAIR,
    PARTICIPANT,
    PEPPOL,
    PROCESS,
    SMP,
    SMP_CA,
    XKMS,
    certificate,
    endpoint,
    group,
    metadata,
    of,
    redirect,
    utc,
)

DIALECTS = ("peppol", "oasis1", "oasis2")


def reason(document: bytes, publishers: Publishers = Publishers()) -> str:  # noqa: B008 - it is frozen
    with pytest.raises(DiscoveryError) as caught:
        smp.read(document, publishers)
    return caught.value.reason


def signed(text: str, *, c14n: str = C14N11) -> bytes:
    return enveloped.signed(text.encode(), PAIR, c14n=c14n)


# -- what we write


FULL = (
    endpoint(EDELIVERY, activates=utc("2026-01-01"), expires=utc("2027-01-01")),
    endpoint(PEPPOL, "https://ap.test/as4?a=1&b=<2>", certificates=(certificate(AP2),)),
)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_we_write_we_read(dialect):
    written = metadata(*FULL, dialect=dialect)

    found = smp.read(smp.write(written, PAIR))

    assert replace(found, signature=None) == written
    assert found.signature.signer == of(SMP)
    assert smp.read(smp.write(group(dialect), PAIR)) == group(dialect)


@pytest.mark.parametrize("dialect", ["peppol", "oasis1"])
def test_redirects_are_written_and_read(dialect):
    found = smp.read(smp.write(redirect(dialect), PAIR))

    assert isinstance(found, Redirect)
    assert found.target == redirect(dialect).target
    assert found.target.accepts(of(OTHER_SMP))
    assert not found.target.accepts(of(SMP))


def test_oasis2_redirects_process_by_process():
    target = Target(href="https://smp2.test/bdxr-smp-2/x", certificates=(certificate(OTHER_SMP),))
    other = Process(identifiers=(Identifier("other", "s"),), endpoints=(endpoint(),))
    written = metadata(dialect="oasis2", processes=(Process(identifiers=(PROCESS,), redirect=target), other))

    found = smp.read(smp.write(written, PAIR))

    assert replace(found, signature=None) == written
    assert found.processes[0].redirect.accepts(of(OTHER_SMP))
    assert not found.processes[0].redirect.accepts(of(SMP))
    assert Target(href="https://smp2.test/").accepts(of(SMP))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_other_implementations_verify_what_we_write(dialect):
    document = smp.write(metadata(*FULL, dialect=dialect), PAIR)

    root = etree.fromstring(document)
    context = xmlsec.SignatureContext()
    der = base64.b64decode(root.findtext(f".//{{{DS}}}X509Certificate"))
    context.key = xmlsec.Key.from_memory(der, xmlsec.constants.KeyDataFormatCertDer)
    context.verify(root.find(f"{{{DS}}}Signature"))

    verifier = XMLVerifier()
    verifier.excise_empty_xmlns_declarations = True
    found = verifier.verify(document, x509_cert=SMP.pem.decode(), expect_config=SignatureConfiguration(location="./"))
    assert found.signed_xml.tag == root.tag


def test_what_has_no_scheme_and_no_dates_is_written_and_read():
    bare = metadata(participant=Participant("urn:x:1"), document=Identifier("urn:y"))
    for dialect in DIALECTS:
        found = smp.read(smp.write(replace(bare, dialect=dialect), PAIR))
        assert (found.participant, found.document) == (Participant("urn:x:1"), Identifier("urn:y"))


def test_uses_of_certificates_are_written_as_type_codes():
    both = endpoint(
        certificates=(certificate(AP, use="sign"), certificate(AP2, use="encrypt", activates=utc("2026-01-01")))
    )

    found = smp.read(smp.write(metadata(both, dialect="oasis2"), PAIR)).endpoints[0][1]

    assert [each.use for each in found.certificates] == ["sign", "encrypt"]
    assert [each.type_code for each in found.certificates] == [f"{XKMS}Signature", f"{XKMS}Exchange"]
    assert found.certificates[1].activates == utc("2026-01-01")


# -- others' spellings

O1 = (
    '<SignedServiceMetadata xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2016/05"><ServiceMetadata><ServiceInformation>'
    '<ParticipantIdentifier scheme=" iso6523-actorid-upis ">\n 0088:5790000201389 \n</ParticipantIdentifier>'
    '<DocumentIdentifier scheme="busdox-docid-qns">\n{document}\n</DocumentIdentifier><ProcessList><Process>'
    '<ProcessIdentifier scheme="cenbii-procid-ubl">urn:ehmi:sdn-emergence</ProcessIdentifier><ServiceEndpointList>'
    '<Endpoint transportProfile=" bdxr-transport-ebms3-as4-v1p0 "><EndpointURI>\n\thttps://ap.test/as4\n</EndpointURI>'
    "<RequireBusinessLevelSignature>true</RequireBusinessLevelSignature>{dates}"
    "<Certificate>{certificate}</Certificate><ServiceDescription>æ</ServiceDescription>"
    "<TechnicalContactUrl>x</TechnicalContactUrl><Extension><any xmlns='urn:x'/></Extension></Endpoint>"
    "</ServiceEndpointList></Process></ProcessList></ServiceInformation></ServiceMetadata></SignedServiceMetadata>"
)
DER64 = base64.b64encode(AP.der).decode()


def o1(certificate: str = DER64, dates: str = "", document: str = DOCUMENT.value) -> str:
    return O1.format(certificate=certificate, dates=dates, document=document)


def only_endpoint(text: str):
    found = smp.read(signed(text))
    assert isinstance(found, Metadata)
    [(_, published)] = found.endpoints
    return published


def test_white_space_around_values_does_not_count():
    found = smp.read(signed(o1()))

    assert isinstance(found, Metadata)
    assert (found.participant, found.document) == (PARTICIPANT, DOCUMENT)
    published = only_endpoint(o1())
    assert (published.transport_profile, published.url) == (EDELIVERY, "https://ap.test/as4")


FOLDED = "\r\n".join(DER64[start : start + 64] for start in range(0, len(DER64), 64))
CERTIFICATES = {
    "plain": DER64,
    "folded": FOLDED,
    "character references": FOLDED.replace("\r", "&#13;"),
    "indented": FOLDED.replace("\r\n", "\n                "),
    "PEM": AP.pem.decode(),
    "PEM on one line": f"-----BEGIN CERTIFICATE-----{DER64}-----END CERTIFICATE-----",
    "base64 of PEM": base64.b64encode(AP.pem).decode(),
    "blanks": " ".join(DER64[start : start + 64] for start in range(0, len(DER64), 64)),
}


@pytest.mark.parametrize("form", CERTIFICATES)
def test_a_certificate_in_any_text_form(form):
    [published] = only_endpoint(o1(CERTIFICATES[form])).certificates

    assert (published.certificate, published.fault) == (of(AP), None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{Certificate}",
        "blacert",
        "AAAA",
        base64.b64encode(b"-----BEGIN CERTIFICATE-----\n!\n").decode(),
        "A" * 70_000,
    ],
)
def test_what_is_no_certificate_makes_the_endpoint_unusable_and_nothing_worse(text):
    [published] = only_endpoint(o1(text)).certificates

    assert published.certificate is None
    assert published.fault


@pytest.mark.parametrize(
    ("dates", "activates", "expires"),
    [
        ("<ServiceActivationDate>2026-01-01T00:00:00+02:00</ServiceActivationDate>", "2025-12-31T22:00:00", None),
        (
            "<ServiceActivationDate> 2026-01-01T00:00:00.1234567Z </ServiceActivationDate>",
            "2026-01-01T00:00:00.123456",
            None,
        ),
        ("<ServiceExpirationDate>2026-01-01T24:00:00</ServiceExpirationDate>", None, "2026-01-02T00:00:00"),
        ("<ServiceExpirationDate>2026-01-01-05:00</ServiceExpirationDate>", None, "2026-01-01T05:00:00"),
        (
            "<ServiceExpirationDate>9999-12-31T23:59:59-05:00</ServiceExpirationDate>",
            None,
            "9999-12-31T23:59:59.999999",
        ),
        ("<ServiceActivationDate/><ServiceExpirationDate></ServiceExpirationDate>", None, None),
    ],
)
def test_dates_in_any_form(dates, activates, expires):
    published = only_endpoint(o1(dates=dates))

    assert published.fault is None
    assert published.activates == (activates and utc(activates))
    assert published.expires == (expires and utc(expires))


@pytest.mark.parametrize(
    "text",
    [
        "soon",
        "2026-13-01",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "20260101",
        "12026-01-01",
        "-0001-01-01",
        "0000-01-01",
        "2026-01-01T00:00",
    ],
)
def test_an_unreadable_date_makes_the_endpoint_unusable(text):
    published = only_endpoint(o1(dates=f"<ServiceExpirationDate>{text}</ServiceExpirationDate>"))

    assert published.fault == "a date of the endpoint cannot be read"
    assert not published.active_at(NOW)


def o2(body: str, document: str = f'<smb:ID schemeID="busdox-docid-qns">{DOCUMENT.value}</smb:ID>') -> str:
    return (
        f'<ServiceMetadata xmlns="{smp2.METADATA}" xmlns:sma="{smp2.SMA}" xmlns:smb="{smp2.SMB}">'
        f'<smb:SMPVersionID>2.0</smb:SMPVersionID><smb:ParticipantID schemeID="iso6523-actorid-upis">'
        f"0088:5790000201389</smb:ParticipantID>{document}<sma:ProcessMetadata>{body}</sma:ProcessMetadata>"
        "</ServiceMetadata>"
    )


def o2_endpoint(more: str = "", code: str = "") -> str:
    return (
        f"<sma:Endpoint><smb:TransportProfileID>{EDELIVERY}</smb:TransportProfileID>"
        f"<smb:AddressURI>https://ap.test/as4</smb:AddressURI>{more}<sma:Certificate>{code}"
        f'<smb:ContentBinaryObject mimeCode="application/base64">{DER64}</smb:ContentBinaryObject></sma:Certificate>'
        "</sma:Endpoint>"
    )


def test_the_draft_of_oasis2_is_read():
    draft = f'<smb:ServiceID schemeID="busdox-docid-qns">{DOCUMENT.value}</smb:ServiceID>'
    code = "<smb:Subject>CN=AP</smb:Subject><smb:Issuer>CN=CA</smb:Issuer>"

    found = smp.read(signed(o2(o2_endpoint(code=code), draft)))

    assert isinstance(found, Metadata)
    assert found.document == DOCUMENT
    assert found.processes[0].identifiers == ()
    assert found.endpoints[0][1].certificates[0].use == "any"


def test_an_oasis2_endpoint_holds_from_its_first_day_until_the_day_of_expiration():
    days = "<smb:ActivationDate>2026-01-01</smb:ActivationDate><smb:ExpirationDate>2026-02-01</smb:ExpirationDate>"
    published = only_endpoint(o2(o2_endpoint(days)))
    moment = timedelta(microseconds=1)

    assert not published.active_at(utc("2026-01-01") - moment)
    assert published.active_at(utc("2026-01-01"))
    assert published.active_at(utc("2026-02-01") - moment)
    assert not published.active_at(utc("2026-02-01"))


@pytest.mark.parametrize(
    ("code", "use"),
    [
        ("", "any"),
        (f"{XKMS}Signature", "sign"),
        (f"{XKMS}Exchange", "encrypt"),
        ("bdxr-as4-signing-encryption", "any"),
        ("something else", "other"),
    ],
)
def test_type_codes_of_oasis2(code, use):
    [published] = only_endpoint(o2(o2_endpoint(code=f"<smb:TypeCode>{code}</smb:TypeCode>"))).certificates

    assert published.use == use


def test_the_draft_of_2014_is_read():
    found = smp.read(signed(o1().replace("2016/05", "2014/07")))

    assert isinstance(found, Metadata)
    assert (found.dialect, found.document) == ("oasis1", DOCUMENT)


def test_a_processing_instruction_is_part_of_what_is_signed():
    found = smp.read(
        b"<?xml-stylesheet href='x'?>"
        + smp.write(group(), PAIR).removeprefix(b'<?xml version="1.0" encoding="UTF-8"?>')
    )

    assert isinstance(found, Group)


@pytest.mark.parametrize(
    ("href", "document"),
    [
        ("http://h/p/services/s%3A%3Av%2Fw", Identifier("v/w", "s")),
        ("http://h/p/SERVICES/s::v", Identifier("v", "s")),
        ("http://h/p/services/%3A%3Av", Identifier("v")),
        ("http://h/p/services/s%253A%253Av", None),
        ("http://h/p/services/v", None),
        ("http://h/p", None),
        ("", None),
    ],
)
def test_the_document_that_a_url_of_a_group_ends_in(href, document):
    text = smp1.group_text(group(), smp1.OASIS)
    start, end = text.index('href="') + 6, text.index('"/></ServiceMetadataReferenceCollection')

    found = smp.read((text[:start] + href + text[end:]).encode())

    assert isinstance(found, Group)
    assert found.references[0].document == document
    assert found.documents == (() if document is None else (document,))


# -- what must not pass


def test_an_oasis2_group_may_be_signed_and_then_has_to_be_right():
    document = enveloped.signed(smp2.group_text(group("oasis2")).encode(), PAIR, c14n=C14N11)

    assert smp.read(document).signature.signer == of(SMP)
    assert reason(document.replace(b"hco", b"xyz")) == "SIGNATURE_DIGEST"


WRITTEN = smp.write(metadata(), PAIR)
EVIL = smp1.metadata_text(metadata(endpoint(url="https://evil.test/as4")), smp1.OASIS).encode()
NAMESPACE = smp1.OASIS.namespace.encode()
INNER = EVIL[EVIL.index(b"<ServiceMetadata>") : EVIL.index(b"</SignedServiceMetadata>")]
GENUINE = WRITTEN[WRITTEN.index(b"<ServiceMetadata>") : WRITTEN.index(b"<Signature ")]

WRAPPINGS = {
    "evil metadata before the genuine": (WRITTEN.replace(GENUINE, INNER + GENUINE), "SIGNATURE_DIGEST"),
    "evil metadata behind the genuine": (WRITTEN.replace(GENUINE, GENUINE + INNER), "SIGNATURE_DIGEST"),
    "evil metadata instead, the genuine in an extension": (
        WRITTEN.replace(GENUINE, INNER.replace(b"</Endpoint>", b"<Extension>" + GENUINE + b"</Extension></Endpoint>")),
        "SIGNATURE_DIGEST",
    ),
    "the genuine document in an extension of an unsigned one": (
        EVIL.replace(b"</Endpoint>", b"<Extension>" + WRITTEN + b"</Extension></Endpoint>"),
        "SIGNATURE_MISSING",
    ),
    "the genuine document in the signature's ds:Object": (
        EVIL.replace(
            b"</SignedServiceMetadata>",
            WRITTEN[WRITTEN.index(b"<Signature ") : WRITTEN.index(b"</Signature>")]
            + b"<Object>"
            + WRITTEN
            + b"</Object></Signature></SignedServiceMetadata>",
        ),
        "SIGNATURE_FORM",
    ),
    "the genuine signature over other content": (
        EVIL.replace(
            b"</SignedServiceMetadata>",
            WRITTEN[WRITTEN.index(b"<Signature ") :],
        ),
        "SIGNATURE_DIGEST",
    ),
    "two signatures": (
        WRITTEN.replace(b"</SignedServiceMetadata>", WRITTEN[WRITTEN.index(b"<Signature ") :]),
        "SIGNATURE_FORM",
    ),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapping(wrapping):
    document, expected = WRAPPINGS[wrapping]

    assert reason(document) == expected


def test_the_signature_of_another_below_an_extension_is_not_ours_to_judge():
    """Genuine answers have one there that no longer verifies (spec/discovery.md 2.6)."""
    nested = smp.write(metadata(), PAIR).replace(b"ap.test", b"xx.test")
    text = smp1.metadata_text(metadata(), smp1.OASIS).replace(
        "</Endpoint>", f"<Extension>{nested.decode()}</Extension></Endpoint>"
    )

    found = smp.read(signed(text))

    assert isinstance(found, Metadata)
    assert [each.url for _, each in found.endpoints] == ["https://ap.test/as4"]


def test_a_comment_that_would_cut_a_value_short_is_refused_though_the_signature_holds():
    cut = WRITTEN.replace(b"https://ap.test/as4", b"https://ap.test<!-- -->/as4")

    assert reason(cut) == "METADATA_MALFORMED"
    assert smp.read(WRITTEN.replace(b"<Process>", b"<!-- fine --><Process>")).signature is not None


BOMB = b'<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + b"".join(
    b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)
ATTACKS = {
    "DOCTYPE": b"<!DOCTYPE r>" + WRITTEN,
    "XXE": b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + WRITTEN.replace(b"https://ap.test/as4", b"&x;"),
    "billion laughs": BOMB + b"]>" + WRITTEN.replace(b"https://ap.test/as4", b"&i;"),
    "external DTD": b'<!DOCTYPE r SYSTEM "http://evil.test/x.dtd">' + WRITTEN,
    "an undeclared entity": WRITTEN.replace(b"https://ap.test/as4", b"&x;"),
    "UTF-16": WRITTEN.decode().encode("utf-16"),
    "a page of HTML": b"<!DOCTYPE html><html><body>Gateway</body></html>",
    "plain text": b"There is no such participant",
    "nothing": b"",
    "cut short": WRITTEN[:-3],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_is_not_xml_that_may_be_read(attack):
    assert reason(ATTACKS[attack]) == "SMP_NOT_XML"
    with pytest.raises(Unavailable):
        smp.read(ATTACKS[attack])


def test_budgets():
    assert reason(WRITTEN.replace(b"<ServiceMetadata>", b"<ServiceMetadata>" + b"<x/>" * 5_000)) == "SMP_TOO_LARGE"
    assert reason(WRITTEN.replace(b"<ServiceMetadata>", b" " * 1_048_576)) == "SMP_TOO_LARGE"
    assert (
        reason(WRITTEN.replace(b"<ServiceMetadata>", b"<x>" * 64 + b"</x>" * 64 + b"<ServiceMetadata>"))
        == "SMP_TOO_LARGE"
    )


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (b'<html xmlns="http://www.w3.org/1999/xhtml"/>', "{http://www.w3.org/1999/xhtml}html"),
        (b"<SignedServiceMetadata/>", "SignedServiceMetadata"),
        (
            b'<ServiceMetadata xmlns="http://busdox.org/serviceMetadata/publishing/1.0/"/>',
            "publishing/1.0/}ServiceMetadata",
        ),
        (b'<ServiceGroup xmlns="http://docs.oasis-open.org/bdxr/ns/SMP/2/ServiceMetadata"/>', "ServiceGroup"),
    ],
)
def test_an_unknown_dialect_is_named(document, name):
    with pytest.raises(NotSupported) as caught:
        smp.read(document)
    assert caught.value.reason == "UNKNOWN_DIALECT"
    assert name in caught.value.what


def test_a_dialect_that_the_network_does_not_have_is_refused():
    assert reason(WRITTEN, Publishers(dialects=("peppol",))) == "DIALECT_NOT_ALLOWED"


def test_sha1_is_a_matter_of_the_network():
    document = enveloped.signed(o1().encode(), PAIR, algorithm="rsa-sha1", digest="sha1")

    assert reason(document) == "SIGNATURE_ALGORITHM"
    assert smp.read(document, Publishers(sha1=True)).signature.algorithm == "rsa-sha1"


def test_a_document_without_a_canonical_form_was_not_signed():
    assert reason(WRITTEN.replace(b'xmlns="' + NAMESPACE, b'xml:id="x" xmlns="' + NAMESPACE)) == "SIGNATURE_FORM"


PART = o1()
MALFORMED = {
    "no ServiceMetadata": f'<SignedServiceMetadata xmlns="{smp1.OASIS.namespace}"/>',
    "two ServiceMetadata": PART.replace(
        "</SignedServiceMetadata>",
        PART[PART.index("<ServiceMetadata>") : PART.index("</SignedServiceMetadata>")] + "</SignedServiceMetadata>",
    ),
    "neither endpoints nor redirect": PART.replace("ServiceInformation>", "Nothing>"),
    "endpoints and redirect": PART.replace("</ServiceMetadata>", "<Redirect href='x'/></ServiceMetadata>"),
    "no participant": PART.replace("ParticipantIdentifier", "Other"),
    "an empty participant": PART.replace("0088:5790000201389", " "),
    "two documents": PART.replace(
        "<DocumentIdentifier", "<DocumentIdentifier>x</DocumentIdentifier><DocumentIdentifier"
    ),
    "no ProcessList": PART.replace("ProcessList>", "Other>"),
    "no ProcessIdentifier": PART.replace("ProcessIdentifier", "Other"),
    "no ServiceEndpointList": PART.replace("ServiceEndpointList>", "Other>"),
    "two URLs": PART.replace("<EndpointURI>", "<EndpointURI>https://evil.test/</EndpointURI><EndpointURI>"),
    "an element in a URL": PART.replace("<EndpointURI>", "<EndpointURI><x/>"),
    "two certificates": PART.replace("<Certificate>", "<Certificate>AAAA</Certificate><Certificate>"),
    "oasis2: two IDs": o2(o2_endpoint(), "<smb:ID>a</smb:ID><smb:ServiceID>b</smb:ServiceID>"),
    "oasis2: no ID": o2(o2_endpoint(), ""),
    "oasis2: endpoints and redirect": o2(o2_endpoint() + "<sma:Redirect/>"),
    "oasis2: a process without ID": o2("<sma:Process/>" + o2_endpoint()),
    "oasis2: two URLs": o2(o2_endpoint("<smb:AddressURI>https://evil.test/</smb:AddressURI>")),
}


@pytest.mark.parametrize("shape", MALFORMED)
def test_signed_content_that_its_schema_forbids(shape):
    with pytest.raises(Untrusted) as caught:
        smp.read(signed(MALFORMED[shape]))
    assert caught.value.reason == "METADATA_MALFORMED"


def test_a_redirect_without_a_name_for_its_signer_accepts_nobody():
    text = smp1.metadata_text(redirect(), smp1.OASIS).replace(of(OTHER_SMP).subject, "")

    found = smp.read(signed(text))

    assert isinstance(found, Redirect)
    assert not found.target.accepts(of(OTHER_SMP))
    assert not found.target.accepts(of(SMP_CA))
    assert not found.target.accepts(of(pki.make_leaf(SMP_CA, subject=pki.x509.Name([]))))
