"""Writing eb:Messaging and env:Body as text that is its own exclusive canonical form (as4-wire 3.2; python-stack 3).

So a digest is made over the very characters written here: on send nothing is parsed and nothing canonicalised.
What keeps that true (Exclusive C14N 1.0, Canonical XML 1.0 2.3):

- each block declares its own namespaces, on the element that uses them first, sorted by prefix;
- attributes are sorted by namespace *URI*, then name, so ``wsu:Id`` comes before ``env:mustUnderstand``;
- no empty-element tags, no white space of our own, text and attribute values escaped as C14N does.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ehmi_ap.as4.ebms import PartInfo
from ehmi_ap.as4.names import (
    CHARACTER_SET_PROPERTY,
    COMPRESSION_TYPE_PROPERTY,
    EB,
    EBBP,
    MIME_TYPE_PROPERTY,
    S12,
    WSU,
)
from ehmi_ap.crypto.c14n import canonical
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import EbmsError
from ehmi_ap.model import MessageId, Party, Property, Receipt, UserMessage


def timestamp(at: datetime) -> str:
    """UTC with milliseconds: YYYY-MM-DDThh:mm:ss.sssZ (as4-wire 2.2). `at` is aware."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def write_user_message(message: UserMessage, parts: Sequence[PartInfo], wsu_id: str) -> str:
    """eb:Messaging with one eb:UserMessage; PartInfo in the order given, href None or `cid:...` as given."""
    mpc = _attributes(mpc=message.mpc)
    return _messaging(
        wsu_id,
        f"<eb:UserMessage{mpc}>{_message_info(message.timestamp, message.message_id, message.ref_to)}"
        f"<eb:PartyInfo>{_party('From', message.from_)}{_party('To', message.to)}</eb:PartyInfo>"
        f"{_collaboration(message)}{_properties('MessageProperties', message.properties)}{_payload_info(parts)}"
        "</eb:UserMessage>",
    )


def write_receipt(receipt: Receipt, wsu_id: str) -> str:
    """eb:Messaging with a non-repudiation receipt: each Reference.xml verbatim, one child of eb:Receipt.

    AS4 1.0 5.1.8; as4-wire 5.1.
    """
    copies = [reference.xml.decode() for reference in receipt.references]
    parts = "".join(f"<ebbp:MessagePartNRInformation>{xml}</ebbp:MessagePartNRInformation>" for xml in copies)
    text = _messaging(
        wsu_id,
        f"<eb:SignalMessage>{_message_info(receipt.timestamp, receipt.message_id, receipt.ref_to)}<eb:Receipt>"
        f'<ebbp:NonRepudiationInformation xmlns:ebbp="{EBBP}">{parts}</ebbp:NonRepudiationInformation>'
        "</eb:Receipt></eb:SignalMessage>",
    )
    if any(declaration in xml for xml in copies for declaration in _OUR_DECLARATIONS):
        return canonical(parse(text.encode())).decode()  # a copy repeats a declaration that is in scope already
    return text


def write_errors(
    errors: Sequence[EbmsError], wsu_id: str, *, message_id: MessageId, ref_to: MessageId | None, now: datetime
) -> str:
    """eb:Messaging with a signal of these errors; Description and ErrorDetail hold error.public (ebMS3 core 6.2).

    The text is in both, since Oxalis shows only ErrorDetail (as4-wire 6.1).
    """
    return _messaging(
        wsu_id,
        f"<eb:SignalMessage>{_message_info(now, message_id, ref_to)}"
        f"{''.join(_error(error, ref_to) for error in errors)}</eb:SignalMessage>",
    )


def write_body(wsu_id: str, fault: str | None = None) -> str:
    """env:Body, empty, or with an env:Fault (code env:Receiver) whose reason is `fault` (SOAP 1.2 part 1, 5.4)."""
    inside = "" if fault is None else _fault("env:Receiver", fault)
    return f'<env:Body xmlns:env="{S12}" xmlns:wsu="{WSU}" wsu:Id="{attribute(wsu_id)}">{inside}</env:Body>'


def write_must_understand() -> str:
    """A whole env:Envelope with the MustUnderstand fault (SOAP 1.2 part 1, 5.4.8)."""
    fault = _fault("env:MustUnderstand", "A mandatory SOAP header block was not understood.")
    return f'<env:Envelope xmlns:env="{S12}"><env:Header></env:Header><env:Body>{fault}</env:Body></env:Envelope>'


