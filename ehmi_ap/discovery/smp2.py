"""The documents of OASIS SMP 2.0, read and written.

Sources: OASIS SMP 2.0; spec/discovery.md 2.2. Committee drafts, which are still met, write smb:ServiceID for
smb:ID; they are read and never written.
"""

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import (
    Group,
    Metadata,
    Process,
    PublishedCertificate,
    PublishedEndpoint,
    Reference,
    Target,
    Use,
    certificate_of,
)
from ehmi_ap.discovery.reading import identifier, malformed, many, moment, optional, single, value
from ehmi_ap.model import Participant

_NAMESPACE = "http://docs.oasis-open.org/bdxr/ns/SMP/2/"
METADATA = f"{_NAMESPACE}ServiceMetadata"
GROUP = f"{_NAMESPACE}ServiceGroup"
SMA = f"{_NAMESPACE}AggregateComponents"
SMB = f"{_NAMESPACE}BasicComponents"

_XKMS = "http://www.w3.org/2002/03/xkms#"
_USES: dict[str, Use] = {
    f"{_XKMS}Signature": "sign",
    f"{_XKMS}Exchange": "encrypt",
    "bdxr-as4-signing-encryption": "any",
}
_TYPE_CODES: dict[Use, str] = {use: code for code, use in _USES.items()}


# -- reading


def metadata(root: etree._Element, signature: Enveloped | None) -> Metadata:
    """A ServiceMetadata; Untrusted when its content is malformed."""
    return Metadata(
        dialect="oasis2",
        participant=_participant(root),
        document=_document(root),
        processes=tuple(_process(each) for each in many(root, SMA, "ProcessMetadata")),
        signature=signature,
    )


def group(root: etree._Element, signature: Enveloped | None) -> Group:
    """A ServiceGroup; Untrusted when its content is malformed."""
    return Group(
        dialect="oasis2",
        participant=_participant(root),
        references=tuple(Reference(document=_document(each)) for each in many(root, SMA, "ServiceReference")),
        signature=signature,
    )


def _document(parent: etree._Element) -> Identifier:
    found = optional(parent, SMB, "ID"), optional(parent, SMB, "ServiceID")
    if (found[0] is None) == (found[1] is None):
        raise malformed("there is no ID of the service, or one of the draft beside it")
    return next(identifier(each, "schemeID") for each in found if each is not None)


def _participant(parent: etree._Element) -> Participant:
    found = identifier(single(parent, SMB, "ParticipantID"), "schemeID")
    return Participant(found.value, found.scheme)


def _process(element: etree._Element) -> Process:
    redirect = optional(element, SMA, "Redirect")
    endpoints = many(element, SMA, "Endpoint")
    if redirect is not None and endpoints:
        raise malformed("ProcessMetadata has endpoints and a redirect")
    return Process(
        identifiers=tuple(identifier(single(each, SMB, "ID"), "schemeID") for each in many(element, SMA, "Process")),
        endpoints=tuple(_endpoint(each) for each in endpoints),
        redirect=None if redirect is None else _target(redirect),
    )


def _target(element: etree._Element) -> Target:
    return Target(
        href=value(optional(element, SMB, "PublisherURI")),
        certificates=tuple(_certificate(each) for each in many(element, SMA, "Certificate")),
    )


def _endpoint(element: etree._Element) -> PublishedEndpoint:
    activates, expires, fault = _dates(element)
    return PublishedEndpoint(
        transport_profile=value(optional(element, SMB, "TransportProfileID")),
        url=value(optional(element, SMB, "AddressURI")) or None,
        certificates=tuple(_certificate(each) for each in many(element, SMA, "Certificate")),
        activates=activates,
        expires=expires,
        fault=fault,
    )


def _certificate(element: etree._Element) -> PublishedCertificate:
    activates, expires, fault = _dates(element)
    certificate, unusable = certificate_of(value(optional(element, SMB, "ContentBinaryObject")))
    code = value(optional(element, SMB, "TypeCode")) or None
    return PublishedCertificate(
        certificate=certificate,
        use="any" if code is None else _USES.get(code, "other"),
        type_code=code,
        activates=activates,
        expires=expires,
        fault=unusable or fault,
    )


