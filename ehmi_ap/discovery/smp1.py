"""The documents of Peppol SMP 1.x and OASIS BDXR SMP 1.0, read and written: one tree, two sets of names.

Sources: Peppol SMP 1.4, OASIS SMP 1.0; spec/discovery.md 2.2. `2014/07` is a draft of OASIS SMP 1.0 whose
documents are still met; it is read and never written.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from ehmi_ap.crypto.enveloped import Enveloped
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.published import (
    Dialect,
    Group,
    Metadata,
    Process,
    PublishedCertificate,
    PublishedEndpoint,
    Redirect,
    Reference,
    Target,
    certificate_of,
)
from ehmi_ap.discovery.reading import attribute, identifier, malformed, many, moment, optional, single, value
from ehmi_ap.model import Participant

WSA = "http://www.w3.org/2005/08/addressing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the two dialects call the same things by."""

    dialect: Dialect
    namespace: str
    identifiers: str  # namespace of identifiers


PEPPOL = Names(
    dialect="peppol",
    namespace="http://busdox.org/serviceMetadata/publishing/1.0/",
    identifiers="http://busdox.org/transport/identifiers/1.0/",
)
_OASIS = "http://docs.oasis-open.org/bdxr/ns/SMP/"
OASIS = Names(dialect="oasis1", namespace=f"{_OASIS}2016/05", identifiers=f"{_OASIS}2016/05")
DRAFT = Names(dialect="oasis1", namespace=f"{_OASIS}2014/07", identifiers=f"{_OASIS}2014/07")

_SERVICES = re.compile(r"/services/?([^/?#]+)/?$", re.IGNORECASE)
"""The end of a URL of metadata. phoss SMP leaves out the slash in the URLs of a group."""


# -- reading


def metadata(root: etree._Element, names: Names, signature: Enveloped | None) -> Metadata | Redirect:
    """A SignedServiceMetadata; Untrusted when its content is malformed."""
    inner = single(root, names.namespace, "ServiceMetadata")
    information = optional(inner, names.namespace, "ServiceInformation")
    redirect = optional(inner, names.namespace, "Redirect")
    if (information is None) == (redirect is None):
        raise malformed("ServiceMetadata has neither endpoints nor a redirect, or both")
    if redirect is not None:
        target = Target(
            href=attribute(redirect, "href") or "",
            subject=value(optional(redirect, names.namespace, "CertificateUID")),
        )
        return Redirect(dialect=names.dialect, target=target, signature=signature)
    assert information is not None
    listed = single(information, names.namespace, "ProcessList")
    return Metadata(
        dialect=names.dialect,
        participant=_participant(information, names),
        document=identifier(single(information, names.identifiers, "DocumentIdentifier"), "scheme"),
        processes=tuple(_process(each, names) for each in many(listed, names.namespace, "Process")),
        signature=signature,
    )


def group(root: etree._Element, names: Names, signature: Enveloped | None) -> Group:
    """A ServiceGroup; Untrusted when its content is malformed."""
    collection = single(root, names.namespace, "ServiceMetadataReferenceCollection")
    hrefs = [attribute(each, "href") or "" for each in many(collection, names.namespace, "ServiceMetadataReference")]
    return Group(
        dialect=names.dialect,
        participant=_participant(root, names),
        references=tuple(Reference(document=_document(href), href=href) for href in hrefs),
        signature=signature,
    )


def _document(href: str) -> Identifier | None:
    """The document type that a URL of metadata ends in."""
    found = _SERVICES.search(href)
    if found is None:
        return None
    scheme, separator, text = unquote(found[1]).partition("::")
    return Identifier(text, scheme or None) if separator and text else None


def _participant(parent: etree._Element, names: Names) -> Participant:
    found = identifier(single(parent, names.identifiers, "ParticipantIdentifier"), "scheme")
    return Participant(found.value, found.scheme)


def _process(element: etree._Element, names: Names) -> Process:
    listed = single(element, names.namespace, "ServiceEndpointList")
    return Process(
        identifiers=(identifier(single(element, names.identifiers, "ProcessIdentifier"), "scheme"),),
        endpoints=tuple(_endpoint(each, names) for each in many(listed, names.namespace, "Endpoint")),
    )


