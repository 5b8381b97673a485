"""AuditEvents for whoever judges them: official examples, mutants of one, and all that we make of the envelopes at hand."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ehmi_ap.body import MemoryBody
from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event
from ehmi_ap.ehmi.envelope import read
from ehmi_ap.ehmi.status import Facts, envelope_of, facts
from ehmi_ap.envelope import Envelope

Json = dict[str, Any]
T = "http://medcomehmi.dk/ig/terminology/CodeSystem/ehmi-delivery-status-"


def official(data: Path) -> dict[str, Json]:
    """The examples of EDS by the names of their files."""
    files = sorted((data / "eds" / "examples").glob("*.json"))
    return {file.name: json.loads(file.read_text("utf-8")) for file in files}


def mutant(data: Path, mutation: Callable[[Json], Any]) -> Json:
    """EDS-PDS-03.1, changed."""
    file = data / "eds" / "examples" / "AuditEvent-EDS-PDS-03.1.json"
    made: Json = json.loads(file.read_text("utf-8"))
    mutation(made)
    return made


def ours(data: Path) -> Iterator[tuple[str, Json]]:
    """Every event of every envelope at hand, with and without what we know of the envelope that it answers."""
    folder = data / "ehmi" / "sbdh"
    first = envelope((folder / "valid" / "ig-fullsample-hco.xml").read_bytes())
    for file in (*sorted((folder / "valid").glob("*.xml")), folder / "negative" / "signal-not-well-formed.xml"):
        for original in (None, first):
            for number, event in enumerate(events(known(file.read_bytes(), original))):
                yield f"{file.name}{' and its original' if original else ''} {number}", event


# -- ours

DEVICES = [
    Device(id="Our-AP"),
    Device(
        id="Our-AP",
        source="AP-MSH",
        manufacturer="We",
        name="Our access point",
        names={"8851000016006": "Aarhus Kommune"},
        renamed={"Bundle": "FHIR Bundle", "SBDH": "ehmiSBDH", "1.0": "2.0"},
    ),
]


def events(known: Facts) -> list[Json]:
    """All that an access point makes of one envelope, received and sent, with either outcome."""
    at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    return [
        audit_event(known, deed, at=at, failed=failed, device=device)
        for deed in Deed
        for failed in (False, True)
        for device in DEVICES
    ]


def known(data: bytes, original: Envelope | None = None) -> Facts:
    found = facts(envelope(data), original.original if original is not None else None)
    assert isinstance(found, Facts)
    return found


def envelope(data: bytes) -> Envelope:
    header = read(MemoryBody(data)).header
    assert header is not None
    return envelope_of(header)


# -- mutants


def of(event: Json, code: str) -> Json:
    """The entity of this type."""
    (found,) = (each for each in event["entity"] if each["type"]["code"] == code)
    return found


def no_patient(event: Json) -> None:
    """Another entity in its place, so that the number of them is not what is wrong."""
    event["entity"].remove(of(event, "ehmiPatient"))
    coding = {"system": T + "entity-type", "code": "ehmiOrigMessageEnvelope", "display": "Original Message Envelope"}
    event["entity"].append({"what": {"identifier": {"value": "x"}}, "type": coding})


def no_message(event: Json) -> None:
    event["entity"].remove(of(event, "ehmiMessage"))


def patient_and_message_only(event: Json) -> None:
    event["entity"] = [of(event, "ehmiPatient"), of(event, "ehmiMessage")]


def one_detail(event: Json) -> None:
    del of(event, "ehmiMessage")["detail"][1:]


def a_detail_of_no_slice(event: Json) -> None:
    """In place of the one that may be there or not."""
    details = of(event, "ehmiMessage")["detail"][:2]
    of(event, "ehmiMessage")["detail"] = [*details, {"type": "ehmiMessageEnvelopeType", "valueString": "x"}]


def statistics_twice(event: Json) -> None:
    detail = {"type": "ehmiStatisticalInfo", "valueString": "x"}
    of(event, "ehmiMessage")["detail"] = [*of(event, "ehmiMessage")["detail"][:2], detail, detail]


def a_detail_that_is_no_string(event: Json) -> None:
    detail = of(event, "ehmiMessage")["detail"][0]
    detail["valueBase64Binary"] = detail.pop("valueString")


def two_subtypes(event: Json) -> None:
    event["subtype"] *= 2


def an_hl7_entity(event: Json) -> None:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1", "display": "Person"}
    event["entity"].append({"what": {"identifier": {"value": "x"}}, "type": coding})


def setting(*path: str | int, to: Any) -> Callable[[Json], None]:
    def change(event: Json) -> None:
        place: Any = event
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


def without(*path: str | int) -> Callable[[Json], None]:
    def change(event: Json) -> None:
        place: Any = event
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


PERIOD = {"start": "2026-09-01T10:00:01Z"}
BAD: dict[str, Callable[[Json], None]] = {
    "agent.type without display": without("agent", 0, "type", "coding", 0, "display"),
    "agent.type with another display": setting("agent", 0, "type", "coding", 0, "display", to="sender"),
    "two senders": lambda event: event["agent"][1].update(type=event["agent"][0]["type"]),
    "agent.type of no value set": setting("agent", 0, "type", "coding", 0, "code", to="ehmiNobody"),
    "five agents": lambda event: event.update(agent=event["agent"] + [event["agent"][0]] * 3),
    "one agent": without("agent", 1),
    "no requestor": without("agent", 0, "requestor"),
    "requestor in quotes": setting("agent", 0, "requestor", to="true"),
    "who without identifier": without("agent", 0, "who", "identifier"),
    "GLN of another type": setting(
        "agent", 0, "extension", 0, "valueIdentifier", "type", "coding", 0, "code", to="SOR"
    ),
    "GLN without value": without("agent", 0, "extension", 0, "valueIdentifier", "value"),
    "GLN as a string": lambda event: event["agent"][0]["extension"][0].update(
        valueString=event["agent"][0]["extension"][0].pop("valueIdentifier")["value"]
    ),
    "outcome 4": setting("outcome", to="4"),
    "no outcome": without("outcome"),
    "outcomeDesc": setting("outcomeDesc", to="why"),
    "purposeOfEvent": setting("purposeOfEvent", to=[{"text": "x"}]),
    "period": setting("period", to=PERIOD),
    "two subtypes": two_subtypes,
    "subtype that is not in an array": lambda event: event.update(subtype=event["subtype"][0]),
    "subtype unknown": setting("subtype", 0, "code", to="msg-lost"),
    "type of our system with an unknown code": setting("type", "code", to="ehmiSomething"),
    "subtype without code": without("subtype", 0, "code"),
    "no action": without("action"),
    "action R": setting("action", to="R"),
    "no recorded": without("recorded"),
    "recorded without an offset": setting("recorded", to="2026-09-01T10:00:01"),
    "no patient": no_patient,
    "no message": no_message,
    "patient and message only": patient_and_message_only,
    "entity.type without display": without("entity", 0, "type", "display"),
    "entity without type": without("entity", 0, "type"),
    "what without identifier": setting("entity", 0, "what", to={"reference": "Patient/1"}),
    "one detail": one_detail,
    "a detail of no slice": a_detail_of_no_slice,
    "statistics twice": statistics_twice,
    "a detail that is no string": a_detail_that_is_no_string,
    "an entity of HL7": an_hl7_entity,
    "observer.type": setting("source", "observer", "type", to="Device"),
    "two source types": lambda event: event["source"].update(type=event["source"]["type"] * 2),
    "source type of another system": setting("source", "type", 0, "system", to="http://example.org"),
    "no source": without("source"),
    "no observer": without("source", "observer"),
    "an element that there is not": setting("patient", to={"reference": "#p"}),
    "another resource": setting("resourceType", to="Observation"),
    "no profile": without("meta"),
}

GOOD: dict[str, Callable[[Json], None]] = {
    "as it is": lambda event: None,
    "no GLN": without("agent", 0, "extension"),
    "agent with name": setting("agent", 0, "name", to="Somebody"),
    "no id": lambda event: event.pop("id", None),
    "outcome 8": setting("outcome", to="8"),
    "AP-MSH": setting(
        "source",
        "type",
        0,
        to={"system": T + "source-type", "code": "AP-MSH", "display": "any"},
    ),
    "observer by identifier": lambda event: (
        event.pop("contained"),
        event["source"].update(observer={"identifier": {"value": "x"}}),
    ),
    "entity without what": without("entity", 0, "what"),
    "patient, message and one envelope": lambda event: event.update(
        entity=[of(event, code) for code in ("ehmiPatient", "ehmiMessage", "ehmiTransportEnvelope")]
    ),
    "statistics": lambda event: of(event, "ehmiMessage").update(
        detail=[*of(event, "ehmiMessage")["detail"][:2], {"type": "ehmiStatisticalInfo", "valueString": "x"}]
    ),
}
