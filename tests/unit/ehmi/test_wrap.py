"""Wrapping and unwrapping: the document comes out byte for byte, and the header says of it what the message says."""

import itertools
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import ehmi_ap
from ehmi_ap.body import MemoryBody
from ehmi_ap.demo import bundle, fhir
from ehmi_ap.ehmi.judge import judge
from ehmi_ap.ehmi.message import read_message
from ehmi_ap.ehmi.names import PEPPOL
from ehmi_ap.ehmi.receipts import correlates
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.ehmi.wrap import wrap
from ehmi_ap.envelope import Kind
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import Organisation

NOW = datetime(2026, 11, 23, 13, 30, tzinfo=timezone(timedelta(hours=1)))
CPR = bundle.PATIENT_CPR
Resource = dict[str, Any]


def counting() -> Callable[[], UUID]:
    numbers = itertools.count(1)
    return lambda: UUID(int=next(numbers), version=4)


def message() -> Resource:
    made: Resource = json.loads(fhir.to_json(bundle.home_care_observation(now=NOW, new_uuid=counting())))
    return made


def resource(made: Resource, kind: str, number: int = 0) -> Resource:
    found: Resource = [e["resource"] for e in made["entry"] if e["resource"]["resourceType"] == kind][number]
    return found


def wrapped(content: bytes | Resource, **options: Any) -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return wrap(data, now=NOW, new_uuid=counting(), **options)


def shared_bundles(shared_data: Path) -> list[Path]:
    found = sorted((shared_data / "ehmi" / "fhir").glob("*.json"))
    assert len(found) == 13
    return found


def test_every_public_bundle_comes_out_as_it_went_in(shared_data: Path) -> None:
    for path in shared_bundles(shared_data):
        content = path.read_bytes()
        # The one empty message names no definition, so its version has to be given.
        version = None if read_message(content).standard != "empty-message" else "1.0"
        envelope = wrapped(content, version=version)
        assert unwrap(envelope).content == content, path.name
        judgement = judge(MemoryBody(envelope))
        assert judgement.findings == (), path.name
        assert judgement.kind is (
            Kind.ACKNOWLEDGEMENT if path.name.startswith("ack-Bundle-") and not version else Kind.MESSAGE
        )


@pytest.mark.parametrize("write", [fhir.to_xml, fhir.to_json])
@pytest.mark.parametrize("namespace", ["peppol", "sbdh"])
def test_xml_and_json_in_either_namespace(write: Callable[[fhir.Element], bytes], namespace: str) -> None:
    content = write(bundle.home_care_observation(now=NOW, new_uuid=counting()))
    envelope = wrapped(content, namespace=namespace)
    assert (PEPPOL in envelope.decode()) == (namespace == "peppol")
    assert unwrap(envelope).content == content
    assert judge(MemoryBody(envelope)).findings == ()


def test_the_header_of_a_message() -> None:
    """ehmi.md 2.2, 2.4, column M"""
    header = unwrap(wrapped(message())).header
    assert (header.sender.value, header.receiver.value) == ("0088:9520000001018", "0088:9520000001025")
    assert (header.standard, header.type_version, header.type) == ("homecareobservation-message", "1.2", "Bundle")
    assert header.created_at == "2026-11-23T13:30:00+01:00"
    assert header.mime_type == "application/fhir+json"
    assert {scope.type: scope.value for scope in header.scopes} == {
        "DOCUMENTID": "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
        "##urn:dk:medcom:fhir:homecareobservation-message::1.2",
        "PROCESSID": "urn:ehmi:sdn-emergence",
        "PATIENTID": CPR,
        "SENDERID": bundle.SENDER.sor,
        "RECEIVERID": bundle.RECEIVER.sor,
        "MESSAGEIDENTIFIER": resource(message(), "MessageHeader")["id"],
        "MESSAGEENVELOPEIDENTIFIER": message()["id"],
        "StatisticalInformation": "MCM:homecareobservation-message",
        "EHMI-ReceiptAcknowledgement": "Request",
    }
    assert header.correlation is not None
    assert header.correlation.instance_identifier == header.instance_identifier
    assert header.correlation.expected_at == "2026-11-23T13:40:00+01:00"


