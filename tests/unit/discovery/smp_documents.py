"""Documents of an SMP of our own, in each dialect, with the certificates around them; and recordings of phoss SMP."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pki

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import KeyPair, load_certificates
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.network import Network, Publishers, Receivers
from ehmi_ap.discovery.published import (
    Dialect,
    Group,
    Metadata,
    Process,
    PublishedCertificate,
    PublishedEndpoint,
    Redirect,
    Reference,
    Target,
)
from ehmi_ap.model import Participant

NOW = pki.NOW
EDELIVERY, PEPPOL = "bdxr-transport-ebms3-as4-v1p0", "peppol-transport-as4-v2_0"
XKMS = "http://www.w3.org/2002/03/xkms#"


def of(identity: pki.Identity) -> Certificate:
    return Certificate.from_x509(identity.cert)


SMP_CA, AP_CA = pki.make_ca("SMP CA"), pki.make_ca("AP CA", key="intermediate")
SMP, OTHER_SMP = pki.make_leaf(SMP_CA, "SMP_1"), pki.make_leaf(SMP_CA, "SMP_2", key="b")
AP, AP2 = pki.make_leaf(AP_CA, "AP_1", key="c"), pki.make_leaf(AP_CA, "AP_2", key="d")
PAIR = KeyPair(SMP.key, of(SMP), (of(SMP),))

PARTICIPANT = Participant("0088:5790000201389", "iso6523-actorid-upis")
DOCUMENT = Identifier("urn:dk:healthcare::hco##urn:dk:medcom:fhir:hco::1.2", "busdox-docid-qns")
PROCESS = Identifier("urn:ehmi:sdn-emergence", "cenbii-procid-ubl")
WANTED = Wanted(participant=PARTICIPANT, document=DOCUMENT, process=PROCESS)
NETWORK = Network(
    name="test",
    publishers=Publishers(trust=("smps",)),
    receivers=Receivers(transport_profiles=(EDELIVERY, PEPPOL), trust=("aps",)),
)
ANCHORS = (of(AP_CA),)

PHOSS = Path(__file__).parents[2] / "vectors" / "data" / "smp" / "phoss"
PHOSS_CA = load_certificates((PHOSS / "ca.pem").read_bytes())
RECORDED = Wanted(
    participant=Participant("0088:5790000173372", "iso6523-actorid-upis"),
    document=Identifier(
        "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition:homecareobservation-message"
        "##urn:dk:medcom:fhir:homecareobservation-message::1.2",
        "busdox-docid-qns",
    ),
    process=Identifier("urn:dk:medcom:process:homecare", "cenbii-procid-ubl"),
)
"""What phoss SMP was asked for when it was recorded."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def certificate(identity: pki.Identity = AP, **fields: Any) -> PublishedCertificate:
    return PublishedCertificate(certificate=of(identity), **fields)


def endpoint(profile: str = EDELIVERY, url: str | None = "https://ap.test/as4", **fields: Any) -> PublishedEndpoint:
    return PublishedEndpoint(transport_profile=profile, url=url, **{"certificates": (certificate(),), **fields})


def metadata(*endpoints: PublishedEndpoint, dialect: Dialect = "oasis1", **fields: Any) -> Metadata:
    process = Process(identifiers=(PROCESS,), endpoints=endpoints or (endpoint(),))
    made = Metadata(dialect=dialect, participant=PARTICIPANT, document=DOCUMENT, processes=(process,))
    return replace(made, **fields)


def redirect(dialect: Dialect = "oasis1", href: str = "https://smp2.test/x", subject: str | None = None) -> Redirect:
    return Redirect(dialect=dialect, target=Target(href=href, subject=subject or of(OTHER_SMP).subject))


def group(dialect: Dialect = "oasis1") -> Group:
    href = "https://smp.test/x/services/busdox-docid-qns%3A%3Aurn%3Adk%3Ahealthcare%3A%3Ahco%23%23urn%3Adk%3Amedcom%3Afhir%3Ahco%3A%3A1.2"
    reference = Reference(document=DOCUMENT, href=None if dialect == "oasis2" else href)
    return Group(dialect=dialect, participant=PARTICIPANT, references=(reference,))
