"""The demo's message is our own, invented, and built as MedCom's public HomeCareObservations are."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from ehmi_ap.demo import bundle, envelope, fhir
from ehmi_ap.ehmi.message import CPR, Form
from ehmi_ap.ehmi.names import DOCUMENTIDS, PEPPOL, SBDH

NOW = datetime(2026, 11, 23, 13, 30, tzinfo=timezone(timedelta(hours=1)))
NS = {"s": SBDH, "p": PEPPOL, "f": "http://hl7.org/fhir"}


def counting() -> Callable[[], UUID]:
    """UUIDs of version 4 that count."""
    numbers = iter(range(1, 1000))
    return lambda: UUID(int=next(numbers), version=4)


@pytest.fixture
def message() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(fhir.to_json(bundle.home_care_observation(now=NOW, new_uuid=counting())))
    return loaded


def resources(message: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in message["entry"] if entry["resource"]["resourceType"] == kind]


def public_samples(shared_data: Path) -> list[dict[str, Any]]:
    samples = [json.loads(path.read_bytes()) for path in sorted((shared_data / "ehmi" / "fhir").glob("hco-*.json"))]
    assert samples
    return samples


def pairs(value: Any, key: str) -> Iterator[str]:
    """Every string that stands under `key` anywhere in the resource."""
    if isinstance(value, Mapping):
        if isinstance(value.get(key), str):
            yield value[key]
        for item in value.values():
            yield from pairs(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from pairs(item, key)


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The element paths of a resource, without indexes and without values."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield f"{prefix}.{key}"
            yield from paths(item, f"{prefix}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, prefix)


def test_every_reference_resolves_within_the_bundle(message: dict[str, Any]) -> None:
    """A message carries everything it speaks of (type.aggregation = bundled)."""
    there = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in message["entry"]}
    assert set(pairs(message, "reference")) <= there
    assert all(entry["fullUrl"].endswith(f"/{entry['resource']['id']}") for entry in message["entry"])


def test_ids_are_random_uuids_and_unique(message: dict[str, Any]) -> None:
    ids = [message["id"], *(entry["resource"]["id"] for entry in message["entry"])]
    assert len(set(ids)) == len(ids)
    assert {UUID(key).version for key in ids} == {4}


def test_ids_that_nobody_can_have(message: dict[str, Any]) -> None:
    """CPR with a day above 60, GLNs of GS1's example prefix with a right check digit."""
    assert 61 <= int(bundle.PATIENT_CPR[:2]) <= 91
    for organization in (bundle.SENDER, bundle.RECEIVER):
        digits = [int(digit) for digit in organization.gln]
        assert organization.gln.startswith("952")
        assert sum(d * (3 if i % 2 else 1) for i, d in enumerate(digits)) % 10 == 0
    patient = resources(message, "Patient")[0]
    assert patient["identifier"] == [{"system": CPR, "value": bundle.PATIENT_CPR}]


def test_the_report_has_one_organization_and_one_role_as_performers(message: dict[str, Any]) -> None:
    """Profile medcom-homecareobservation-diagnosticreport: performer 2..2, one of each."""
    report = resources(message, "DiagnosticReport")[0]
    kinds = sorted(item["reference"].split("/")[0] for item in report["performer"])
    assert kinds == ["Organization", "PractitionerRole"]
    assert len(report["result"]) == len(resources(message, "Observation")) == len(bundle.MEASUREMENTS)


def test_the_structure_is_that_of_the_public_samples(message: dict[str, Any], shared_data: Path) -> None:
    """Same resource types, and no element in them that no public sample has, nor one missing that all have."""
    samples = public_samples(shared_data)
    for kind in {entry["resource"]["resourceType"] for entry in message["entry"]}:
        theirs = [set(paths(resource)) for sample in samples for resource in resources(sample, kind)]
        for resource in resources(message, kind):
            ours = set(paths(resource))
            assert set.intersection(*theirs) <= ours, kind
            assert ours <= set.union(*theirs) | {".name.given"}, kind
    always = set.intersection(*({e["resource"]["resourceType"] for e in sample["entry"]} for sample in samples))
    assert {entry["resource"]["resourceType"] for entry in message["entry"]} == always


@pytest.mark.parametrize("key", ["system", "url"])
def test_code_systems_and_extensions_are_those_of_the_public_samples(
    message: dict[str, Any], shared_data: Path, key: str
) -> None:
    theirs = {text for sample in public_samples(shared_data) for text in pairs(sample, key)}
    assert set(pairs(message, key)) <= theirs


def test_profiles_and_codes_are_those_of_the_public_samples(message: dict[str, Any], shared_data: Path) -> None:
    samples = public_samples(shared_data)

    def profiles(value: Mapping[str, Any]) -> set[str]:
        return {value["meta"]["profile"][0], *(e["resource"]["meta"]["profile"][0] for e in value["entry"])}

    assert profiles(message) <= set.union(*(profiles(sample) for sample in samples))
    assert set(pairs(message, "code")) <= {code for sample in samples for code in pairs(sample, "code")}
    ours, theirs = bundle.DEFINITION, {text for sample in samples for text in pairs(sample, "definition")}
    assert ours.rpartition("|")[0] in {text.rpartition("|")[0] for text in theirs}


