"""The FHIR AuditEvent in which an access point tells EDS what it did with an envelope (EDS IG 1.0.2; spec/eds.md 1).

EdsPatientDeliveryStatus where the envelope names a patient, else EdsBasicDeliveryStatus. Texts that are part of a
pattern of the profile (the displays) are exactly the profile's. Elements that the profile forbids or mistypes are left
out: period, outcomeDesc, purposeOfEvent, source.observer.type.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from ehmi_ap.ehmi.status import Facts
from ehmi_ap.envelope import Document
from ehmi_ap.model import Organisation

PROFILES = "http://medcomehmi.dk/ig/eds/StructureDefinition/"
_CODES = "http://medcomehmi.dk/ig/terminology/CodeSystem/"
_STATUS = _CODES + "ehmi-delivery-status-"
_DISPLAY = {"AP": "AP (Access Point)", "AP-MSH": "AP & MSH (Access Point - Message Service Handler)"}


class Deed(StrEnum):
    """What an access point does with an envelope: the subtype of its event (spec/eds.md 1.4)."""

    RECEIVED = "msg-received"
    SENT = "msg-sent"


_DEEDS = {Deed.RECEIVED: "Message received", Deed.SENT: "Message sent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """This access point as it is registered in EER, and the words it writes otherwise than the envelope (O-21).

    `names` are those of organisations we serve, by SOR code; `renamed` has other words for values of the envelope
    (`homecareobservation-message` -> `HomeCareObservation`).
    """

    id: str
    source: str = "AP"  # AP | AP-MSH
    manufacturer: str | None = None
    name: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)


def audit_event(facts: Facts, deed: Deed, *, at: datetime, failed: bool, device: Device) -> dict[str, Any]:
    """The event as FHIR JSON. `at` is aware: when it happened, never when it is told; `failed` is outcome 8."""
    return {
        "resourceType": "AuditEvent",
        "meta": {"profile": [PROFILES + ("EdsPatient" if facts.patient else "EdsBasic") + "DeliveryStatus"]},
        "contained": [_device(device)],
        "type": _coding("types", "ehmiMessaging", "EHMI messaging event"),
        "subtype": [_coding("sub-types", deed.value, _DEEDS[deed])],
        "action": "C",
        "recorded": at.isoformat(timespec="milliseconds"),
        "outcome": "8" if failed else "0",
        "agent": [
            _agent(facts.sender, "Sender", device, requestor=True),
            _agent(facts.receiver, "Receiver", device, requestor=False),
        ],
        "source": {
            "observer": {"reference": "#ap", "identifier": {"value": device.id}},
            "type": [_coding("source-type", device.source, _DISPLAY[device.source])],
        },
        "entity": list(_entities(facts, device.renamed)),
    }


def _coding(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    coding = {"system": _STATUS + system, "code": code}
    return coding if display is None else {**coding, "display": display}


def _device(device: Device) -> dict[str, Any]:
    resource: dict[str, Any] = {"resourceType": "Device", "id": "ap", "identifier": [{"value": device.id}]}
    resource["status"] = "active"
    if device.manufacturer:
        resource["manufacturer"] = device.manufacturer
    if device.name:
        resource["deviceName"] = [{"name": device.name, "type": "user-friendly-name"}]
    return {**resource, "type": {"coding": [_coding("source-type", device.source)]}}


def _agent(organisation: Organisation, role: str, device: Device, *, requestor: bool) -> dict[str, Any]:
    """GLN always: EDS lets in only who may speak for SOR and GLN (spec/eds.md 4)."""
    gln = {"type": {"coding": [_coding("agent-who-identifier-types", "GLN")]}, "value": organisation.gln}
    agent: dict[str, Any] = {
        "extension": [{"url": PROFILES + "eds-otherId", "valueIdentifier": gln}],
        "type": {"coding": [_coding("participationroletype", f"ehmi{role}", role)]},
        "who": {"identifier": {"value": organisation.sor}},
    }
    if name := device.names.get(organisation.sor):
        agent["name"] = name
    return {**agent, "requestor": requestor}


def _entities(facts: Facts, renamed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    def said(text: str) -> str:
        return renamed.get(text, text)

    def described(document: Document) -> dict[str, str]:
        return {"ehmiMessageType": said(document.type), "ehmiMessageVersion": said(document.version)}

    if facts.patient:
        yield _entity("ehmiPatient", "Patient", facts.patient)
    about = described(facts.message)
    if facts.statistics:
        about["ehmiStatisticalInfo"] = facts.statistics
    yield _entity("ehmiMessage", "Message", facts.message.identifier, about)
    if facts.envelope:
        wrapped = {"ehmiMessageEnvelopeType": said(facts.envelope_type or "Bundle")}
        yield _entity("ehmiMessageEnvelope", "Message Envelope", facts.envelope, wrapped)
    transport = {
        "ehmiTransportEnvelopeType": said(facts.transport.type),
        "ehmiTransportEnvelopeVersion": said(facts.transport.version),
    }
    yield _entity("ehmiTransportEnvelope", "Transport Envelope", facts.transport.identifier, transport)
    if facts.original_message:
        original = facts.original_message
        yield _entity("ehmiOrigMessage", "Original Message", original.identifier, described(original))
    if facts.original_transport:
        # It was an ehmiSBDH too, and those have one version.
        yield _entity("ehmiOrigTransportEnvelope", "Original Transport Envelope", facts.original_transport, transport)


def _entity(code: str, display: str, identifier: str, details: Mapping[str, str] | None = None) -> dict[str, Any]:
    entity: dict[str, Any] = {
        "what": {"identifier": {"value": identifier}},
        "type": _coding("entity-type", code, display),
    }
    if details:
        entity["detail"] = [{"type": name, "valueString": text} for name, text in details.items()]
    return entity
