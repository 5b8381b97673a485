"""ehmiSBDH 2.0.1: what an access point takes from the envelope, and the checks it makes.

Rule ids are those of spec/ehmi.md 2.7: V-1 (a document), V-2 (its structure), V-3 (version and partners), V-4 (agrees
with the AS4 header), V-5 (the scopes that routing and status reports need). `V-4-action` and `V-5-status` are the
halves of V-4 and V-5 that only warn (design decision 9). A finding never shows a value of the envelope.
"""

import re
from collections.abc import Iterator, Sequence

from ehmi_ap.ehmi.envelope import Header, not_readable, read
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import Payload, Service, UserMessage
from ehmi_ap.pmode import Addressing, Finding, is_test

AUTHORITY = "iso6523-actorid-upis"

RULES = ("V-1", "V-2", "V-3", "V-4", "V-4-action", "V-5", "V-5-status")
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
    findings = list(reading.findings) if header is None else [*_v3(header), *_v5(header)]
    wrong = [finding for finding in findings if finding.level == "reject"]
    if header is None or wrong:
        raise SubmissionError(
            "the payload is not a right ehmiSBDH: " + "; ".join(f"{f.rule}: {f.what}" for f in wrong),
            fix=wrong[0].fix or None,
        )
    return Addressing(
        sender=header.sender,
        receiver=header.receiver,
        service=Service(header.scope("PROCESSID") or ""),
        action=header.scope("DOCUMENTID") or "",
    )


def check(message: UserMessage) -> Sequence[Finding]:
    """V-1 to V-5 over the one payload of a message; none for a test message (ebMS3 core 5.2.2.8)."""
    if is_test(message.service):
        return ()
    if len(message.payloads) != 1:
        return (not_readable(f"an EHMI message has one payload, this one has {len(message.payloads)}"),)
    reading = read(message.payloads[0].body)
    if reading.header is None:
        return reading.findings
    return (*_v3(reading.header), *_v4(reading.header, message), *_v5(reading.header))


def gln_is_valid(gln: str) -> bool:
    """Whether 13 digits are a GLN: the last one is the mod-10 check digit, weights 1 and 3 (GS1)."""
    if not re.fullmatch(r"[0-9]{13}", gln):
        return False
    digits = [int(digit) for digit in gln]
    return sum(digit * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0


def _v3(header: Header) -> Iterator[Finding]:
    if header.version != "1.0":
        yield Finding("V-3", "reject", "HeaderVersion is not 1.0", "Write 1.0.")
    for name, partner in (("Sender", header.sender), ("Receiver", header.receiver)):
        fix = "Write 0088: and the 13 digits of the GLN, Authority iso6523-actorid-upis."
        if partner.scheme != AUTHORITY:
            yield Finding("V-3", "reject", f"{name}/Identifier has no Authority {AUTHORITY}", fix)
        scheme, _, gln = partner.value.partition(":")
        if scheme != "0088" or not re.fullmatch(r"[0-9]{13}", gln):
            yield Finding("V-3", "reject", f"{name}/Identifier is not 0088: and 13 digits", fix)
        elif not gln_is_valid(gln):
            yield Finding("V-3", "reject", f"{name}/Identifier: the check digit of the GLN is wrong", fix)


def _v4(header: Header, message: UserMessage) -> Iterator[Finding]:
    ends = (("originalSender", "Sender", header.sender), ("finalRecipient", "Receiver", header.receiver))
    for name, element, partner in ends:
        participant = message.participant(name)
        if participant is None:
            yield Finding("V-4", "reject", f"the message has no {name}", f"Give it the value of SBDH {element}.")
        elif participant.value != partner.value or participant.scheme not in (None, partner.scheme):
            yield Finding("V-4", "reject", f"{name} is not the SBDH {element}", "Give both the same value and type.")
    if message.service.value != header.scope("PROCESSID"):
        yield Finding("V-4-action", "warn", "eb:Service is not the PROCESSID", "Agree on the service with the peer.")
    documentid = header.scope("DOCUMENTID")
    if documentid not in (message.action, message.action.partition("::")[2]):
        yield Finding("V-4-action", "warn", "eb:Action is not the DOCUMENTID", "Agree on the action with the peer.")


_ROUTING = ("DOCUMENTID", "PROCESSID")
_STATUS = ("SENDERID", "RECEIVERID", "MESSAGEIDENTIFIER", "StatisticalInformation")


def _v5(header: Header) -> Iterator[Finding]:
    for rule, level, kinds in (("V-5", "reject", _ROUTING), ("V-5-status", "warn", _STATUS)):
        for kind in kinds:
            if not header.scope(kind):
                yield Finding(rule, level, f"there is not exactly one {kind} scope", f"Write one {kind} scope.")
