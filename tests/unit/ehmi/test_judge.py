"""The judge of a message service handler: every rule broken alone, and the public envelopes (ehmi.md 2.7, 9.1)."""

from base64 import b64decode, b64encode
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest
from test_checks import BROKEN, RECEIPT, REQUEST, changed, with_scope, without

from ehmi_ap.body import MemoryBody
from ehmi_ap.demo import bundle, fhir
from ehmi_ap.ehmi.judge import Judgement, judge
from ehmi_ap.ehmi.rules import RULES, level_at_msh
from ehmi_ap.ehmi.wrap import wrap

NOW = datetime.fromisoformat("2026-09-01T10:00:00+02:00")
CPR = bundle.PATIENT_CPR
MESSAGE = fhir.to_json(bundle.home_care_observation(now=NOW, new_uuid=uuid4)).decode()
WRAPPED = wrap(MESSAGE.encode(), now=NOW, new_uuid=uuid4).decode()


def judged(text: str) -> Judgement:
    return judge(MemoryBody(text.encode()))


def split(text: str) -> tuple[str, str, str]:
    """Head, content and tail of an envelope."""
    start = text.index(">", text.index("<BinaryContent")) + 1
    stop = text.index("<", start)
    return text[:start], text[start:stop], text[stop:]


def with_content(text: str, old: str, new: str) -> str:
    """The envelope with a change in its document."""
    head, content, tail = split(text)
    return head + b64encode(changed(b64decode(content).decode(), old, new).encode()).decode() + tail


def with_raw_content(text: str, content: str) -> str:
    head, _, tail = split(text)
    return head + content + tail


EXCEPTION = (Path(__file__).parent / "golden" / "golden-exception-peppolns.xml").read_text()
CONTENT = "/StandardBusinessDocument/BinaryContent"
OPENED = [
    ("V-9-signal", "reject", with_content(RECEIPT, "<bpssignal:FromPartyInfo", "<bpssignal:Wrong"), CONTENT),
    ("V-9-signal", "reject", with_content(EXCEPTION, ">Syntax<", "> Wrong <"), CONTENT),
    ("V-9-signal", "reject", changed(EXCEPTION, "<Type>ReceiptException", "<Type>ReceiptAcknowledgement"), CONTENT),
    ("V-9-signal", "reject", with_content(RECEIPT, "Identifier>11111111", "Identifier>21111111"), CONTENT),
    ("V-10", "reject", with_raw_content(RECEIPT, "%%%"), CONTENT),
    ("V-10", "reject", with_raw_content(WRAPPED, ""), CONTENT),
    ("V-10", "reject", with_raw_content(WRAPPED, b64encode(b"<Emessage/>").decode()), CONTENT),
    ("V-10", "reject", with_raw_content(WRAPPED, b64encode(MESSAGE[:-20].encode()).decode()), CONTENT),
    ("V-10", "reject", changed(WRAPPED, f">{CPR}<", ">7403489987<"), "Scope[Type='PATIENTID']"),
    ("V-10", "reject", changed(WRAPPED, "0088:9520000001018", "0088:5790000123117"), "/Sender/Identifier"),
    ("V-10", "reject", changed(WRAPPED, "0088:9520000001025", "0088:5790000120048"), "/Receiver/Identifier"),
    ("V-10", "reject", changed(WRAPPED, f">{bundle.SENDER.sor}<", ">1<"), "Scope[Type='SENDERID']"),
    ("V-10", "reject", changed(WRAPPED, f">{bundle.RECEIVER.sor}<", ">1<"), "Scope[Type='RECEIVERID']"),
    ("V-10", "reject", with_content(WRAPPED, '"code": "homecareobservation-m', '"code": "m'), "/Standard"),
    ("V-10-type", "warn", changed(WRAPPED, "application/fhir+json", "application/fhir+xml"), "@mimeType"),
    ("V-10-missing", "warn", with_content(WRAPPED, '"resourceType": "MessageHeader"', '"resourceType": "X"'), CONTENT),
    ("V-10-missing", "warn", with_content(WRAPPED, '"https://www.gs1.org/gln"', '"x"'), CONTENT),
    ("V-10-missing", "warn", with_content(WRAPPED, '"urn:oid:1.2.208.176.1.2"', '"x"'), CONTENT),
    ("V-5-scopes", "warn", without(REQUEST, "PATIENTID"), "Scope[Type='PATIENTID']"),
    ("V-6", "warn", with_content(WRAPPED, "Definition|1.2", "Definition|1.1"), "/TypeVersion"),
    ("V-1", "reject", WRAPPED[:-10], ""),
    ("V-2", "reject", changed(WRAPPED, "<MultipleType>false", "<MultipleType>true"), "/MultipleType"),
]


