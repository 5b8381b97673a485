"""A HomeCareObservation of our own making: the message that the demo sends.

True to MedCom's profile HomeCareObservation 1.2 (ehmi 7): a nurse of a municipal acute team reports what she measured
in a citizen's home to the citizen's general practitioner. Everybody and everything in it is invented, with ids
that nobody can have: the CPR number has a day of birth above 60 (the range for tests), the GLNs begin with 952
(GS1's prefix for examples), the telephone number is all zeros.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from ehmi_ap.demo.fhir import Element, narrative
from ehmi_ap.ehmi.message import CPR, GLN, SOR

HCO = "http://medcomfhir.dk/ig/homecareobservation/StructureDefinition/"
MESSAGING = "http://medcomfhir.dk/ig/messaging/StructureDefinition/"
CORE = "http://medcomfhir.dk/ig/core/StructureDefinition/"
TERMS = "http://medcomfhir.dk/ig/terminology/CodeSystem/"
DEFINITION = (
    "http://medcomfhir.dk/ig/messagedefinitions/MessageDefinition/MedComHomeCareObservationMessageDefinition|1.2"
)
EVENT = "homecareobservation-message"

PROVIDER_NUMBER = "urn:oid:1.2.208.176.1.4"
NPU = "urn:oid:1.2.208.176.2.1"
MEDCOM_CODES = TERMS + "medcom-observation-codes"

_BASE = "https://ehmi-ap.example/fhir/"  # .example: reserved for documents (RFC 2606)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A sender or receiver: its name, GLN (where messages go) and SOR id (who it is)."""

    name: str
    gln: str
    sor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One result: its code, value and unit, and how many minutes before the report it was measured."""

    system: str
    code: str
    display: str
    value: Decimal
    unit: str
    minutes_before: int


SENDER = Organization(name="Akutteamet, Opdigtet Kommune", gln="9520000001018", sor="9999011000016008")
RECEIVER = Organization(name="Lægerne Opdigtet Torv", gln="9520000001025", sor="9999021000016004")
PATIENT_CPR = "7403489995"

MEASUREMENTS = (
    Measurement(
        system=NPU,
        code="NPU19748",
        display="P—C-reaktivt protein; massek. = ? mg/L",
        value=Decimal("41"),
        unit="mg/L",
        minutes_before=31,
    ),
    Measurement(
        system=NPU,
        code="NPU22089",
        display="P(kB)—Glucose; stofk. = ? mmol/L",
        value=Decimal("7.2"),
        unit="mmol/L",
        minutes_before=29,
    ),
    Measurement(
        system=NPU,
        code="NPU08676",
        display="Pt—Legeme; temp. = ? °C",
        value=Decimal("38.1"),
        unit="°C",
        minutes_before=27,
    ),
    Measurement(
        system=NPU,
        code="NPU21692",
        display="Hjerte—Systole; frekv. = ? × 1/min",  # noqa: RUF001 - NPU writes it so
        value=Decimal("88"),
        unit="1/min",
        minutes_before=26,
    ),
    Measurement(
        system=MEDCOM_CODES,
        code="MCS88122",
        display="Pt—Respiration; frekvens = ? X 1/min",
        value=Decimal("20"),
        unit="1/min",
        minutes_before=25,
    ),
)


class _Ids:
    """One id per resource of the message."""

    def __init__(self, new_uuid: Callable[[], UUID]) -> None:
        self.bundle, self.header, self.patient, self.report = (str(new_uuid()) for _ in range(4))
        self.role, self.practitioner, self.sender, self.receiver = (str(new_uuid()) for _ in range(4))
        self.provenance = str(new_uuid())
        self.observations = tuple(str(new_uuid()) for _ in MEASUREMENTS)


def home_care_observation(*, now: datetime, new_uuid: Callable[[], UUID]) -> Element:
    """A new message Bundle, issued at `now` (aware); `new_uuid` gives the ids of the Bundle and its resources."""
    ids = _Ids(new_uuid)
    resources: list[Element] = [
        _header(ids),
        _patient(ids),
        _report(ids, now),
        _role(ids),
        _practitioner(ids),
        _receiver(ids),
        _sender(ids),
        _provenance(ids, now),
        *(_observation(ids, key, what, now) for key, what in zip(ids.observations, MEASUREMENTS, strict=True)),
    ]
    return {
        "resourceType": "Bundle",
        "id": ids.bundle,
        "meta": {"profile": [HCO + "medcom-homecareobservation-message"]},
        "type": "message",
        "timestamp": instant(now),
        "entry": [{"fullUrl": f"{_BASE}{r['resourceType']}/{r['id']}", "resource": r} for r in resources],
    }


def instant(at: datetime) -> str:
    """A FHIR instant and an xs:dateTime in whole seconds, with its offset."""
    return at.isoformat(timespec="seconds")


def _resource(kind: str, key: str, profile: str, text: str) -> dict[str, object]:
    return {"resourceType": kind, "id": key, "meta": {"profile": [profile]}, "text": narrative(text)}


def _coded(system: str, code: str, display: str | None = None) -> Element:
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


def _to(kind: str, key: str) -> Element:
    return {"reference": f"{kind}/{key}"}


def _sor_url(organization: Organization) -> str:
    return f"https://sor2.sum.dsdn.dk/#id={organization.sor}"


def _header(ids: _Ids) -> Element:
    use = {
        "url": MESSAGING + "medcom-messaging-destinationUseExtension",
        "valueCoding": {"system": TERMS + "medcom-messaging-destinationUse", "code": "primary"},
    }
    to = {"extension": [use], "endpoint": _sor_url(RECEIVER), "receiver": _to("Organization", ids.receiver)}
    text = f"Prøvesvar fra {SENDER.name} til {RECEIVER.name}."
    return _resource("MessageHeader", ids.header, HCO + "medcom-homecareobservation-messageheader", text) | {
        "eventCoding": {"system": TERMS + "medcom-messaging-eventCodes", "code": EVENT},
        "destination": [to],
        "sender": _to("Organization", ids.sender),
        "source": {"endpoint": _sor_url(SENDER)},
        "focus": [_to("DiagnosticReport", ids.report)],
        "definition": DEFINITION,
    }


def _patient(ids: _Ids) -> Element:
    return _resource("Patient", ids.patient, CORE + "medcom-core-patient", "Signe Opdigtet, en opdigtet borger.") | {
        "identifier": [{"system": CPR, "value": PATIENT_CPR}],
        "name": [{"use": "official", "family": "Opdigtet", "given": ["Signe"]}],
    }


def _report(ids: _Ids, now: datetime) -> Element:
    text = "Prøvesvar fra hjemmebesøg, udført af akutsygeplejerske."
    return _resource("DiagnosticReport", ids.report, HCO + "medcom-homecareobservation-diagnosticreport", text) | {
        "status": "final",
        "code": _coded(TERMS + "MedComDiagnosticReportCodes", "HomeCareReport"),
        "subject": _to("Patient", ids.patient),
        "issued": instant(now),
        "performer": [_to("Organization", ids.sender), _to("PractitionerRole", ids.role)],
        "result": [_to("Observation", key) for key in ids.observations],
        "conclusion": "Hoste og feber siden i går. Vågen og klar.\nCRP let forhøjet; tages om i morgen.",
    }


def _role(ids: _Ids) -> Element:
    return _resource("PractitionerRole", ids.role, CORE + "medcom-core-practitionerrole", "Sygeplejerske.") | {
        "practitioner": _to("Practitioner", ids.practitioner),
        "code": [_coded(TERMS + "medcom-core-PractitionerRolesSKSadministrativ", "sygeplejerske")],
    }


def _practitioner(ids: _Ids) -> Element:
    return _resource("Practitioner", ids.practitioner, CORE + "medcom-core-practitioner", "Bo, sygeplejerske.") | {
        "name": [{"given": ["Bo"]}],
        "telecom": [{"system": "phone", "value": "+45 00000000"}],
    }


def _identifiers(organization: Organization, system: str, value: str) -> Sequence[Element]:
    """GLN and SOR id, and a third one that depends on the role."""
    pairs = ((GLN, organization.gln), (SOR, organization.sor), (system, value))
    return [{"system": system, "value": value} for system, value in pairs]


def _receiver(ids: _Ids) -> Element:
    return _resource("Organization", ids.receiver, MESSAGING + "medcom-requesterorganization", RECEIVER.name) | {
        "identifier": _identifiers(RECEIVER, PROVIDER_NUMBER, "000000"),
        "name": RECEIVER.name,
        "contact": [{"name": {"given": ["Lægesekretær"]}}],
    }


def _sender(ids: _Ids) -> Element:
    return _resource("Organization", ids.sender, MESSAGING + "medcom-producer-organization", SENDER.name) | {
        "identifier": _identifiers(SENDER, TERMS + "MedComProducentID", "OPD"),
        "name": SENDER.name,
    }


def _provenance(ids: _Ids, now: datetime) -> Element:
    text = "Ny besked."
    return _resource("Provenance", ids.provenance, MESSAGING + "medcom-messaging-provenance", text) | {
        "target": [_to("MessageHeader", ids.header)],
        "occurredDateTime": instant(now),
        "recorded": instant(now),
        "activity": _coded(TERMS + "medcom-messaging-activityCodes", "new-message"),
        "agent": [{"who": _to("Organization", ids.sender)}],
    }


def _observation(ids: _Ids, key: str, what: Measurement, now: datetime) -> Element:
    text = what.display.replace("?", str(what.value))
    return _resource("Observation", key, HCO + "medcom-homecare-observation", text) | {
        "status": "final",
        "code": _coded(what.system, what.code, what.display),
        "subject": _to("Patient", ids.patient),
        "effectiveDateTime": instant(now - timedelta(minutes=what.minutes_before)),
        "valueQuantity": {"value": what.value, "unit": what.unit},
        "interpretation": [_coded(TERMS + "medcom-core-interpretation-codes", "NI", "Not Interpreted")],
    }
