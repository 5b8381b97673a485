"""What an HTTP answer of the SML means: a SOAP envelope without a fault is what was asked for, all else an error.

The services in use answer faults with HTTP 400, 401 and 404 too, where SOAP 1.1 (section 6.2) knows 500 only; so the
envelope decides, and the status only where there is none.
"""

from lxml import etree

from ehmi_ap.crypto.safexml import XmlLimits, parse
from ehmi_ap.errors import XmlSecurityError
from ehmi_ap.sml.faults import (
    SmlBadRequest,
    SmlError,
    SmlInternalError,
    SmlNotFound,
    SmlUnauthorized,
    SmlUnavailable,
    SmlUnreadable,
)

LIMIT = 1024 * 1024
"""Bytes of an answer; the largest, a page of participants, has some 10 KB from the services in use."""

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
LOCATOR = "http://busdox.org/serviceMetadata/locator/1.0/"

_XML = ("text/xml", "application/xml", "application/soap+xml")
_FAULTS: dict[str, type[SmlError]] = {
    f"{{{LOCATOR}}}BadRequestFault": SmlBadRequest,
    f"{{{LOCATOR}}}UnauthorizedFault": SmlUnauthorized,
    f"{{{LOCATOR}}}NotFoundFault": SmlNotFound,
    f"{{{LOCATOR}}}InternalErrorFault": SmlInternalError,
}
_LONGEST = 500
_STRING = etree.XPath("string()")


def result(status: int, content_type: str, content: bytes) -> etree._Element | None:
    """The element in the Body of an answer; None where it is empty, which is all that most operations have to say.

    Raises:
        SmlBadRequest, SmlUnauthorized, SmlNotFound, SmlInternalError: a SOAP fault, which says so.
        SmlUnauthorized, SmlUnavailable, SmlUnreadable: no SOAP envelope.
    """
    body = _body(status, content_type, content)
    if body is None:
        raise _without_soap(status)
    fault = body.find(f"{{{ENVELOPE}}}Fault")
    if fault is not None:
        raise _fault(fault)
    if status != 200:
        raise SmlUnreadable(f"the SML answered HTTP {status} with a SOAP envelope that holds no fault")
    return next(body.iterchildren(etree.Element), None)


def _body(status: int, content_type: str, content: bytes) -> etree._Element | None:
    if content_type.partition(";")[0].strip().lower() not in _XML:
        return None
    try:
        root = parse(content, XmlLimits(bytes=LIMIT))
    except XmlSecurityError as error:
        if status == 200:
            raise SmlUnreadable(f"the answer of the SML cannot be read: {error}") from error
        return None
    return root.find(f"{{{ENVELOPE}}}Body") if root.tag == f"{{{ENVELOPE}}}Envelope" else None


def _without_soap(status: int) -> SmlError:
    what = f"HTTP {status} and no SOAP envelope came from the SML's URL"
    if status in (401, 403):
        return SmlUnauthorized(what, fix="Ask the operator of the SML whether it knows the certificate that is shown.")
    return SmlUnavailable(what) if status >= 500 else SmlUnreadable(what)


def _fault(fault: etree._Element) -> SmlError:
    """The error of a soap:Fault (SOAP 1.1 section 4.4), by the element in its detail, else by its faultcode."""
    told = _child(fault, "faultstring")
    for detail in _children(fault, "detail"):
        for named in detail.iterchildren(etree.Element):
            if kind := _FAULTS.get(str(named.tag)):
                message = plain(_STRING(named))
                return kind(f"the SML says: {_joined(message, told) or etree.QName(named).localname}")
    caller = _child(fault, "faultcode").rpartition(":")[2].partition(".")[0] == "Client"
    return (SmlBadRequest if caller else SmlInternalError)(f"the SML says: {told or 'a SOAP fault without a reason'}")


def _joined(message: str, told: str) -> str:
    """FaultMessage and faultstring: one says what is wrong, the other may add the number that support asks for."""
    if message in told:
        return told
    return message if told in message else f"{message} [{told}]"


def _child(fault: etree._Element, name: str) -> str:
    return next((plain(_STRING(child)) for child in _children(fault, name)), "")


def _children(fault: etree._Element, name: str) -> list[etree._Element]:
    """Children of a fault have no namespace; where the envelope's is the default one, some write them into it."""
    return [child for child in fault.iterchildren(etree.Element) if etree.QName(child).localname == name]


def plain(text: object) -> str:
    """What another side says, as one line that may stand on a terminal."""
    line = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:_LONGEST]
