"""The rules that a header shows: each broken alone gives its finding, at the place where it is broken (ehmi.md 2.7)."""

from pathlib import Path

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.ehmi import checks
from ehmi_ap.ehmi.envelope import read
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.rules import RULES, level_at_msh
from ehmi_ap.profile import Finding

GOLDEN = Path(__file__).parent / "golden"
REQUEST = (GOLDEN / "golden-request-peppolns.xml").read_text()
RECEIPT = (GOLDEN / "golden-receipt-peppolns.xml").read_text()
CPR = "2509479989"


def header(text: str) -> Header:
    found = read(MemoryBody(text.encode())).header
    assert found is not None
    return found


def findings(text: str) -> list[Finding]:
    return list(checks.check_header(header(text)))


def scope(kind: str, value: str, identifier: str = "dk-medcom-messaging") -> str:
    return (
        f"<Scope><Type>{kind}</Type><InstanceIdentifier>{value}</InstanceIdentifier>"
        f"<Identifier>{identifier}</Identifier></Scope>"
    )


def with_scope(text: str, kind: str, value: str, identifier: str = "dk-medcom-messaging") -> str:
    return text.replace("<BusinessScope>", "<BusinessScope>" + scope(kind, value, identifier))


def without(text: str, kind: str) -> str:
    head, _, rest = text.partition(f"<Scope><Type>{kind}</Type>")
    assert rest, kind
    return head + rest.partition("</Scope>")[2]


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize("name", ["request-peppolns", "request-sbdhns", "receipt-peppolns", "exception-peppolns"])
def test_what_was_made_from_the_rules_keeps_them(name: str) -> None:
    assert findings((GOLDEN / f"golden-{name}.xml").read_text()) == []


HCO = "structuredefinition::homecareobservation-message##"
BROKEN = [
    ("V-3", changed(REQUEST, "0088:5790000123117", "0088:5790000123118"), "/Sender/Identifier"),
    ("V-3", changed(REQUEST, "<HeaderVersion>1.0", "<HeaderVersion>2.0"), "/HeaderVersion"),
    ("V-5", without(REQUEST, "PROCESSID"), "Scope[Type='PROCESSID']"),
    ("V-5-status", without(REQUEST, "SENDERID"), "Scope[Type='SENDERID']"),
    ("V-5-status", with_scope(REQUEST, "SENDERID", "1"), "Scope[Type='SENDERID']"),
    ("V-5-scopes", without(REQUEST, "MESSAGEENVELOPEIDENTIFIER"), "Scope[Type='MESSAGEENVELOPEIDENTIFIER']"),
    ("V-5-scopes", with_scope(REQUEST, "PATIENTID", CPR), "Scope[Type='PATIENTID']"),
    ("V-5-scopes", with_scope(REQUEST, "XDS_METADATA", "{}"), "Scope[1]/Type"),
    ("V-5-scopes", with_scope(REQUEST, "XDS-METADATA", "{}"), "Scope[1]/Identifier"),
    ("V-6", changed(REQUEST, "<TypeVersion>1.2", "<TypeVersion>1.1"), "/TypeVersion"),
    ("V-6", changed(REQUEST, HCO, "structuredefinition::carecommunication-message##"), "/Standard"),
    ("V-6", changed(REQUEST, "::homecareobservation-message##", ":homecareobservation-message#"), "'DOCUMENTID'"),
    ("V-6", changed(REQUEST, "urn:ehmi:sdn-emergence", "sdn-emergence"), "'PROCESSID'"),
    ("V-7", changed(REQUEST, "11111111-1111-4111-8111-111111111111", "1"), "/InstanceIdentifier"),
    ("V-8", changed(REQUEST, "DateTime>2026-09-01T10:00:00", "DateTime>2026-09-01T10:00:01"), "CreationDateTime"),
    ("V-8", changed(REQUEST, "DateTime>2026-09-01T10:10:00", "DateTime>2026-09-01T10:11:00"), "ExpectedResponse"),
    ("V-8", changed(REQUEST, "Time>2026-09-01T10:10:00+02:00", "Time>2026-09-01T10:10:00"), "ExpectedResponse"),
    (
        "V-8",
        changed(REQUEST, "<RequestingDocumentInstanceIdentifier>1", "<RequestingDocumentInstanceIdentifier>2"),
        "RequestingDocumentInstanceIdentifier",
    ),
    ("V-8", changed(RECEIPT, "2026-09-01T10:00:05+02:00</Cre", "2026-09-01T10:00:05</Cre"), "CreationDateAndTime"),
    ("V-9", changed(REQUEST, "<Type>Bundle", "<Type>ReceiptAcknowledgement"), "DocumentIdentification/Type"),
    ("V-9", changed(REQUEST, ">Request<", ">Response<"), "'EHMI-ReceiptAcknowledgement'"),
    ("V-9", changed(RECEIPT, ">Response<", ">Request<"), "'EHMI-ReceiptAcknowledgement'"),
    ("V-9", without(REQUEST, "EHMI-ReceiptAcknowledgement"), "'EHMI-ReceiptAcknowledgement'"),
    ("V-9", changed(REQUEST, 'mimeType="application/fhir+xml"', 'mimeType="application/pdf"'), "@mimeType"),
    ("V-9", changed(RECEIPT, 'mimeType="application/xml"', 'mimeType="application/fhir+xml"'), "@mimeType"),
    ("V-9", changed(REQUEST, 'encoding="UTF-8">', 'encoding="UTF-16">'), "@encoding"),
    ("V-9", without(RECEIPT, "ORIGINALENVELOPEIDENTIFIER"), "'ORIGINALENVELOPEIDENTIFIER'"),
    ("V-11", with_scope(RECEIPT, "PATIENTID", CPR), "'PATIENTID'"),
    ("V-11", with_scope(RECEIPT, "XDS-METADATA", "{}", "dk-medcom-DocumentReference"), "'XDS-METADATA'"),
]


