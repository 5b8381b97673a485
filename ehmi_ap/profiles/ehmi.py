"""EHMI, the Danish health messaging network: eDelivery AS4 1.15 with four corners and one ehmiSBDH per message.

The service is the PROCESSID and the actions are the DOCUMENTIDs of the network's messages (spec/ehmi.md 2.5, 5.2).
Service, Action and PartyId are not published (O-1): a P-Mode may give others. MSHs sign what they hand over, and are
given it signed (6.1).
"""

from ehmi_ap.ehmi import sbdh
from ehmi_ap.ehmi.names import DOCUMENTIDS, PROCESSID
from ehmi_ap.profile import Profile

PROFILE = Profile(
    name="ehmi",
    values={"service": PROCESSID, "actions": DOCUMENTIDS, "four_corner": True},
    address=sbdh.address,
    check=sbdh.check,
    signed=True,
)