def test_nobody_of_the_public_samples_is_in_it(message: dict[str, Any], shared_data: Path) -> None:
    """Our own making: no id, name or text of theirs."""
    samples = public_samples(shared_data)
    for key in ("family", "value", "conclusion", "id"):
        theirs = {text for sample in samples for text in pairs(sample, key)}
        assert not set(pairs(message, key)) & theirs


def test_xml_and_json_say_the_same(message: dict[str, Any]) -> None:
    root = etree.fromstring(fhir.to_xml(bundle.home_care_observation(now=NOW, new_uuid=counting())))
    assert root.findtext("f:entry/f:resource/*/f:text/{*}div/{*}p", namespaces=NS)
    kinds = [element.tag.rpartition("}")[2] for element in root.iterfind("f:entry/f:resource/*", NS)]
    assert kinds == [entry["resource"]["resourceType"] for entry in message["entry"]]
    references = [element.get("value") for element in root.iter("{*}reference")]
    assert sorted(map(str, references)) == sorted(pairs(message, "reference"))
    conclusion = root.find(".//f:conclusion", NS)
    assert conclusion is not None
    assert conclusion.get("value") == resources(message, "DiagnosticReport")[0]["conclusion"]
    extension = root.find(".//f:destination/f:extension", NS)
    assert extension is not None
    assert extension.get("url") == bundle.MESSAGING + "medcom-messaging-destinationUseExtension"


@pytest.mark.parametrize("form", ["xml", "json"])
def test_the_envelope_carries_the_message_and_says_what_it_is(form: Form) -> None:
    """ehmi 2.2 to 2.6: addresses, identification and every scope of a FHIR message, taken from the payload."""
    document = envelope.standard_business_document(now=NOW, new_uuid=counting(), form=form)
    root = etree.fromstring(document)
    content = root.find("p:BinaryContent", NS)
    assert content is not None
    assert content.get("mimeType") == f"application/fhir+{form}"
    payload = b64decode(str(content.text))
    message = bundle.home_care_observation(now=NOW, new_uuid=counting())
    assert payload == (fhir.to_xml(message) if form == "xml" else fhir.to_json(message))
    header = json.loads(fhir.to_json(message))["entry"][0]["resource"]
    scopes = {
        str(scope.findtext("s:Type", namespaces=NS)): scope.findtext("s:InstanceIdentifier", namespaces=NS)
        for scope in root.iterfind(".//s:Scope", NS)
    }
    assert scopes == {
        "DOCUMENTID": DOCUMENTIDS[1],
        "PROCESSID": "urn:ehmi:sdn-emergence",
        "PATIENTID": bundle.PATIENT_CPR,
        "SENDERID": bundle.SENDER.sor,
        "RECEIVERID": bundle.RECEIVER.sor,
        "MESSAGEIDENTIFIER": header["id"],
        "MESSAGEENVELOPEIDENTIFIER": message["id"],
        "StatisticalInformation": "MCM:homecareobservation-message",
        "EHMI-ReceiptAcknowledgement": "Request",
    }
    assert {
        text for scope in root.iterfind(".//s:Scope", NS) for text in [scope.findtext("s:Identifier", namespaces=NS)]
    } == {"dk-medcom-messaging"}
    assert scopes["DOCUMENTID"].endswith("::" + bundle.DEFINITION.rpartition("|")[2])
    assert root.findtext(".//s:TypeVersion", namespaces=NS) == bundle.DEFINITION.rpartition("|")[2]


def test_the_receipt_is_expected_ten_minutes_after_the_envelope_was_made() -> None:
    """ehmi 2.6: the correlation repeats the envelope's date and id."""
    root = etree.fromstring(envelope.standard_business_document(now=NOW, new_uuid=counting()))

    def text(name: str) -> str:
        return str(root.findtext(f".//s:{name}", namespaces=NS))

    assert text("CreationDateAndTime") == text("RequestingDocumentCreationDateTime") == "2026-11-23T13:30:00+01:00"
    assert text("DocumentIdentification/s:InstanceIdentifier") == text("RequestingDocumentInstanceIdentifier")
    expected = datetime.fromisoformat(text("ExpectedResponseDateTime"))
    assert expected - NOW == timedelta(minutes=10)


def shape(element: etree._Element) -> Iterator[tuple[str, tuple[str, ...]]]:
    for child in element.iter("*"):
        yield child.tag, tuple(sorted(str(name) for name in child.attrib))


def test_the_envelopes_elements_are_those_of_the_golden_request(shared_data: Path) -> None:
    """Same elements with the same attributes in the same order as the envelope made from the 2.0.1 rules."""
    golden = etree.parse(shared_data / "ehmi" / "sbdh" / "valid" / "golden-request-peppolns.xml").getroot()
    ours = etree.fromstring(envelope.standard_business_document(now=NOW, new_uuid=counting()))
    assert list(shape(ours)) == list(shape(golden))


def test_a_naive_number_is_no_fhir_value() -> None:
    with pytest.raises(TypeError, match="no FHIR value"):
        fhir.to_json({"resourceType": "Basic", "created": datetime(2026, 1, 1, tzinfo=UTC)})
