"""What a FHIR message says of itself, in XML and in JSON; what it says twice, or not at all, is empty."""

import json
from base64 import b64decode
from pathlib import Path

import pytest
from lxml import etree
from test_wrap import CPR, NOW, counting, message, resource

from ehmi_ap.demo import bundle, fhir
from ehmi_ap.ehmi.message import Message, read_kind, read_message, sniff
from ehmi_ap.errors import EnvelopeError
from ehmi_ap.model import Organisation


def test_xml_and_json_say_the_same_facts() -> None:
    made = bundle.home_care_observation(now=NOW, new_uuid=counting())
    as_xml, as_json = read_message(fhir.to_xml(made)), read_message(fhir.to_json(made))
    assert (as_xml.form, as_json.form) == ("xml", "json")
    assert [getattr(as_xml, name) for name in as_xml.__slots__[1:]] == [
        getattr(as_json, name) for name in as_json.__slots__[1:]
    ]
    assert as_xml.patients == (CPR,)


def test_of_several_destinations_the_primary_one_counts() -> None:
    made = message()
    header = resource(made, "MessageHeader")
    other = {"endpoint": "x", "receiver": {"reference": "Organization/none"}}
    header["destination"].append(other)
    assert read_message(json.dumps(made).encode()).receiver.gln == bundle.RECEIVER.gln


def test_a_public_message_in_xml(shared_data: Path) -> None:
    """The FHIR XML in an envelope of the IG says of itself what the JSON of the same message says."""
    root = etree.parse(shared_data / "ehmi" / "sbdh" / "valid" / "ig-fullsample-hco.xml").getroot()
    assert read_message(b64decode(str(root[1].text))) == Message(
        form="xml",
        bundle_id="401cbc36-db1e-4fe0-bf90-6df331dde179",
        message_id="489de4f2-0d8d-4de2-a7ce-ccb93568799f",
        standard="homecareobservation-message",
        version="",  # it has no definition
        sender=Organisation(sor="1144561000016002", gln="5790000123117"),
        receiver=Organisation(sor="52581000016005", gln="5790000127092"),
        patients=("2509479989",),
    )


@pytest.mark.parametrize(
    ("content", "form"),
    [(b"<a", "xml"), (b"\xef\xbb\xbf \n{", "json"), (b"", None), (b"UNA:+.? '", None), (b" " * 2000 + b"{", None)],
)
def test_the_form_by_the_first_character(content: bytes, form: str | None) -> None:
    assert sniff(content) == form


def test_a_byte_order_mark_is_read_past() -> None:
    content = json.dumps(message()).encode()
    assert read_message(b"\xef\xbb\xbf" + content) == read_message(content)
    as_xml = fhir.to_xml(bundle.home_care_observation(now=NOW, new_uuid=counting()))
    assert read_message(b"\xef\xbb\xbf" + as_xml) == read_message(as_xml)


def test_references_by_full_url() -> None:
    made = message()
    url = next(e["fullUrl"] for e in made["entry"] if e["resource"] == resource(made, "Organization", 1))
    resource(made, "MessageHeader")["sender"]["reference"] = url
    assert read_message(json.dumps(made).encode()).sender.gln == bundle.SENDER.gln


def test_two_identifiers_of_one_system_are_none() -> None:
    made = message()
    resource(made, "Organization")["identifier"].append({"system": "https://www.gs1.org/gln", "value": "1"})
    assert read_message(json.dumps(made).encode()).receiver == Organisation(sor=bundle.RECEIVER.sor, gln="")


def test_two_headers_are_none() -> None:
    made = message()
    made["entry"].append(made["entry"][0])
    found = read_message(json.dumps(made).encode())
    assert (found.message_id, found.standard, found.sender.gln, found.patients) == ("", "", "", (CPR,))


def test_values_of_other_types_are_none() -> None:
    made = message()
    resource(made, "MessageHeader")["id"] = 12
    resource(made, "MessageHeader")["eventCoding"] = ["x"]
    found = read_message(json.dumps(made).encode())
    assert (found.message_id, found.standard) == ("", "")


def test_kinds() -> None:
    assert read_kind(b'{"resourceType": "Patient"}') == "Patient"
    assert read_kind(b'<Patient xmlns="http://hl7.org/fhir"/>') == "Patient"
    assert read_kind(b"<Patient/>") == ""
    with pytest.raises(EnvelopeError):
        read_kind(b"Patient")


def test_no_repr_shows_the_patient() -> None:
    found = read_message(json.dumps(message()).encode())
    assert found.patients == (CPR,)
    assert CPR not in repr(found)
