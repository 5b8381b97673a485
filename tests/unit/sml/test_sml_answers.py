"""What an answer means: the envelope decides, the HTTP status only where there is none."""

import pytest

from ehmi_ap.errors import Fault
from ehmi_ap.sml import (
    SmlBadRequest,
    SmlError,
    SmlInternalError,
    SmlNotFound,
    SmlUnauthorized,
    SmlUnavailable,
    SmlUnreadable,
)
from ehmi_ap.sml.answers import LIMIT, result
from tests.sml_stub import LOCATOR, SOAP, envelope, fault

XML = "text/xml;charset=UTF-8"


def soap_fault(inner: str, *, default: bool = False) -> bytes:
    """A fault in an envelope; `default`: SOAP's namespace without a prefix, so that the children are in it too."""
    if default:
        return f'<Envelope xmlns="{SOAP}"><Body><Fault>{inner}</Fault></Body></Envelope>'.encode()
    return f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault>{inner}</s:Fault></s:Body></s:Envelope>'.encode()


def raised(status: int, content: bytes, content_type: str = XML) -> SmlError:
    with pytest.raises(SmlError) as refused:
        result(status, content_type, content)
    return refused.value


@pytest.mark.parametrize(
    "content_type", ["text/xml", "TEXT/XML; charset=utf-8", "application/xml", "application/soap+xml"]
)
def test_a_result_is_the_element_in_the_body(content_type: str) -> None:
    found = result(200, content_type, envelope("<a><b/></a>"))
    assert found is not None
    assert found.tag == "a"


def test_a_header_is_read_past() -> None:
    """BDMSL 3.0 sent an empty wsse:Security that must be understood."""
    security = '<w:Security xmlns:w="urn:wsse" s:mustUnderstand="1"/>'
    content = f'<s:Envelope xmlns:s="{SOAP}"><s:Header>{security}</s:Header><s:Body><a/></s:Body></s:Envelope>'.encode()
    found = result(200, XML, content)
    assert found is not None
    assert found.tag == "a"


def test_an_empty_body_is_done() -> None:
    assert result(200, XML, envelope("")) is None
    assert result(200, XML, envelope("<!-- nothing -->")) is None


@pytest.mark.parametrize("status", [200, 400, 401, 404, 500])
@pytest.mark.parametrize(
    ("kind", "expected", "whose", "again"),
    [
        ("BadRequest", SmlBadRequest, Fault.OPERATOR, False),
        ("Unauthorized", SmlUnauthorized, Fault.OPERATOR, False),
        ("NotFound", SmlNotFound, Fault.OPERATOR, False),
        ("InternalError", SmlInternalError, Fault.NETWORK, True),
    ],
)
def test_a_fault_is_named_whatever_the_status(
    status: int, kind: str, expected: type[SmlError], whose: Fault, again: bool
) -> None:
    """The services in use answer faults with 400, 401 and 404 (peppol-commons 28 and 48)."""
    error = raised(status, fault(kind, "[ERR-100] It is so."))
    assert type(error) is expected
    assert str(error) == "the SML says: [ERR-100] It is so. [VH_QReaAzDt]"
    assert (error.fault, error.retryable) == (whose, again)
    assert error.fix


def test_the_older_service_has_the_number_alone_in_faultstring() -> None:
    detail = f'<detail><l:NotFoundFault xmlns:l="{LOCATOR}"><l:FaultMessage>No such SMP</l:FaultMessage></l:NotFoundFault></detail>'
    error = raised(500, soap_fault(f"<faultcode>s:Server</faultcode><faultstring>JUoL1E</faultstring>{detail}"))
    assert type(error) is SmlNotFound
    assert str(error) == "the SML says: No such SMP [JUoL1E]"


def test_a_fault_without_words_has_its_name() -> None:
    detail = f'<detail><UnauthorizedFault xmlns="{LOCATOR}"/></detail>'
    assert str(raised(500, soap_fault(detail))) == "the SML says: UnauthorizedFault"


def test_names_count_not_prefixes() -> None:
    error = raised(500, soap_fault('<detail><NotFoundFault xmlns="urn:other"/></detail>'))
    assert type(error) is SmlInternalError


@pytest.mark.parametrize("default", [False, True])
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("s:Client", SmlBadRequest),
        ("Client", SmlBadRequest),
        ("s:Client.Authentication", SmlBadRequest),
        ("s:Server", SmlInternalError),
        ("s:VersionMismatch", SmlInternalError),
    ],
)
def test_a_fault_without_a_detail_goes_by_its_code(code: str, expected: type[SmlError], default: bool) -> None:
    """SOAP 1.1 section 4.4.1: what is the client's must not be sent again unchanged."""
    said = "The given SOAPAction does not match an operation."
    error = raised(500, soap_fault(f"<faultcode>{code}</faultcode><faultstring>{said}</faultstring>", default=default))
    assert type(error) is expected
    assert str(error) == f"the SML says: {said}"


def test_a_fault_of_nothing() -> None:
    assert str(raised(500, soap_fault(""))) == "the SML says: a SOAP fault without a reason"


def test_their_words_are_one_short_line() -> None:
    said = "a\n  b\u009b31m" + "x" * 5000
    error = raised(500, soap_fault(f"<faultstring>{said}</faultstring>"))
    assert str(error).startswith("the SML says: a b?31mxxx")
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, SmlUnreadable),
        (204, SmlUnreadable),
        (302, SmlUnreadable),
        (400, SmlUnreadable),
        (401, SmlUnauthorized),
        (403, SmlUnauthorized),
        (404, SmlUnreadable),
        (405, SmlUnreadable),
        (500, SmlUnavailable),
        (502, SmlUnavailable),
        (503, SmlUnavailable),
    ],
)
@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        ("text/html", b"<html><body>no</body></html>"),
        ("", b""),
        (XML, b"<html/>"),
        (XML, b"<html><br></html>"),
        (XML, b'<Envelope xmlns="urn:x"/>'),
    ],
)
def test_no_soap(status: int, expected: type[SmlError], content_type: str, content: bytes) -> None:
    error = raised(status, content, content_type)
    assert type(error) is expected
    assert f"HTTP {status}" in str(error) or "cannot be read" in str(error)
    assert error.retryable == (status >= 500)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<s:Envelope",
        b'<!DOCTYPE x [<!ENTITY y "z">]><x>&y;</x>',
        b"<a>" * 100 + b"</a>" * 100,
        b'<?xml-stylesheet href="x"?>' + envelope(""),
        envelope("<a/>" * 21_000),
    ],
)
def test_xml_that_is_not_read(content: bytes) -> None:
    assert type(raised(200, content)) is SmlUnreadable


def test_an_envelope_with_another_status_is_no_result() -> None:
    assert "HTTP 404" in str(raised(404, envelope("<a/>")))


def test_the_largest_page_of_the_services_in_use_is_far_below_the_limit() -> None:
    one = '<i:ParticipantIdentifier xmlns:i="urn:i" scheme="iso6523-actorid-upis">0088:5790000121526</i:ParticipantIdentifier>'
    page = envelope(one * 400)
    assert len(page) < LIMIT
    assert result(200, XML, page) is not None