def _endpoint(element: etree._Element, names: Names) -> PublishedEndpoint:
    activates, expires, fault = None, None, None
    try:
        activates = moment(value(optional(element, names.namespace, "ServiceActivationDate")))
        expires = moment(value(optional(element, names.namespace, "ServiceExpirationDate")))
    except ValueError:
        fault = "a date of the endpoint cannot be read"
    certificate, unusable = certificate_of(value(optional(element, names.namespace, "Certificate")))
    return PublishedEndpoint(
        transport_profile=attribute(element, "transportProfile") or "",
        url=_url(element, names) or None,
        certificates=(PublishedCertificate(certificate=certificate, fault=unusable),),
        activates=activates,
        expires=expires,
        fault=fault,
    )


def _url(endpoint: etree._Element, names: Names) -> str:
    if names.dialect == "oasis1":
        return value(optional(endpoint, names.namespace, "EndpointURI"))
    reference = optional(endpoint, WSA, "EndpointReference")
    return "" if reference is None else value(optional(reference, WSA, "Address"))


# -- writing


def metadata_text(content: Metadata | Redirect, names: Names) -> str:
    """A SignedServiceMetadata that is still to be signed."""
    if isinstance(content, Redirect):
        target = content.target
        inner = (
            f"<Redirect href={quoteattr(target.href)}>"
            f"<CertificateUID>{escape(target.subject or '')}</CertificateUID></Redirect>"
        )
    else:
        processes = "".join(_process_text(each, names) for each in content.processes)
        inner = (
            f"<ServiceInformation>{_identifier_text('ParticipantIdentifier', content.participant, names)}"
            f"{_identifier_text('DocumentIdentifier', content.document, names)}"
            f"<ProcessList>{processes}</ProcessList></ServiceInformation>"
        )
    return f"{_root('SignedServiceMetadata', names)}<ServiceMetadata>{inner}</ServiceMetadata></SignedServiceMetadata>"


def group_text(content: Group, names: Names) -> str:
    """A ServiceGroup."""
    references = "".join(
        f"<ServiceMetadataReference href={quoteattr(each.href or '')}/>" for each in content.references
    )
    return (
        f"{_root('ServiceGroup', names)}{_identifier_text('ParticipantIdentifier', content.participant, names)}"
        f"<ServiceMetadataReferenceCollection>{references}</ServiceMetadataReferenceCollection></ServiceGroup>"
    )


def _root(local: str, names: Names) -> str:
    more = f' xmlns:id="{names.identifiers}" xmlns:wsa="{WSA}"' if names is PEPPOL else ""
    return f'<{local} xmlns="{names.namespace}"{more}>'


def _identifier_text(local: str, content: Identifier | Participant, names: Names) -> str:
    name = f"id:{local}" if names is PEPPOL else local
    scheme = f" scheme={quoteattr(content.scheme)}" if content.scheme else ""
    return f"<{name}{scheme}>{escape(content.value)}</{name}>"


def _process_text(process: Process, names: Names) -> str:
    [name] = process.identifiers
    endpoints = "".join("".join(_endpoint_text(each, names)) for each in process.endpoints)
    return (
        f"<Process>{_identifier_text('ProcessIdentifier', name, names)}"
        f"<ServiceEndpointList>{endpoints}</ServiceEndpointList></Process>"
    )


def _endpoint_text(endpoint: PublishedEndpoint, names: Names) -> Iterator[str]:
    [published] = endpoint.certificates
    assert published.certificate is not None
    url = escape(endpoint.url or "")
    yield f"<Endpoint transportProfile={quoteattr(endpoint.transport_profile)}>"
    if names is PEPPOL:
        yield f"<wsa:EndpointReference><wsa:Address>{url}</wsa:Address></wsa:EndpointReference>"
    else:
        yield f"<EndpointURI>{url}</EndpointURI>"
    yield "<RequireBusinessLevelSignature>false</RequireBusinessLevelSignature>"
    for local, at in (("ServiceActivationDate", endpoint.activates), ("ServiceExpirationDate", endpoint.expires)):
        if at is not None:
            yield f"<{local}>{_time_text(at)}</{local}>"
    yield f"<Certificate>{base64.b64encode(published.certificate.der).decode()}</Certificate>"
    yield "<ServiceDescription/><TechnicalContactUrl/></Endpoint>"


def _time_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
