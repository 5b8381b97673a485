"""What the header of an envelope shows: the rules V-3, V-5 to V-9 and V-11, for whoever judges (spec/ehmi.md 2.7).

A finding never shows a value of the envelope.
"""

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from ehmi_ap import gln
from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.names import RECEIPT_TYPES
from ehmi_ap.ehmi.rules import finding
from ehmi_ap.envelope import Kind
from ehmi_ap.profile import Finding

TOP = "/StandardBusinessDocument/StandardBusinessDocumentHeader"
CONTENT = "/StandardBusinessDocument/BinaryContent"
_DOCUMENT = TOP + "/DocumentIdentification"

RECEIPT_WITHIN = timedelta(minutes=10)
"""ExpectedResponseDateTime after CreationDateAndTime (ehmi.md 2.6)."""

_UUID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}")


def check_header(header: Header) -> Iterator[Finding]:
    """Every finding in a header, at the levels of an access point."""
    for judge in (_v3, _v5, _scopes, _v6, _v7, _v8, _v9, _v11):
        yield from judge(header)


def check_routing(header: Header) -> Iterator[Finding]:
    """What forbids routing by this header: V-3 and V-5."""
    yield from _v3(header)
    yield from _v5(header)


def scope_path(kind: str) -> str:
    """Where the value of a scope stands."""
    return f"{TOP}/BusinessScope/Scope[Type='{kind}']/InstanceIdentifier"


