"""Step 4 of reading a request: which P-Mode it falls under, and what that one asks of the header (as4-wire 6.4).

The numbers of steps are those of verify.
"""

from collections.abc import Sequence
from contextlib import suppress

from ehmi_ap.as4.ebms import UserHeader, check_party_ids
from ehmi_ap.as4.mime import Part
from ehmi_ap.errors import HttpRefusal, ProcessingModeMismatch
from ehmi_ap.model import Wire
from ehmi_ap.pmode import PMode, match_inbound

_FOUR_CORNERS = ("originalSender", "finalRecipient")


def match(user: UserHeader, pmodes: Sequence[PMode]) -> PMode:
    """Step 4: the P-Mode a message falls under.

    Raises:
        ProcessingModeMismatch (0010): none fits.
        ValueInconsistent (0003): none fits, and a PartyId or Service without @type is no URI, which every one of the
            P-Modes forbids: a fault of the header comes first.
    """
    sender = user.message.from_.id.value
    of_sender = [pmode for pmode in pmodes if pmode.partner is None or pmode.partner.value == sender]
    with suppress(ProcessingModeMismatch):
        return match_inbound(of_sender, user.message)  # a few of hundreds
    if all(pmode.party_id_uri for pmode in pmodes):
        check_party_ids(user)
    return match_inbound(pmodes, user.message)  # fails too, naming the first value that no P-Mode at all has


def check_agreed(user: UserHeader, pmode: PMode) -> None:
    """Step 4: what the P-Mode asks of the header beyond its match (conformance G45; ebMS3 core 5.2.2.4).

    Raises:
        ValueInconsistent (0003): a PartyId or Service without @type is no URI, unless the P-Mode allows it.
        ProcessingModeMismatch (0010): a four-corner property is not there once and filled.
    """
    if pmode.party_id_uri:
        check_party_ids(user)
    for name in _FOUR_CORNERS if pmode.four_corner else ():
        values = [item.value for item in user.message.properties if item.name == name]
        if len(values) != 1 or not values[0]:
            what = "is missing" if not values else "is there twice" if len(values) > 1 else "is empty"
            public = f"The message property {name} {what}."
            raise ProcessingModeMismatch(f"the message property {name} {what}", public=public)


def check_budgets(wire: Wire, parts: Sequence[Part], pmode: PMode) -> None:
    """Step 4: the P-Mode's own budgets on the whole message; HttpRefusal 413."""
    if wire.body.size > pmode.limits.message_bytes:
        raise HttpRefusal(413, f"The message has more than {pmode.limits.message_bytes} bytes.")
    if len(parts) - 1 > pmode.limits.parts:
        raise HttpRefusal(413, f"The message has more than {pmode.limits.parts} payload parts.")
