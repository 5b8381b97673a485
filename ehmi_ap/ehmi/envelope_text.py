"""An ehmiSBDH written, as text: indented for people, with nothing padded inside a value (spec/ehmi.md 2.1 to 2.6)."""

import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Literal
from xml.sax.saxutils import escape

from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.header import Correlation, Header, Scope
from ehmi_ap.ehmi.names import PEPPOL, SBDH
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import Participant

ContentNamespace = Literal["peppol", "sbdh"]
"""The namespace of BinaryContent; partners want one or the other (O-3)."""

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(header: Header, content: bytes, namespace: ContentNamespace = "peppol") -> bytes:
    """The envelope with this header around this document.

    Raises:
        SubmissionError: a value has a character that XML cannot hold.
    """
    own = f' xmlns="{PEPPOL}"' if namespace == "peppol" else ""
    encoding = "" if header.encoding is None else f' encoding="{_attribute(header.encoding)}"'
    scopes = "\n".join(line for scope in header.scopes for line in _scope(scope))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StandardBusinessDocument xmlns="{SBDH}">
  <StandardBusinessDocumentHeader>
    <HeaderVersion>{text(header.version)}</HeaderVersion>
    <Sender>
      {_partner(header.sender)}
    </Sender>
    <Receiver>
      {_partner(header.receiver)}
    </Receiver>
    <DocumentIdentification>
      <Standard>{text(header.standard)}</Standard>
      <TypeVersion>{text(header.type_version)}</TypeVersion>
      <InstanceIdentifier>{text(header.instance_identifier)}</InstanceIdentifier>
      <Type>{text(header.type)}</Type>
      <MultipleType>false</MultipleType>
      <CreationDateAndTime>{text(header.created_at)}</CreationDateAndTime>
    </DocumentIdentification>
    <BusinessScope>
{scopes}
    </BusinessScope>
  </StandardBusinessDocumentHeader>
  <BinaryContent{own} mimeType="{_attribute(header.mime_type)}"{encoding}>{b64encode(content).decode()}</BinaryContent>
</StandardBusinessDocument>
""".encode()


def text(value: str) -> str:
    """The value as the text of an element.

    Raises:
        SubmissionError: it has a character that XML cannot hold; the text does not show the value.
    """
    return escape(legal(value))


def legal(value: str) -> str:
    """The value itself, when XML can hold it.

    Raises:
        SubmissionError: it cannot; the text does not show the value.
    """
    if _NOT_XML.search(value):
        raise SubmissionError("a value of the envelope has a character that XML cannot hold")
    return value


def _attribute(value: str) -> str:
    return text(value).replace('"', "&quot;")


def _partner(partner: Participant) -> str:
    authority = _attribute(partner.scheme or names.AUTHORITY)
    return f'<Identifier Authority="{authority}">{text(partner.value)}</Identifier>'


def _scope(scope: Scope) -> Iterator[str]:
    value = _cdata(scope.value) if scope.type == names.XDS else text(scope.value)
    yield "      <Scope>"
    yield f"        <Type>{text(scope.type)}</Type>"
    yield f"        <InstanceIdentifier>{value}</InstanceIdentifier>"
    yield f"        <Identifier>{text(scope.identifier)}</Identifier>"
    if scope.correlation is not None:
        yield from _correlation(scope.correlation)
    if scope.type in names.RELIABLE_SCOPES:
        yield from _business_service(scope.value)
    yield "      </Scope>"


def _cdata(value: str) -> str:
    return f"<![CDATA[{legal(value).replace(']]>', ']]]]><![CDATA[>')}]]>"


def _correlation(correlation: Correlation) -> Iterator[str]:
    values = (
        ("RequestingDocumentCreationDateTime", correlation.created_at),
        ("RequestingDocumentInstanceIdentifier", correlation.instance_identifier),
        ("ExpectedResponseDateTime", correlation.expected_at),
    )
    yield "        <CorrelationInformation>"
    for name, value in values:
        if value is not None:
            yield f"          <{name}>{text(value)}</{name}>"
    yield "        </CorrelationInformation>"


def _business_service(value: str) -> Iterator[str]:
    """What ehmi 2.6 fixes for a Request and for a Response (O-29)."""
    request = value == names.REQUEST
    transaction = "RequestingServiceTransaction" if request else "RespondingServiceTransaction"
    yield "        <BusinessService>"
    yield f"          <BusinessServiceName>{names.RELIABLE}-{text(value)}</BusinessServiceName>"
    yield (
        f'          <ServiceTransaction TypeOfServiceTransaction="{transaction}" IsNonRepudiationRequired="false" '
        'IsAuthenticationRequired="false" IsNonRepudiationOfReceiptRequired="false" '
        'IsIntelligibleCheckRequired="false" IsApplicationErrorResponseRequested="false" '
        f'TimeToAcknowledgeReceipt="{"600000" if request else "0"}" TimeToAcknowledgeAcceptance="0" TimeToPerform="0" '
        'Recurrence="0"/>'
    )
    yield "        </BusinessService>"
