"""One message to the test service of an access point that was found, as a real one would be sent, but not kept.

The test service (ebMS3 core 5.2.2.8) has it answered like any other and delivered to nobody.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ehmi_ap.as4.conclude import conclude
from ehmi_ap.as4.pack import seal, sign
from ehmi_ap.body import MemoryBody, MemorySpool
from ehmi_ap.crypto.keys import Keys
from ehmi_ap.discovery.found import Found
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import TransportError
from ehmi_ap.flows.compose import compose
from ehmi_ap.flows.terms import check_usable, found_terms
from ehmi_ap.flows.verdict import NOT_REACHED
from ehmi_ap.model import MessageId, Outcome, Participant, Payload, Service, Submission, Unsettled
from ehmi_ap.pmode import TEST_SERVICE, PMode
from ehmi_ap.ports import Web

LONGEST = 60.0
"""Seconds for the answer."""

_TEXT = b"A test of the connection; there is nothing to be done.\n"


async def try_out(
    found: Found,
    pmode: PMode,
    network: Network,
    *,
    keys: Keys,
    sender: Participant,
    receiver: Participant,
    web: Web,
    new_id: Callable[[], MessageId],
    now: datetime,
) -> Outcome:
    """Compose, sign, encrypt for the published certificate, post, conclude: the receipt has to prove what was sent.

    Raises:
        SubmissionError, SendingBlocked, Untrusted: nothing was sent, for the reason that it says.
    """
    payload = Payload(body=MemoryBody(_TEXT), mime_type="text/plain")
    submission = Submission(payloads=(payload,), service=Service(TEST_SERVICE), sender=sender, receiver=receiver)
    message = compose(submission, pmode, conversation_id=None, new_id=new_id, now=now)
    terms = found_terms(found, message, pmode, network, ())
    message = replace(message, to=replace(message.to, id=terms.to))
    check_usable(keys.signing.certificate, "sign", "Our signing certificate", now)
    signed = sign(message, terms.pmode, keys=keys, new_spool=MemorySpool)
    packed = seal(signed, message.message_id, terms.pmode, to=terms.recipient)
    try:
        reply = await web.post(
            terms.url,
            packed.wire,
            timeout=min(pmode.timeout, LONGEST),
            tls_trust=pmode.tls_trust,
            reach=terms.reach,
        )
    except TransportError as error:
        return Unsettled(code=NOT_REACHED, reason=error.what)
    return conclude(
        reply,
        message_id=message.message_id,
        references=packed.references,
        pmode=terms.pmode,
        trust=terms.trust,
        now=now,
    )
