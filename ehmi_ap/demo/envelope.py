"""The demo's message in its ehmiSBDH envelope, as a sending MSH makes it (ehmi 2).

The envelope says of the FHIR message what routing and delivery status need, so that no access point has to open
the payload; the payload travels base64-encoded in BinaryContent.
"""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from xml.sax.saxutils import escape

from ehmi_ap.demo import bundle, fhir

SBDH = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
PEPPOL = "http://peppol.eu/xsd/ticc/envelope/1.0"
DOCUMENT_ID = (
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
    "##urn:dk:medcom:fhir:homecareobservation-message::1.2"
)
PROCESS_ID = "urn:ehmi:sdn-emergence"
RECEIPT_WITHIN = timedelta(minutes=10)  # ehmi 2.6

Form = Literal["xml", "json"]


def standard_business_document(*, now: datetime, new_uuid: Callable[[], UUID], form: Form = "xml") -> bytes:
    """A new HomeCareObservation (see `bundle`), in the given FHIR form, in its envelope, made at `now` (aware)."""
    message = bundle.home_care_observation(now=now, new_uuid=new_uuid)
    payload = fhir.to_xml(message) if form == "xml" else fhir.to_json(message)
    instance = str(new_uuid())
    created = bundle.instant(now)
    scopes = "\n".join(
        [*(_scope(kind, value) for kind, value in _facts(message)), _receipt_scope(instance, created, now)]
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StandardBusinessDocument xmlns="{SBDH}">
  <StandardBusinessDocumentHeader>
    <HeaderVersion>1.0</HeaderVersion>
    <Sender>
      <Identifier Authority="iso6523-actorid-upis">0088:{bundle.SENDER.gln}</Identifier>
    </Sender>
    <Receiver>
      <Identifier Authority="iso6523-actorid-upis">0088:{bundle.RECEIVER.gln}</Identifier>
    </Receiver>
    <DocumentIdentification>
      <Standard>{bundle.EVENT}</Standard>
      <TypeVersion>{bundle.VERSION}</TypeVersion>
      <InstanceIdentifier>{instance}</InstanceIdentifier>
      <Type>Bundle</Type>
      <MultipleType>false</MultipleType>
      <CreationDateAndTime>{created}</CreationDateAndTime>
    </DocumentIdentification>
    <BusinessScope>
{scopes}
    </BusinessScope>
  </StandardBusinessDocumentHeader>
  <BinaryContent xmlns="{PEPPOL}" mimeType="application/fhir+{form}" encoding="UTF-8">{_base64(payload)}</BinaryContent>
</StandardBusinessDocument>
""".encode()


def _facts(message: fhir.Element) -> tuple[tuple[str, str], ...]:
    """Scope types and their values for a FHIR message (ehmi 2.4, column M)."""
    entries = message["entry"]
    assert isinstance(entries, list)
    return (
        ("DOCUMENTID", DOCUMENT_ID),
        ("PROCESSID", PROCESS_ID),
        ("PATIENTID", bundle.PATIENT_CPR),
        ("SENDERID", bundle.SENDER.sor),
        ("RECEIVERID", bundle.RECEIVER.sor),
        ("MESSAGEIDENTIFIER", entries[0]["resource"]["id"]),
        ("MESSAGEENVELOPEIDENTIFIER", str(message["id"])),
        ("StatisticalInformation", f"MCM:{bundle.EVENT}"),
    )


def _scope(kind: str, value: str) -> str:
    return f"""      <Scope>
        <Type>{kind}</Type>
        <InstanceIdentifier>{escape(value)}</InstanceIdentifier>
        <Identifier>dk-medcom-messaging</Identifier>
      </Scope>"""


def _receipt_scope(instance: str, created: str, now: datetime) -> str:
    """The reliable-messaging scope of a request (ehmi 2.6)."""
    return f"""      <Scope>
        <Type>EHMI-ReceiptAcknowledgement</Type>
        <InstanceIdentifier>Request</InstanceIdentifier>
        <Identifier>dk-medcom-messaging</Identifier>
        <CorrelationInformation>
          <RequestingDocumentCreationDateTime>{created}</RequestingDocumentCreationDateTime>
          <RequestingDocumentInstanceIdentifier>{instance}</RequestingDocumentInstanceIdentifier>
          <ExpectedResponseDateTime>{bundle.instant(now + RECEIPT_WITHIN)}</ExpectedResponseDateTime>
        </CorrelationInformation>
        <BusinessService>
          <BusinessServiceName>EHMI-ReceiptAcknowledgement-Request</BusinessServiceName>
          <ServiceTransaction TypeOfServiceTransaction="RequestingServiceTransaction" IsNonRepudiationRequired="false" \
IsAuthenticationRequired="false" IsNonRepudiationOfReceiptRequired="false" IsIntelligibleCheckRequired="false" \
IsApplicationErrorResponseRequested="false" TimeToAcknowledgeReceipt="600000" TimeToAcknowledgeAcceptance="0" \
TimeToPerform="0" Recurrence="0"/>
        </BusinessService>
      </Scope>"""


def _base64(payload: bytes) -> str:
    return b64encode(payload).decode()
