"""ehmiSBDH 2.0.1: what an access point takes from the envelope, and the checks it makes.

The rules are those of `ehmi.rules`. V-4, that the envelope agrees with the AS4 header, is here; those of the envelope
alone are in `ehmi.checks`, and V-1 and V-2 are what reading it shows. A finding never shows a value of the envelope.
"""

from collections.abc import Iterator

from ehmi_ap.ehmi.checks import TOP, check_header, check_routing, scope_path
from ehmi_ap.ehmi.envelope import not_readable, read
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.rules import RULES as _ALL
from ehmi_ap.ehmi.rules import finding
from ehmi_ap.ehmi.status import envelope_of
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import Payload, Service, UserMessage
from ehmi_ap.pmode import is_test
from ehmi_ap.profile import Addressing, Checked, Finding

RULES = tuple(rule.id for rule in _ALL if rule.ap is not None)
"""The rules of `check`, whose levels are configurable."""


def address(payload: Payload) -> Addressing | None:
    """Who gets the document and what it is (ehmi.md 5.2): SBDH Sender and Receiver, PROCESSID, DOCUMENTID.

    None: it is not a StandardBusinessDocument at all.

    Raises:
        SubmissionError: it is one, but a wrong one, or one of the four is not there exactly once.
    """
    reading = read(payload.body)
    if not reading.claimed:
        return None
    header = reading.header
    findings = list(reading.findings) if header is None else list(check_routing(header))
    wrong = [each for each in findings if each.level == "reject"]
    if header is None or wrong:
        raise SubmissionError(
            "the payload is not a right ehmiSBDH: " + "; ".join(f"{each.rule}: {each.what}" for each in wrong),
            fix=wrong[0].fix or None,
        )
    return Addressing(
        sender=header.sender,
        receiver=header.receiver,
        service=Service(header.scope("PROCESSID") or ""),
        action=header.scope("DOCUMENTID") or "",
    )


def check(message: UserMessage) -> Checked:
    """Every rule of an access point over the one payload of a message, those that are off by default included.

    None for a test message (ebMS3 core 5.2.2.8).
    """
    if is_test(message.service):
        return Checked(())
    if len(message.payloads) != 1:
        return Checked((not_readable(f"an EHMI message has one payload, this one has {len(message.payloads)}"),))
    reading = read(message.payloads[0].body)
    header = reading.header
    if header is None:
        return Checked(reading.findings)
    return Checked((*_v4(header, message), *check_header(header)), envelope_of(header))


def _v4(header: Header, message: UserMessage) -> Iterator[Finding]:
    ends = (("originalSender", "Sender", header.sender), ("finalRecipient", "Receiver", header.receiver))
    for name, element, partner in ends:
        path = f"{TOP}/{element}/Identifier"
        participant = message.participant(name)
        if participant is None:
            yield finding("V-4", f"the message has no {name}", path)
        elif participant.value != partner.value or participant.scheme not in (None, partner.scheme):
            yield finding("V-4", f"{name} is not the SBDH {element}", path)
    if message.service.value != header.scope("PROCESSID"):
        yield finding("V-4-action", "eb:Service is not the PROCESSID", scope_path("PROCESSID"))
    if header.scope("DOCUMENTID") not in (message.action, message.action.partition("::")[2]):
        yield finding("V-4-action", "eb:Action is not the DOCUMENTID", scope_path("DOCUMENTID"))