def instant(text: str) -> datetime | None:
    """An xs:dateTime with a UTC offset as an aware time; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _v3(header: Header) -> Iterator[Finding]:
    if header.version != "1.0":
        yield finding("V-3", "HeaderVersion is not 1.0", TOP + "/HeaderVersion")
    for name, partner in (("Sender", header.sender), ("Receiver", header.receiver)):
        path = f"{TOP}/{name}/Identifier"
        if partner.scheme != names.AUTHORITY:
            yield finding("V-3", f"{name}/Identifier has no Authority {names.AUTHORITY}", path + "/@Authority")
        scheme, _, number = partner.value.partition(":")
        if scheme != "0088" or not gln.DIGITS.fullmatch(number):
            yield finding("V-3", f"{name}/Identifier is not 0088: and 13 digits", path)
        elif not gln.is_valid(number):
            yield finding("V-3", f"{name}/Identifier: the check digit of the GLN is wrong", path)


_ROUTING = ("DOCUMENTID", "PROCESSID")
_STATUS = ("SENDERID", "RECEIVERID", "MESSAGEIDENTIFIER", "StatisticalInformation")


def _v5(header: Header) -> Iterator[Finding]:
    for rule, kinds in (("V-5", _ROUTING), ("V-5-status", _STATUS)):
        for kind in kinds:
            if not header.scope(kind):
                yield finding(rule, f"there is not exactly one {kind} scope", scope_path(kind))


_ASKED_FOR = {
    Kind.MESSAGE: ("MESSAGEENVELOPEIDENTIFIER",),  # PATIENTID: where the message is about somebody, see `judge`
    Kind.ACKNOWLEDGEMENT: ("MESSAGEENVELOPEIDENTIFIER",),
    Kind.RECEIPT: (),  # what a receipt is for is V-9
}


def _scopes(header: Header) -> Iterator[Finding]:
    counted = Counter(scope.type for scope in header.scopes)
    for kind in _ASKED_FOR[header.kind]:
        if not counted[kind]:
            yield finding("V-5-scopes", f"there is no {kind} scope", scope_path(kind))
    for kind, count in counted.items():
        if count > 1 and kind in names.SCOPES and kind not in (*_ROUTING, *_STATUS):
            yield finding("V-5-scopes", f"there are {count} {kind} scopes", scope_path(kind))
    for number, scope in enumerate(header.scopes, 1):
        path = f"{TOP}/BusinessScope/Scope[{number}]"
        right = names.XDS_IDENTIFIER if scope.type == names.XDS else names.IDENTIFIER
        if scope.type not in names.SCOPES:
            yield finding("V-5-scopes", "a scope has a Type that ehmiSBDH does not know", path + "/Type")
        elif scope.identifier != right:
            yield finding("V-5-scopes", f"the Identifier of {scope.type} is not {right}", path + "/Identifier")


def _v6(header: Header) -> Iterator[Finding]:
    documentid, processid = header.scope("DOCUMENTID") or "", header.scope("PROCESSID")
    path = scope_path("DOCUMENTID")
    document, _, form = documentid.partition("##")
    standard, version = document.rpartition("::")[2], form.rpartition("::")[2]
    if "::" not in document or "::" not in form:
        yield finding("V-6", "DOCUMENTID has not the form ...::STANDARD##...::VERSION", path)
    else:
        if standard != header.standard:
            yield finding("V-6", "Standard is not the one that DOCUMENTID names", _DOCUMENT + "/Standard")
        if version != header.type_version and header.kind is not Kind.RECEIPT:
            yield finding("V-6", "TypeVersion is not the one that DOCUMENTID names", _DOCUMENT + "/TypeVersion")
    if processid and processid != names.PROCESSID:
        yield finding("V-6", f"PROCESSID is not {names.PROCESSID}", scope_path("PROCESSID"))


def _v7(header: Header) -> Iterator[Finding]:
    if not _UUID.fullmatch(header.instance_identifier):
        yield finding("V-7", "InstanceIdentifier is not a UUID", _DOCUMENT + "/InstanceIdentifier")


def _v8(header: Header) -> Iterator[Finding]:
    created = instant(header.created_at)
    if created is None:
        yield finding("V-8", "CreationDateAndTime has no UTC offset", _DOCUMENT + "/CreationDateAndTime")
    correlation = header.correlation
    if correlation is None or header.reliable_messaging != names.REQUEST:
        return
    path = f"{TOP}/BusinessScope/Scope[Type='{names.RELIABLE}']/CorrelationInformation/"
    if created is None or instant(correlation.created_at) != created:
        where = path + "RequestingDocumentCreationDateTime"
        yield finding("V-8", "RequestingDocumentCreationDateTime is not the CreationDateAndTime", where)
    if correlation.instance_identifier != header.instance_identifier:
        where = path + "RequestingDocumentInstanceIdentifier"
        yield finding("V-8", "RequestingDocumentInstanceIdentifier is not the InstanceIdentifier", where)
    expected = instant(correlation.expected_at or "")
    if created is None or expected is None or expected - created != RECEIPT_WITHIN:
        where = path + "ExpectedResponseDateTime"
        yield finding("V-8", "ExpectedResponseDateTime is not ten minutes after CreationDateAndTime", where)


def _v9(header: Header) -> Iterator[Finding]:
    receipt = header.kind is Kind.RECEIPT
    if (header.standard == names.RECEIPT_STANDARD) != (header.type in RECEIPT_TYPES):
        yield finding("V-9", "of Standard and Type, only one says that this is a receipt", _DOCUMENT + "/Type")
    wanted = names.RESPONSE if receipt else names.REQUEST
    path = scope_path(names.RELIABLE)
    if header.reliable_messaging != wanted:
        yield finding("V-9", f"there is not exactly one {names.RELIABLE} scope with {wanted}", path)
    elif header.correlation is None:
        yield finding("V-9", f"the {names.RELIABLE} scope has no CorrelationInformation", path)
    types = (
        names.XML_TYPES - {names.FHIR_XML, "fhir/xml"} if receipt else names.XML_TYPES | names.JSON_TYPES | {names.EDI}
    )
    if header.mime_type not in types:
        yield finding("V-9", "mimeType is not one of this kind of envelope", CONTENT + "/@mimeType")
    if header.encoding is not None and header.encoding.upper() not in names.ENCODINGS:
        yield finding("V-9", "encoding is neither UTF-8 nor ISO-8859-1", CONTENT + "/@encoding")
    if receipt:
        yield from (
            finding("V-9", f"the receipt has no {kind} scope", scope_path(kind))
            for kind in sorted(names.SCOPES)
            if kind.startswith("ORIGINAL") and not header.scope(kind)
        )


def _v11(header: Header) -> Iterator[Finding]:
    if header.kind is Kind.MESSAGE:
        return
    for kind in ("PATIENTID", names.XDS):
        if any(scope.type == kind for scope in header.scopes):
            yield finding("V-11", f"there is a {kind} scope in what is no message", scope_path(kind))