def _messaging(wsu_id: str, inside: str) -> str:
    return (
        f'<eb:Messaging xmlns:eb="{EB}" xmlns:env="{S12}" xmlns:wsu="{WSU}"'
        f' wsu:Id="{attribute(wsu_id)}" env:mustUnderstand="true">{inside}</eb:Messaging>'
    )


def _message_info(at: datetime, message_id: MessageId, ref_to: MessageId | None) -> str:
    ref = "" if ref_to is None else _element("RefToMessageId", ref_to)
    return (
        f"<eb:MessageInfo>{_element('Timestamp', timestamp(at))}{_element('MessageId', message_id)}{ref}"
        "</eb:MessageInfo>"
    )


def _party(name: str, party: Party) -> str:
    inside = _element("PartyId", party.id.value, type=party.id.type) + _element("Role", party.role)
    return f"<eb:{name}>{inside}</eb:{name}>"


def _collaboration(message: UserMessage) -> str:
    agreed = message.agreement
    agreement = "" if agreed is None else _element("AgreementRef", agreed.value, type=agreed.type)
    return (
        f"<eb:CollaborationInfo>{agreement}{_element('Service', message.service.value, type=message.service.type)}"
        f"{_element('Action', message.action)}{_element('ConversationId', message.conversation_id)}"
        "</eb:CollaborationInfo>"
    )


def _properties(name: str, properties: Iterable[Property]) -> str:
    inside = "".join(_element("Property", item.value, name=item.name, type=item.type) for item in properties)
    return f"<eb:{name}>{inside}</eb:{name}>" if inside else ""


def _payload_info(parts: Sequence[PartInfo]) -> str:
    inside = "".join(
        f"<eb:PartInfo{_attributes(href=part.href)}>"
        f"{_properties('PartProperties', _all_properties(part))}</eb:PartInfo>"
        for part in parts
    )
    return f"<eb:PayloadInfo>{inside}</eb:PayloadInfo>" if inside else ""


def _all_properties(part: PartInfo) -> Iterable[Property]:
    """MimeType, CharacterSet, CompressionType, then the rest: the order phase4 writes (as4-wire 2.2)."""
    named = (
        (MIME_TYPE_PROPERTY, part.mime_type),
        (CHARACTER_SET_PROPERTY, part.character_set),
        (COMPRESSION_TYPE_PROPERTY, part.compression),
    )
    return (*(Property(name, value) for name, value in named if value is not None), *part.properties)


def _error(error: EbmsError, ref_to: MessageId | None) -> str:
    head = _attributes(
        category=error.category,
        errorCode=error.ebms,
        origin=error.origin,
        refToMessageInError=ref_to,
        severity="failure",
        shortDescription=error.short,
    )
    detail = " ".join(error.public.split())[:1000]  # xsd:token
    return (
        f'<eb:Error{head}><eb:Description xml:lang="en">{text(detail)}</eb:Description>'
        f"{_element('ErrorDetail', detail)}</eb:Error>"
    )


def _fault(code: str, reason: str) -> str:
    return (
        f"<env:Fault><env:Code><env:Value>{code}</env:Value></env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{text(reason)}</env:Text></env:Reason></env:Fault>'
    )


def _element(tag: str, value: str, /, **attributes: str | None) -> str:
    return f"<eb:{tag}{_attributes(**attributes)}>{text(value)}</eb:{tag}>"


def _attributes(**attributes: str | None) -> str:
    """Unqualified attributes, given in the order of their names as C14N sorts them; None is left out."""
    if not attributes:
        return ""
    return "".join(f' {name}="{attribute(value)}"' for name, value in attributes.items() if value is not None)


def text(value: str) -> str:
    """Character data as Canonical XML writes it (1.0, 2.3)."""
    if not _SPECIAL(value):
        return value
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#xD;")


def attribute(value: str) -> str:
    """An attribute value as Canonical XML writes it (1.0, 2.3)."""
    if not _SPECIAL(value):
        return value
    return (
        value.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace('"', "&quot;")
        .replace("\t", "&#x9;")
        .replace("\n", "&#xA;")
        .replace("\r", "&#xD;")
    )


_SPECIAL = re.compile(r'[&<>"\t\n\r]').search
_OUR_DECLARATIONS = tuple(f"xmlns:{prefix}=" for prefix in ("eb", "ebbp", "env", "wsu"))