def _dates(element: etree._Element) -> tuple[datetime | None, datetime | None, str | None]:
    """From the first day on, until the day of expiration begins (spec/discovery.md 2.2)."""
    try:
        activates = moment(value(optional(element, SMB, "ActivationDate")))
        return activates, moment(value(optional(element, SMB, "ExpirationDate"))), None
    except ValueError:
        return None, None, "a date cannot be read"


# -- writing


def metadata_text(content: Metadata) -> str:
    """A ServiceMetadata that is still to be signed."""
    processes = "".join("".join(_process_text(each)) for each in content.processes)
    return (
        f"{_root('ServiceMetadata', METADATA)}{_identifier_text('ID', content.document)}"
        f"{_identifier_text('ParticipantID', content.participant)}{processes}</ServiceMetadata>"
    )


def group_text(content: Group) -> str:
    """A ServiceGroup."""
    named = [_identifier_text("ID", document) for document in content.documents]
    references = "".join(f"<sma:ServiceReference>{each}</sma:ServiceReference>" for each in named)
    participant = _identifier_text("ParticipantID", content.participant)
    return f"{_root('ServiceGroup', GROUP)}{participant}{references}</ServiceGroup>"


def _root(local: str, namespace: str) -> str:
    return f'<{local} xmlns="{namespace}" xmlns:sma="{SMA}" xmlns:smb="{SMB}"><smb:SMPVersionID>2.0</smb:SMPVersionID>'


def _identifier_text(local: str, content: Identifier | Participant) -> str:
    scheme = f" schemeID={quoteattr(content.scheme)}" if content.scheme else ""
    return f"<smb:{local}{scheme}>{escape(content.value)}</smb:{local}>"


def _process_text(process: Process) -> Iterator[str]:
    yield "<sma:ProcessMetadata>"
    for each in process.identifiers:
        yield f"<sma:Process>{_identifier_text('ID', each)}</sma:Process>"
    for endpoint in process.endpoints:
        yield from _endpoint_text(endpoint)
    if process.redirect is not None:
        yield f"<sma:Redirect><smb:PublisherURI>{escape(process.redirect.href)}</smb:PublisherURI>"
        yield from map(_certificate_text, process.redirect.certificates)
        yield "</sma:Redirect>"
    yield "</sma:ProcessMetadata>"


def _endpoint_text(endpoint: PublishedEndpoint) -> Iterator[str]:
    yield f"<sma:Endpoint><smb:TransportProfileID>{escape(endpoint.transport_profile)}</smb:TransportProfileID>"
    if endpoint.url is not None:
        yield f"<smb:AddressURI>{escape(endpoint.url)}</smb:AddressURI>"
    yield _dates_text(endpoint.activates, endpoint.expires)
    yield from map(_certificate_text, endpoint.certificates)
    yield "</sma:Endpoint>"


def _certificate_text(published: PublishedCertificate) -> str:
    assert published.certificate is not None
    code = published.type_code or (None if published.use == "any" else _TYPE_CODES.get(published.use))
    return (
        f"<sma:Certificate>{f'<smb:TypeCode>{escape(code)}</smb:TypeCode>' if code else ''}"
        f"{_dates_text(published.activates, published.expires)}"
        '<smb:ContentBinaryObject mimeCode="application/base64">'
        f"{base64.b64encode(published.certificate.der).decode()}</smb:ContentBinaryObject></sma:Certificate>"
    )


def _dates_text(activates: datetime | None, expires: datetime | None) -> str:
    """Days of UTC; a time of the day cannot be said."""
    return "".join(
        f"<smb:{local}>{at.astimezone(UTC):%Y-%m-%d}</smb:{local}>"
        for local, at in (("ActivationDate", activates), ("ExpirationDate", expires))
        if at is not None
    )
