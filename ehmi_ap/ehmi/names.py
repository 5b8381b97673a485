"""What EHMI calls things: documents, the process, scopes, media types (spec/ehmi.md 2.2 to 2.5)."""

SBDH = "http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader"
PEPPOL = "http://peppol.eu/xsd/ticc/envelope/1.0"
"""Namespaces; BinaryContent is in either (O-3)."""

PROCESSID = "urn:ehmi:sdn-emergence"
AUTHORITY = "iso6523-actorid-upis"

ACKNOWLEDGEMENT_STANDARD = "acknowledgement-message"
RECEIPT_STANDARD = "ehmisbdh-acknowledgement"
RECEIPT_TYPES = {
    "ReceiptAcknowledgement": True,
    "ReceiptException": False,
    "AcceptanceAcknowledgement": True,
    "SBDHReceiptAcknowledgement": True,
}
"""Types of a receipt, and whether it is a positive one; the last is taken and never written (O-12)."""
RECEIPT_VERSION = "ebbp-signals-2.0"
RECEIPT_STATISTICS = "EHMI-ReceiptAcknowledgement"  # O-14

_FHIR = (
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::{standard}##urn:dk:medcom:fhir:{standard}::{version}"
)
RECEIPT_DOCUMENTID = (
    "urn:dk:healthcare:messaging:oasis:ebxml:schema:xsd::ehmisbdh-acknowledgement"
    "##urn:dk:ehmi:sbdh:ehmisbdh-acknowledgement::1.0"
)


def fhir_documentid(standard: str, version: str) -> str:
    """The DOCUMENTID of a FHIR message, by its Standard and version (ehmi.md 2.5)."""
    return _FHIR.format(standard=standard, version=version)


DOCUMENTIDS = (
    fhir_documentid("homecareobservation-message", "1.1"),
    fhir_documentid("homecareobservation-message", "1.2"),
    fhir_documentid(ACKNOWLEDGEMENT_STANDARD, "2.0"),
    fhir_documentid("hospitalnotification-message", "3.0"),
    fhir_documentid("carecommunication-message", "5.0"),
    RECEIPT_DOCUMENTID,
)
"""The documents of the network: opaque, case-sensitive strings (O-6)."""

IDENTIFIER = "dk-medcom-messaging"
"""What stands in Identifier of every scope but XDS-METADATA (O-35)."""
XDS = "XDS-METADATA"
XDS_IDENTIFIER = "dk-medcom-DocumentReference"

RELIABLE = "EHMI-ReceiptAcknowledgement"
RELIABLE_SCOPES = (RELIABLE, "EHMI-SBDH-ReceiptAcknowledgement")  # the second until 2024-09 (O-37)
REQUEST, RESPONSE = "Request", "Response"

SCOPES = frozenset(
    {
        "DOCUMENTID",
        "PROCESSID",
        "PATIENTID",
        "SENDERID",
        "RECEIVERID",
        "MESSAGEIDENTIFIER",
        "MESSAGEENVELOPEIDENTIFIER",
        "StatisticalInformation",
        "ORIGINALMESSAGEIDENTIFIER",
        "ORIGINALMESSAGEENVELOPEIDENTIFIER",
        "ORIGINALMESSAGESTANDARD",
        "ORIGINALMESSAGEVERSION",
        "ORIGINALENVELOPEIDENTIFIER",
        XDS,
        *RELIABLE_SCOPES,
    }
)

FHIR_XML, FHIR_JSON, XML = "application/fhir+xml", "application/fhir+json", "application/xml"
SIGNAL_TYPES = frozenset({XML, "text/xml"})
XML_TYPES = SIGNAL_TYPES | {FHIR_XML, "fhir/xml"}
JSON_TYPES = frozenset({FHIR_JSON, "fhir/json"})
"""Media types by the form of what they name: those of the XSD, which we write, and their aliases (O-5)."""
EDI = "text/edi"  # among the aliases, though nothing in EHMI is EDI yet
ENCODINGS = frozenset({"UTF-8", "ISO-8859-1"})