@pytest.mark.parametrize(("rule", "text", "path"), BROKEN, ids=[f"{rule} {path}" for rule, _, path in BROKEN])
def test_a_broken_rule_is_found_where_it_is_broken(rule: str, text: str, path: str) -> None:
    found = [each for each in findings(text) if each.rule == rule]
    assert path in found[0].path
    assert found[0].fix
    assert CPR not in repr(findings(text))


def test_every_rule_of_a_header_is_broken_above() -> None:
    elsewhere = {"V-1", "V-2", "V-4", "V-4-action"}
    assert {rule for rule, _, _ in BROKEN} == {rule.id for rule in RULES if rule.ap} - elsewhere


@pytest.mark.parametrize(
    "text",
    [
        changed(REQUEST, "application/fhir+xml", "text/xml"),
        changed(REQUEST, "application/fhir+xml", "fhir/json"),
        changed(REQUEST, "application/fhir+xml", "text/edi"),
        changed(RECEIPT, "application/xml", "text/xml"),
        changed(RECEIPT, 'encoding="UTF-8">', 'encoding="ISO-8859-1">'),
        changed(RECEIPT, "<Type>ReceiptAcknowledgement", "<Type>SBDHReceiptAcknowledgement"),
        changed(RECEIPT, "<Type>EHMI-Receipt", "<Type>EHMI-SBDH-Receipt"),
        with_scope(RECEIPT, "MESSAGEENVELOPEIDENTIFIER", "33333333-3333-4333-8333-333333333333"),
        with_scope(REQUEST, "XDS-METADATA", "{}", "dk-medcom-DocumentReference"),
        changed(REQUEST, "CreationDateAndTime>2026-09-01T10:00:00+02:00", "CreationDateAndTime>2026-09-01T08:00:00Z"),
    ],
    ids=[
        "O-5 xml",
        "O-5 json",
        "O-5 edi",
        "O-5 receipt",
        "ISO-8859-1",
        "O-12",
        "O-37",
        "O-36",
        "secondary copy",
        "another zone",
    ],
)
def test_what_is_to_be_accepted(text: str) -> None:
    assert findings(text) == []


def test_a_receipt_s_version_is_that_of_the_signal() -> None:
    """V-6 compares TypeVersion with DOCUMENTID, except of receipts: there it is ebbp-signals-2.0."""
    assert "<TypeVersion>ebbp-signals-2.0" in RECEIPT
    assert [each for each in findings(RECEIPT) if each.rule == "V-6"] == []


@pytest.mark.parametrize("text", ["24:00", "2026-09-01T24:61:00Z", "99999-01-01T00:00:00Z", "2026-09-01T10:00:00", ""])
def test_what_is_no_instant(text: str) -> None:
    assert checks.instant(text) is None


def test_levels() -> None:
    """Ids are unique; what an access point cannot judge has no level there, what an MSH cannot is off there."""
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert [rule.id for rule in RULES if rule.ap is None] == ["V-9-signal", "V-10", "V-10-type", "V-10-missing"]
    assert [rule.id for rule in RULES if level_at_msh(rule.id) == "off"] == ["V-4", "V-4-action"]