def test_a_right_envelope() -> None:
    judgement = judged(WRAPPED)
    assert judgement.to_json() == {"verdict": "ok", "kind": "message", "findings": []}


@pytest.mark.parametrize(
    ("rule", "level", "text", "path"), OPENED, ids=[f"{r} {n}" for n, (r, *_) in enumerate(OPENED)]
)
def test_a_broken_rule_is_found(rule: str, level: str, text: str, path: str) -> None:
    judgement = judged(text)
    found = [each for each in judgement.findings if each.rule == rule]
    assert [each.level for each in found] == [level] * len(found)
    assert any(each.path.endswith(path) or path in each.path for each in found)
    assert all(each.what and each.fix for each in found)
    assert CPR not in str(judgement.to_json())
    assert MESSAGE[:40] not in str(judgement.to_json())


@pytest.mark.parametrize(("rule", "text", "path"), BROKEN, ids=[f"{rule} {path}" for rule, _, path in BROKEN])
def test_rules_of_the_header_are_its_rules_too(rule: str, text: str, path: str) -> None:
    found = [each for each in judged(text).findings if each.rule == rule]
    assert path in found[0].path
    assert found[0].level == level_at_msh(rule)


def test_every_rule_is_tried() -> None:
    tried = {rule for rule, *_ in OPENED} | {rule for rule, *_ in BROKEN}
    assert {rule.id for rule in RULES if rule.msh} == tried


IG = {
    "valid/golden-request-peppolns.xml": ("message", "warn", {"V-10-missing"}),  # its Bundle is empty
    "valid/golden-request-sbdhns.xml": ("message", "warn", {"V-10-missing"}),
    "valid/golden-receipt-peppolns.xml": ("envelope-receipt", "ok", set()),
    "valid/golden-exception-peppolns.xml": ("envelope-receipt", "ok", set()),
    # Its ids, partners and patient are not those of its Bundle; its correlation is a placeholder.
    "valid/ig-fullsample-hco.xml": ("message", "reject", {"V-8", "V-10"}),
    "valid/ig-fullsample-ack.xml": ("acknowledgement", "reject", {"V-8", "V-10"}),  # no FHIR in it
    # The old DOCUMENTID and PROCESSID; its GLNs are not those of its Bundle.
    "valid/ig-embedded-hco-json.xml": ("message", "reject", {"V-6", "V-10"}),
    "valid/ig-envelope-receipt.xml": ("envelope-receipt", "warn", {"V-6"}),  # old DOCUMENTID and PROCESSID
    "negative/signal-not-well-formed.xml": ("envelope-receipt", "reject", {"V-9", "V-9-signal"}),
    "signals/positive.xml": (None, "reject", {"V-1"}),  # a signal without an envelope
    "signals/negative.xml": (None, "reject", {"V-1"}),
}


def test_public_envelopes(shared_data: Path) -> None:
    """ehmi.md 9.1, file by file; nothing that an access point refuses is in what it calls valid."""
    folder = shared_data / "ehmi" / "sbdh"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.xml")} == set(IG)
    for name, (kind, verdict, rules) in IG.items():
        judgement = judge(MemoryBody((folder / name).read_bytes()))
        assert (judgement.kind, judgement.verdict) == (kind, verdict), name
        assert {each.rule for each in judgement.findings} == rules, name
        assert judgement.readable == (kind is not None), name


def test_a_receipt_in_the_other_encoding() -> None:
    """ehmi.md 2.3: ISO-8859-1 is an encoding of the schema, and one public receipt has it."""
    head, content, tail = split(EXCEPTION)
    signal = changed(b64decode(content).decode(), "FHIR schema", "Søgning")
    latin = head.replace(
        'mimeType="application/xml" encoding="UTF-8"', 'mimeType="application/xml" encoding="ISO-8859-1"'
    )
    text = latin + b64encode(signal.encode("latin-1")).decode() + tail
    assert latin != head
    assert judged(text).findings == ()


def test_a_secondary_copy_has_another_receiver() -> None:
    """Design decision 50; without the metadata it would be a contradiction."""
    other = changed(WRAPPED, "0088:9520000001025", "0088:5790002515798")
    with_metadata = with_scope(other, "XDS-METADATA", "{}", "dk-medcom-DocumentReference")
    assert judged(other).verdict == "reject"
    assert judged(with_metadata).verdict == "ok"


@pytest.mark.parametrize(
    "text",
    [f"{CPR}", f"<a{CPR}/>", f"<!DOCTYPE a{CPR}>", changed(WRAPPED, "<HeaderVersion>", f"<x{CPR}/><HeaderVersion>")],
)
def test_no_finding_shows_a_number_of_a_patient(text: str) -> None:
    judgement = judged(text)
    assert judgement.verdict == "reject"
    assert CPR not in repr(judgement)
