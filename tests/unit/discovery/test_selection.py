"""Which endpoint is chosen, and why each other one was not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ehmi_ap.crypto.keys import load_certificates
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.found import Identifier, Wanted
from ehmi_ap.discovery.network import Network, Receivers
from ehmi_ap.discovery.selection import Reason, select
from ehmi_ap.model import Participant

PHOSS = Path(__file__).parents[2] / "vectors" / "data" / "smp" / "phoss"
ANCHORS = load_certificates((PHOSS / "ca.pem").read_bytes())
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NETWORK = Network(
    name="test",
    receivers=Receivers(transport_profiles=("bdxr-transport-ebms3-as4-v1p0", "peppol-transport-as4-v2_0")),
)
WANTED = Wanted(
    participant=Participant("0088:5790000173372", "iso6523-actorid-upis"),
    document=Identifier(
        "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition:homecareobservation-message"
        "##urn:dk:medcom:fhir:homecareobservation-message::1.2",
        "busdox-docid-qns",
    ),
    process=Identifier("urn:dk:medcom:process:homecare", "cenbii-procid-ubl"),
)


@pytest.mark.parametrize(
    ("dialect", "profile"),
    [
        ("peppol", "peppol-transport-as4-v2_0"),
        ("oasis1", "bdxr-transport-ebms3-as4-v1p0"),
        ("oasis2", "bdxr-transport-ebms3-as4-v1p0"),
    ],
)
def test_of_a_recorded_answer_the_endpoint_in_its_dates_is_chosen(dialect, profile):
    metadata = smp.read((PHOSS / dialect / "service-metadata.xml").read_bytes())

    selection = select(metadata, WANTED, NETWORK, anchors=ANCHORS, now=NOW)

    assert selection.error is None
    assert (selection.endpoint.transport_profile, selection.endpoint.url) == (profile, f"https://ap.test/{profile}")
    assert selection.endpoint.signing == (selection.endpoint.encryption,)
    assert [each.reason for each in selection.judged] == [None, Reason.EXPIRED, Reason.PROCESS, Reason.PROCESS]
