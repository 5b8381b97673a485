"""ebBP signals: what an envelope receipt carries, read and written (ebBP Signals 2.0.4; spec/ehmi.md 3.1).

Positive: ReceiptAcknowledgement, the envelope came and its structure and document are right. Negative: Exception, which
ends the transaction. Values are trimmed when they are read, because the published examples are padded, and never
written with white space around them (O-30).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lxml import etree

from ehmi_ap.crypto.safexml import parse
from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.envelope import is_date_time
from ehmi_ap.ehmi.envelope_text import text
from ehmi_ap.errors import EnvelopeError, XmlSecurityError
from ehmi_ap.model import Participant

EBBP = "http://docs.oasis-open.org/ebxml-bp/ebbp-signals-2.0"
_DS = "http://www.w3.org/2000/09/xmldsig#"


class SignalKind(StrEnum):
    """The root of a signal."""

    RECEIPT = "ReceiptAcknowledgement"
    EXCEPTION = "Exception"
    ACCEPTANCE = "AcceptanceAcknowledgement"  # not used in EHMI's pilot


class Cause(StrEnum):
    """Why an envelope was not taken: the ReceiptExceptions of ebBP."""

    SYNTAX = "Syntax"  # structure, schema or document
    AUTHORIZATION = "Authorization"
    SIGNATURE = "Signature"
    SEQUENCE = "Sequence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What an Exception says: `type` ReceiptException (`cause` is one of Cause), AcceptanceException, GeneralException.

    Reason and message are the receiver's own words, which may be about a patient: no repr shows them.
    """

    cause: str
    reason: str = field(repr=False)
    message: str | None = field(default=None, repr=False)
    type: str = "ReceiptException"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal about an envelope; times are xs:dateTime, `refusal` is there in an Exception alone."""

    kind: SignalKind
    original_message: str  # InstanceIdentifier of the envelope it is for
    original_document: str | None  # its DOCUMENTID
    original_at: str
    at: str
    sender: Participant | None = None  # of the signal
    receiver: Participant | None = None
    collaboration: str | None = None
    refusal: Refusal | None = None


_IDENTIFICATION: Mapping[str, bool] = {
    "OriginalMessageIdentifier": True,
    "OriginalDocumentIdentifier": False,
    "OriginalMessageDateTime": True,
    "ThisMessageDateTime": True,
    "FromPartyInfo": False,
    "ToPartyInfo": False,
    "FromRole": False,
    "ToRole": False,
    "ProcessSpecificationInfo": False,
    "CollaborationIdentifier": False,
    "BusinessActivityIdentifier": False,
}
"""What may stand in a signal, in this order, and whether it has to."""
_AFTER: Mapping[SignalKind, Mapping[str, bool]] = {
    SignalKind.RECEIPT: {"NonRepudiationInformation": False, "Signature": False},
    SignalKind.ACCEPTANCE: {"Signature": False},
    SignalKind.EXCEPTION: {"ExceptionType": True, "Reason": True, "ExceptionMessage": False},
}
_EXCEPTIONS: Mapping[str, tuple[str, ...]] = {
    "ReceiptException": tuple(Cause),
    "AcceptanceException": ("Business", "Performance"),
    "GeneralException": (),  # any text
}


def read_signal(data: bytes) -> Signal:
    """The signal in a document of UTF-8.

    Raises:
        EnvelopeError: it is no ebBP signal, or not a right one; the text shows none of its values.
    """
    try:
        root = parse(data)
    except XmlSecurityError as error:
        raise EnvelopeError(f"the signal cannot be read: {error}") from None
    kind = next((kind for kind in SignalKind if root.tag == f"{{{EBBP}}}{kind}"), None)
    if kind is None:
        raise EnvelopeError("the root is no signal of ebBP 2.0")
    found = _children(root, kind)
    return Signal(
        kind=kind,
        original_message=_value(found["OriginalMessageIdentifier"]),
        original_document=_optional(found, "OriginalDocumentIdentifier"),
        original_at=_date_time(found["OriginalMessageDateTime"]),
        at=_date_time(found["ThisMessageDateTime"]),
        sender=_party(found.get("FromPartyInfo")),
        receiver=_party(found.get("ToPartyInfo")),
        collaboration=_optional(found, "CollaborationIdentifier"),
        refusal=_refusal(found) if kind is SignalKind.EXCEPTION else None,
    )


def write_signal(signal: Signal) -> bytes:
    """The signal as a document.

    Raises:
        SubmissionError: a value has a character that XML cannot hold.
    """
    values: list[tuple[str, Participant | str | None]] = [
        ("OriginalMessageIdentifier", signal.original_message),
        ("OriginalDocumentIdentifier", signal.original_document),
        ("OriginalMessageDateTime", signal.original_at),
        ("ThisMessageDateTime", signal.at),
        ("FromPartyInfo", signal.sender),
        ("ToPartyInfo", signal.receiver),
        ("CollaborationIdentifier", signal.collaboration),
    ]
    lines = [_line(name, value) for name, value in values if value is not None]
    if signal.refusal is not None:
        lines += _refusal_lines(signal.refusal)
    body = "\n".join(f"  {line}" for line in lines)
    root = f"bpssignal:{signal.kind}"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns:bpssignal="{EBBP}">\n{body}\n</{root}>\n'.encode()


def _line(name: str, value: Participant | str) -> str:
    if isinstance(value, Participant):
        kind = f' type="{text(value.scheme or names.AUTHORITY)}"'
        return f"<bpssignal:{name}{kind}>{text(value.value)}</bpssignal:{name}>"
    return f"<bpssignal:{name}>{text(value.strip())}</bpssignal:{name}>"


def _refusal_lines(refusal: Refusal) -> list[str]:
    cause = _line(refusal.type, refusal.cause)
    lines = [f"<bpssignal:ExceptionType>{cause}</bpssignal:ExceptionType>", _line("Reason", refusal.reason)]
    return lines if refusal.message is None else [*lines, _line("ExceptionMessage", refusal.message)]


def _children(root: etree._Element, kind: SignalKind) -> dict[str, etree._Element]:
    """The children by name, each at most once, in the order of the schema."""
    allowed = {**_IDENTIFICATION, **_AFTER[kind]}
    found: dict[str, etree._Element] = {}
    for child in root.iterchildren(etree.Element):
        namespace, _, name = child.tag.lstrip("{").rpartition("}")
        if kind is SignalKind.EXCEPTION and namespace not in ("", EBBP):
            continue  # xsd:any ##other at the end of an Exception
        if name not in allowed or namespace != (_DS if name == "Signature" else EBBP):
            raise EnvelopeError("the signal has an element that ebBP 2.0 does not know there")
        if name in found:
            raise EnvelopeError(f"the signal has more than one {name}")
        found[name] = child
    missing = [name for name, needed in allowed.items() if needed and name not in found]
    if missing:
        raise EnvelopeError(f"the signal has no {missing[0]}")
    if list(found) != [name for name in allowed if name in found]:
        raise EnvelopeError("the elements of the signal are not in their order")
    return found


def _value(element: etree._Element) -> str:
    """Its text, trimmed. Comments in a value are refused: readers disagree on what it then is."""
    name = element.tag.rpartition("}")[2]
    if len(element):
        raise EnvelopeError(f"{name} holds more than a text")
    value = (element.text or "").strip()
    if not value:
        raise EnvelopeError(f"{name} is empty")
    return value


def _optional(found: Mapping[str, etree._Element], name: str) -> str | None:
    return _value(found[name]) if name in found else None


def _date_time(element: etree._Element) -> str:
    value = _value(element)
    if not is_date_time(value):
        raise EnvelopeError(f"{element.tag.rpartition('}')[2]} is not a date and time")
    return value


def _party(element: etree._Element | None) -> Participant | None:
    return None if element is None else Participant(_value(element), element.get("type"))


def _refusal(found: Mapping[str, etree._Element]) -> Refusal:
    choice = list(found["ExceptionType"].iterchildren(etree.Element))
    kind = choice[0].tag.removeprefix(f"{{{EBBP}}}") if len(choice) == 1 else ""
    if kind not in _EXCEPTIONS:
        raise EnvelopeError("ExceptionType does not hold one ReceiptException, AcceptanceException or GeneralException")
    cause = _value(choice[0])
    if _EXCEPTIONS[kind] and cause not in _EXCEPTIONS[kind]:
        raise EnvelopeError(f"{kind} is none of {', '.join(_EXCEPTIONS[kind])}")
    message = _optional(found, "ExceptionMessage")
    return Refusal(type=kind, cause=cause, reason=_value(found["Reason"]), message=message)