def test_the_header_of_an_acknowledgement(shared_data: Path) -> None:
    """ehmi.md 2.4, column A: no patient; what it is for as far as it says that, else the literal `unknown`."""
    content = shared_bundles(shared_data)[0].read_bytes()
    header = unwrap(wrapped(content, acknowledges="33333333-3333-4333-8333-333333333333")).header
    assert header.kind is Kind.ACKNOWLEDGEMENT
    assert header.type_version == "2.0"
    assert header.scope("PATIENTID") is None
    assert header.scope("ORIGINALMESSAGEIDENTIFIER") == "42cb9200-f421-4d08-8391-7d51a2503cb4"
    assert header.scope("ORIGINALMESSAGEENVELOPEIDENTIFIER") == "33333333-3333-4333-8333-333333333333"
    assert (header.scope("ORIGINALMESSAGESTANDARD"), header.scope("ORIGINALMESSAGEVERSION")) == ("unknown", "unknown")
    assert header.reliable_messaging == "Request"  # O-13


@pytest.mark.parametrize(
    "metadata",
    ['{"resourceType": "DocumentReference", "x": "a ]]> b"}', '<DocumentReference xmlns="http://hl7.org/fhir"/>'],
)
def test_a_secondary_copy(metadata: str) -> None:
    """Design decision 50: its receiver is the repository, in GLN and SOR code; metadata in CDATA (O-16, O-17)."""
    repository = Organisation(sor="1134991000016003", gln="5790002515798")
    envelope = wrapped(message(), xds_metadata=metadata, receiver=repository)
    header = unwrap(envelope).header
    assert header.receiver.value == "0088:5790002515798"
    assert header.scope("RECEIVERID") == "1134991000016003"
    assert header.scope("XDS-METADATA") == metadata
    assert b"<![CDATA[" in envelope
    assert judge(MemoryBody(envelope)).findings == ()


def test_statistics_and_version_may_be_given() -> None:
    header = unwrap(wrapped(message(), statistics="MCM:homecareobservation-message#x", version="1.1")).header
    assert header.scope("StatisticalInformation") == "MCM:homecareobservation-message#x"
    assert header.type_version == "1.1"
    assert str(header.scope("DOCUMENTID")).endswith("::1.1")


def test_an_ecpr_where_there_is_no_cpr() -> None:
    made = message()
    resource(made, "Patient")["identifier"] = [{"system": "urn:oid:1.2.208.176.1.6.1.1", "value": "0703921VJ5"}]
    assert unwrap(wrapped(made)).header.scope("PATIENTID") == "0703921VJ5"


def test_a_message_about_nobody() -> None:
    made = message()
    made["entry"] = [e for e in made["entry"] if e["resource"]["resourceType"] != "Patient"]
    envelope = wrapped(made)
    assert unwrap(envelope).header.scope("PATIENTID") is None
    assert judge(MemoryBody(envelope)).findings == ()


def no_header(made: Resource) -> None:
    made["entry"] = made["entry"][1:]


def two_patients(made: Resource) -> None:
    other = json.loads(json.dumps(resource(made, "Patient")))
    other["identifier"][0]["value"] = "7403489987"
    made["entry"].append({"resource": other})


def two_receivers(made: Resource) -> None:
    made["entry"] += [e for e in made["entry"] if e["resource"]["id"] == resource(made, "Organization")["id"]]


