"""An envelope judged as a message service handler judges it: its header, and the document in it (spec/ehmi.md 2.7).

It reports every finding, whatever else is wrong, and shows no value of envelope or document.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ehmi_ap.body import Body
from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.checks import CONTENT, TOP, check_header, scope_path
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.message import Message, read_message, sniff
from ehmi_ap.ehmi.rules import finding, level_at_msh
from ehmi_ap.ehmi.signals import SignalKind, read_signal
from ehmi_ap.ehmi.unwrap import decode, open_envelope
from ehmi_ap.envelope import Kind
from ehmi_ap.errors import EnvelopeError
from ehmi_ap.profile import Finding

Verdict = Literal["ok", "warn", "reject"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What an envelope came to; `kind` is None when its header could not be read."""

    kind: Kind | None
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        levels = {each.level for each in self.findings}
        return "reject" if "reject" in levels else "warn" if levels else "ok"

    @property
    def readable(self) -> bool:
        """Whether it is a StandardBusinessDocument at all (V-1)."""
        return all(each.rule != "V-1" for each in self.findings)

    def to_json(self) -> dict[str, object]:
        """The document of `ehmi-ap sbdh --json`."""
        return {
            "verdict": self.verdict,
            "kind": self.kind,
            "findings": [
                {"rule": each.rule, "level": each.level, "path": each.path, "what": each.what, "fix": each.fix}
                for each in self.findings
            ],
        }


def judge(envelope: Body) -> Judgement:
    """Every finding in an envelope by the rules of a message service handler; holds the document in memory."""
    reading, content = open_envelope(envelope)
    header = reading.header
    found = reading.findings if header is None else (*check_header(header), *_check_content(header, content))
    leveled = (replace(each, level=level_at_msh(each.rule)) for each in found)
    return Judgement(
        kind=header.kind if header else None, findings=tuple(each for each in leveled if each.level != "off")
    )


def _check_content(header: Header, text: str | None) -> Iterator[Finding]:
    try:
        content = decode(text)
    except EnvelopeError as error:
        yield finding("V-10", error.what, CONTENT)
        return
    if header.kind is Kind.RECEIPT:
        yield from _check_signal(header, content)
    else:
        yield from _check_message(header, content)


_TYPES = {
    "ReceiptAcknowledgement": SignalKind.RECEIPT,
    "SBDHReceiptAcknowledgement": SignalKind.RECEIPT,
    "ReceiptException": SignalKind.EXCEPTION,
    "AcceptanceAcknowledgement": SignalKind.ACCEPTANCE,
}


def _check_signal(header: Header, content: bytes) -> Iterator[Finding]:
    try:
        signal = read_signal(_in_utf8(header, content))
    except EnvelopeError as error:
        yield finding("V-9-signal", error.what, CONTENT)
        return
    if signal.kind is not _TYPES.get(header.type, signal.kind):
        yield finding("V-9-signal", f"the signal is a {signal.kind}, which Type does not say", CONTENT)
    said = {header.scope("ORIGINALENVELOPEIDENTIFIER")}
    if header.correlation is not None:
        said.add(header.correlation.instance_identifier)
    if said - {None} and signal.original_message not in said:
        yield finding("V-9-signal", "the signal is for another envelope than the header says", CONTENT)


def _in_utf8(header: Header, content: bytes) -> bytes:
    """The one other encoding that the schema knows, for signals (ehmi.md 2.3)."""
    latin = (header.encoding or "").upper() == "ISO-8859-1"
    return content.decode("latin-1").encode() if latin else content


def _check_message(header: Header, content: bytes) -> Iterator[Finding]:
    form = sniff(content)
    named = {"xml": names.XML_TYPES, "json": names.JSON_TYPES}
    if form is not None and header.mime_type not in named[form]:
        yield finding(
            "V-10-type", f"the content is {form.upper()}, which mimeType does not say", CONTENT + "/@mimeType"
        )
    try:
        message = read_message(content)
    except EnvelopeError as error:
        yield finding("V-10", error.what, CONTENT)
        return
    yield from _check_patient(header, message)
    if not message.message_id and not message.standard:
        yield finding("V-10-missing", "the Bundle has no MessageHeader, or several", CONTENT)
        return
    if message.version and message.version != header.type_version:
        path = TOP + "/DocumentIdentification/TypeVersion"
        yield finding("V-6", "TypeVersion is not the one that MessageHeader.definition names", path)
    for path, said, what, value in _repeated(header, message):
        if not value:
            yield finding("V-10-missing", f"the Bundle has no {what}, or several", CONTENT)
        elif said is not None and said != value:
            yield finding("V-10", f"the header does not repeat the {what}", path)


def _check_patient(header: Header, message: Message) -> Iterator[Finding]:
    """A message about nobody needs no PATIENTID, and no acknowledgement does (V-11)."""
    path = scope_path("PATIENTID")
    said = header.scope("PATIENTID")
    if header.kind is not Kind.MESSAGE:
        return
    if said is None and (message.patients or not message.message_id):
        yield finding("V-5-scopes", "there is no PATIENTID scope, or several", path)
    elif said is not None and message.message_id and not message.patients:
        yield finding("V-10-missing", "the Bundle has no patient with a CPR number", CONTENT)
    elif said is not None and message.patients and said not in message.patients:
        yield finding("V-10", "PATIENTID is not the patient of the Bundle", path)


def _repeated(header: Header, message: Message) -> Iterator[tuple[str, str | None, str, str]]:
    """What the header repeats of a message: where, its value there (None: not there), what it is, and its value.

    The receiver of a secondary copy is another one than the message's (design decision 50).
    """
    yield TOP + "/DocumentIdentification/Standard", header.standard, "MessageHeader.eventCoding", message.standard
    scopes = [
        ("MESSAGEIDENTIFIER", "MessageHeader.id", message.message_id),
        ("MESSAGEENVELOPEIDENTIFIER", "Bundle.id", message.bundle_id),
        ("SENDERID", "SOR code of the sender", message.sender.sor),
    ]
    partners = [("Sender", header.sender, message.sender)]
    if not any(scope.type == names.XDS for scope in header.scopes):
        scopes.append(("RECEIVERID", "SOR code of the receiver", message.receiver.sor))
        partners.append(("Receiver", header.receiver, message.receiver))
    if header.kind is Kind.ACKNOWLEDGEMENT:
        scopes.append(("ORIGINALMESSAGEIDENTIFIER", "MessageHeader.response.identifier", message.answers))
    for kind, what, value in scopes:
        yield scope_path(kind), header.scope(kind), what, value
    for name, participant, organisation in partners:
        gln = participant.value.removeprefix("0088:")
        yield f"{TOP}/{name}/Identifier", gln, f"GLN of the {name.lower()}", organisation.gln
