"""EHMI, the Danish health messaging network: eDelivery AS4 1.15 with four corners and one ehmiSBDH per message.

The service is the PROCESSID and the actions are the DOCUMENTIDs of the network's messages (spec/ehmi.md 2.5, 5.2).
Service, Action and PartyId are not published (O-1): a P-Mode may give others.
"""

from ehmi_ap.ehmi import sbdh
from ehmi_ap.pmode import Profile

PROCESSID = "urn:ehmi:sdn-emergence"

_FHIR = (
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::{name}-message"
    "##urn:dk:medcom:fhir:{name}-message::{version}"
)
_RECEIPT = (
    "urn:dk:healthcare:messaging:oasis:ebxml:schema:xsd::ehmisbdh-acknowledgement"
    "##urn:dk:ehmi:sbdh:ehmisbdh-acknowledgement::1.0"
)

DOCUMENTIDS = (
    _FHIR.format(name="homecareobservation", version="1.1"),
    _FHIR.format(name="homecareobservation", version="1.2"),
    _FHIR.format(name="acknowledgement", version="2.0"),
    _FHIR.format(name="hospitalnotification", version="3.0"),
    _FHIR.format(name="carecommunication", version="5.0"),
    _RECEIPT,
)
"""Opaque, case-sensitive strings (O-6)."""

PROFILE = Profile(
    name="ehmi",
    values={"service": PROCESSID, "actions": DOCUMENTIDS, "four_corner": True},
    address=sbdh.address,
    check=sbdh.check,
)