def changed(*path: Any, to: object) -> Callable[[Resource], None]:
    """Change one value of a resource of the message: its type and number, then the keys below."""

    def change(made: Resource) -> None:
        kind, number, *keys, last = path
        target: Any = resource(made, kind, number)
        for key in keys:
            target = target[key]
        target[last] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (no_header, "no MessageHeader.eventCoding.code"),
        (two_patients, "several patients"),
        (two_receivers, "no SOR code of the receiver"),
        (changed("MessageHeader", 0, "definition", to="http://x/Definition"), "no version"),
        (changed("MessageHeader", 0, "definition", to=f"http://x|{CPR} {CPR}"), "has not the form"),
        (changed("MessageHeader", 0, "id", to=f"{CPR}/{CPR}"), "MessageHeader.id has not the form"),
        (changed("MessageHeader", 0, "eventCoding", "code", to=f"<{CPR}>"), "has not the form"),
        (changed("MessageHeader", 0, "sender", "reference", to=f"Organization/{CPR}"), "no SOR code of the sender"),
        (changed("Organization", 0, "identifier", 0, "value", to="9520000001026"), "no right one"),
        (changed("Organization", 0, "identifier", 0, "value", to=f"{CPR}123"), "no right one"),
        (changed("Organization", 0, "identifier", 1, "value", to=f"x{CPR}"), "SOR code of the receiver has not the form"),
        (changed("Patient", 0, "identifier", 0, "value", to=f"{CPR}00"), "CPR number of the patient has not the form"),
        (changed("MessageHeader", 0, "eventCoding", "code", to="acknowledgement-message"), "no MessageHeader.response"),
    ],
)  # fmt: skip
def test_a_message_that_does_not_say_what_its_envelope_has_to(change: Callable[[Resource], None], said: str) -> None:
    made = message()
    change(made)
    with pytest.raises(SubmissionError, match=said) as refused:
        wrapped(made)
    assert CPR not in str(refused.value) + refused.value.fix


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "neither XML nor JSON"),
        (b"MZ" + CPR.encode(), "neither XML nor JSON"),
        (b'{"resourceType": "Bundle", "' + CPR.encode(), "not JSON at line 1"),
        (b'{"id": "' + CPR.encode() + b'", "id": "2"}', "two members of one name"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": ' + b"[" * 200_000, "too many levels"),
        (b'{"resourceType": "Patient"}', "no FHIR Bundle"),
        (b"<Bundle/>", "no FHIR Bundle"),
        (b"<" + CPR.encode() + b">", "not well-formed"),
        (b'<!DOCTYPE Bundle><Bundle xmlns="http://hl7.org/fhir"/>', "document type"),
    ],
)  # fmt: skip
def test_what_is_no_message(content: bytes, said: str) -> None:
    with pytest.raises(SubmissionError, match=said) as refused:
        wrapped(content)
    assert CPR not in str(refused.value)


@pytest.mark.parametrize(
    "metadata", ["", CPR, f"{CPR}\x00", f"{CPR}\ud800", '{"resourceType": "Patient"}', f'{{"{CPR}']
)
def test_metadata_that_are_no_document_reference(metadata: str) -> None:
    with pytest.raises(SubmissionError) as refused:
        wrapped(message(), xds_metadata=metadata)
    assert CPR not in str(refused.value)


@pytest.mark.parametrize("statistics", ["MCM:x y", "MCM:\x00", "MCM:\ud800"])
def test_statistics_that_no_envelope_holds(statistics: str) -> None:
    with pytest.raises(SubmissionError, match="StatisticalInformation has not the form"):
        wrapped(message(), statistics=statistics)


def test_the_time_is_the_callers() -> None:
    envelope = wrap(json.dumps(message()).encode(), now=datetime(2026, 1, 1, tzinfo=UTC), new_uuid=counting())
    assert unwrap(envelope).header.created_at == "2026-01-01T00:00:00+00:00"


def test_the_programs_of_the_how_to_work() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "wrap.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"message": json.dumps(message()).encode()}
    exec(first + second, names)
    assert names["verdict"] == "ok"
    assert correlates(unwrap(names["answer"]).header, unwrap(names["envelope"]).header)
    for name in re.findall(r"(?m)^\| `(\w+)\(", page):
        assert name in ehmi_ap.__all__


def test_every_public_name_is_there() -> None:
    assert [name for name in ehmi_ap.__all__ if not hasattr(ehmi_ap, name)] == []
