"""The AuditEvents of EDS, held against the content that spec/eds.md 1.5 recommends for the IG's own envelopes."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.status import Facts, Gap, facts, from_json, to_json
from tests.audit_events import envelope

AT = datetime.fromisoformat("2026-09-01T10:00:01+02:00")
AP = Device(id="KvalitetsIT-Test-AP", manufacturer="KvalitetsIT", name="KvalitetsIT Test AP")
T = "http://medcomehmi.dk/ig/terminology/CodeSystem/ehmi-delivery-status-"


@pytest.fixture(scope="module")
def sbdh(shared_data: Path) -> Path:
    return shared_data / "ehmi" / "sbdh"


def known(file: Path, original: Path | None = None) -> Facts:
    answered = envelope(original.read_bytes()).original if original is not None else None
    found = facts(envelope(file.read_bytes()), answered)
    assert isinstance(found, Facts)
    return found


def event(of: Facts, deed: Deed = Deed.RECEIVED, *, failed: bool = False, device: Device = AP) -> dict[str, Any]:
    return audit_event(of, deed, at=AT, failed=failed, device=device)


def agent(role: str, gln: str, sor: str, *, requestor: bool) -> dict[str, Any]:
    identifier = {"type": {"coding": [{"system": T + "agent-who-identifier-types", "code": "GLN"}]}, "value": gln}
    url = "http://medcomehmi.dk/ig/eds/StructureDefinition/eds-otherId"
    return {
        "extension": [{"url": url, "valueIdentifier": identifier}],
        "type": {"coding": [{"system": T + "participationroletype", "code": f"ehmi{role}", "display": role}]},
        "who": {"identifier": {"value": sor}},
        "requestor": requestor,
    }


def entity(code: str, display: str, identifier: str, *details: tuple[str, str]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "what": {"identifier": {"value": identifier}},
        "type": {"system": T + "entity-type", "code": code, "display": display},
    }
    if details:
        made["detail"] = [{"type": name, "valueString": text} for name, text in details]
    return made


SBDH_1 = (("ehmiTransportEnvelopeType", "SBDH"), ("ehmiTransportEnvelopeVersion", "1.0"))
HCO = (("ehmiMessageType", "homecareobservation-message"), ("ehmiMessageVersion", "1.2"))


def test_a_message_at_the_sending_access_point(sbdh: Path) -> None:
    """eds.md 1.5 (a), element by element."""
    assert event(known(sbdh / "valid/ig-fullsample-hco.xml")) == {
        "resourceType": "AuditEvent",
        "meta": {"profile": ["http://medcomehmi.dk/ig/eds/StructureDefinition/EdsPatientDeliveryStatus"]},
        "contained": [
            {
                "resourceType": "Device",
                "id": "ap",
                "identifier": [{"value": "KvalitetsIT-Test-AP"}],
                "status": "active",
                "manufacturer": "KvalitetsIT",
                "deviceName": [{"name": "KvalitetsIT Test AP", "type": "user-friendly-name"}],
                "type": {"coding": [{"system": T + "source-type", "code": "AP"}]},
            }
        ],
        "type": {"system": T + "types", "code": "ehmiMessaging", "display": "EHMI messaging event"},
        "subtype": [{"system": T + "sub-types", "code": "msg-received", "display": "Message received"}],
        "action": "C",
        "recorded": "2026-09-01T10:00:01.000+02:00",
        "outcome": "0",
        "agent": [
            agent("Sender", "5790000121526", "8851000016006", requestor=True),
            agent("Receiver", "5790000201389", "263001000016001", requestor=False),
        ],
        "source": {
            "observer": {"reference": "#ap", "identifier": {"value": "KvalitetsIT-Test-AP"}},
            "type": [{"system": T + "source-type", "code": "AP", "display": "AP (Access Point)"}],
        },
        "entity": [
            entity("ehmiPatient", "Patient", "0101010227"),
            entity(
                "ehmiMessage",
                "Message",
                "f06c1ac8-6096-5178-a380-2831d2456986",
                *HCO,
                ("ehmiStatisticalInfo", "MCM:homecareobservation-message"),
            ),
            entity(
                "ehmiMessageEnvelope",
                "Message Envelope",
                "f06c1ac8-6096-5178-a380-2831d2456986",
                ("ehmiMessageEnvelopeType", "Bundle"),
            ),
            entity("ehmiTransportEnvelope", "Transport Envelope", "9a6ff822-08de-5a6f-9670-9fa4b9d2f0dc", *SBDH_1),
        ],
    }


def test_a_receipt_whose_original_we_know(sbdh: Path) -> None:
    """eds.md 1.5 (b): what this envelope lacks or writes wrongly comes from our own store of the original one."""
    made = event(known(sbdh / "negative/signal-not-well-formed.xml", sbdh / "valid/ig-fullsample-hco.xml"))
    assert made["meta"]["profile"] == ["http://medcomehmi.dk/ig/eds/StructureDefinition/EdsBasicDeliveryStatus"]
    assert made["agent"] == [
        agent("Sender", "5790000201389", "263001000016001", requestor=True),
        agent("Receiver", "5790000121526", "8851000016006", requestor=False),
    ]
    assert made["entity"] == [
        entity(
            "ehmiMessage",
            "Message",
            "8977c47b-8d55-4a6a-81ff-dcd3dc2b3871",
            ("ehmiMessageType", "ehmisbdh-acknowledgement"),
            ("ehmiMessageVersion", "ebbp-signals-2.0"),
            ("ehmiStatisticalInfo", "EHMI-ReceiptAcknowledgement"),
        ),
        entity("ehmiTransportEnvelope", "Transport Envelope", "c8792b06-eaa3-48db-a815-3e58b2086ab2", *SBDH_1),
        entity("ehmiOrigMessage", "Original Message", "f06c1ac8-6096-5178-a380-2831d2456986", *HCO),
        entity(
            "ehmiOrigTransportEnvelope",
            "Original Transport Envelope",
            "9a6ff822-08de-5a6f-9670-9fa4b9d2f0dc",
            *SBDH_1,
        ),
    ]


def test_an_acknowledgement_of_something_unknown(sbdh: Path) -> None:
    """eds.md 1.5 (c): the words of the IG where neither the envelope nor our store says what it was."""
    made = event(known(sbdh / "valid/ig-fullsample-ack.xml"))
    assert [each["type"]["code"] for each in made["entity"]] == [
        "ehmiMessage",
        "ehmiMessageEnvelope",
        "ehmiTransportEnvelope",
        "ehmiOrigMessage",
    ]
    assert made["entity"][-1] == entity(
        "ehmiOrigMessage",
        "Original Message",
        "f06c1ac8-6096-5178-a380-2831d2456986",
        ("ehmiMessageType", "unknown"),
        ("ehmiMessageVersion", "unknown"),
    )


def test_deed_outcome_and_time_are_all_that_differs(sbdh: Path) -> None:
    of = known(sbdh / "valid/golden-request-peppolns.xml")
    first, second = event(of), event(of, Deed.SENT, failed=True)
    differing = {key for key in first if first[key] != second[key]}
    assert differing == {"subtype", "outcome"}
    assert second["outcome"] == "8"
    assert second["subtype"] == [{"system": T + "sub-types", "code": "msg-sent", "display": "Message sent"}]


def test_words_and_names_of_the_configuration(sbdh: Path) -> None:
    device = Device(
        id="x",
        source="AP-MSH",
        names={"937961000016000": "Aarhus Kommune"},
        renamed={"homecareobservation-message": "HomeCareObservation", "Bundle": "FHIR Bundle"},
    )
    made = event(known(sbdh / "valid/golden-request-peppolns.xml"), device=device)
    assert [each.get("name") for each in made["agent"]] == ["Aarhus Kommune", None]
    words = [detail["valueString"] for each in made["entity"] for detail in each.get("detail", ())]
    assert "HomeCareObservation" in words
    assert "FHIR Bundle" in words
    assert "MCM:homecareobservation-message" in words
    assert made["source"]["type"][0]["display"] == "AP & MSH (Access Point - Message Service Handler)"


def test_what_lacks_its_scopes_gets_no_event(sbdh: Path) -> None:
    data = (sbdh / "valid" / "golden-request-peppolns.xml").read_bytes()
    gap = facts(envelope(data.replace(b"SENDERID", b"SENDERX")))
    assert gap == Gap(("SENDERID",))
    assert from_json(to_json(gap)) == gap


@pytest.mark.parametrize("name", ["valid/ig-fullsample-hco.xml", "negative/signal-not-well-formed.xml"])
def test_facts_come_back_as_they_were_stored(sbdh: Path, name: str) -> None:
    of = known(sbdh / name)
    assert from_json(to_json(of)) == of


def test_no_repr_shows_the_patient(sbdh: Path) -> None:
    of = known(sbdh / "valid/ig-fullsample-hco.xml")
    assert of.patient == "0101010227"
    assert "0101010227" not in repr(of) + repr(envelope((sbdh / "valid/ig-fullsample-hco.xml").read_bytes()))
