"""Reading eb:Messaging: its schema, order and multiplicity, and the values in it (as4-wire 2; ebMS3 core 5.2).

The rules of this room:

- The schema is checked by this code, element by element, in schema order; there is no XSD at run time.
- A value is the whole text of an element that has no children. A comment inside a value is refused, because
  readers disagree about it (as4-wire 6.4); comments between elements are legal and outside every digest (9.44).
- White space around a value is dropped. Nothing else is normalised: ids and types are compared exactly.
- Extension elements of other namespaces are taken where the schema has ``xsd:any``, and nowhere else.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from lxml import etree

from ehmi_ap.as4.names import (
    CHARACTER_SET_PROPERTY,
    COMPRESSION_TYPE_PROPERTY,
    DS,
    EB,
    EBBP,
    GZIP_TYPE,
    MIME_TYPE_PROPERTY,
    qname,
)
from ehmi_ap.as4.schema import (
    Cursor,
    attribute_of,
    check_attributes,
    check_foreign,
    children_of,
    filled_value,
    local_name,
    value_of,
)
from ehmi_ap.crypto.dsig import read_reference
from ehmi_ap.errors import InvalidHeader, ValueInconsistent, XmlSecurityError
from ehmi_ap.model import (
    AgreementRef,
    ErrorSignal,
    MessageId,
    Party,
    PartyId,
    Property,
    Reference,
    Service,
    UserMessage,
)
from ehmi_ap.pmode import DEFAULT_MPC


@dataclass(frozen=True, slots=True, kw_only=True)
class PartInfo:
    """eb:PartInfo (ebMS3 core 5.2.2.13). `properties` are all part properties but the three named ones."""

    href: str | None
    mime_type: str | None = None
    character_set: str | None = None
    compression: str | None = None
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserHeader:
    """eb:UserMessage as read; `message.payloads` is empty, `parts` says what they will be."""

    message: UserMessage
    parts: tuple[PartInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHeader:
    """eb:SignalMessage as read.

    `references` are a receipt's, their `xml` left empty; None when it carries no NonRepudiationInformation.
    """

    message_id: MessageId
    timestamp: datetime
    ref_to: MessageId | None = None
    is_receipt: bool = False
    references: tuple[Reference, ...] | None = None
    errors: tuple[ErrorSignal, ...] = ()
    pull_mpc: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """eb:Messaging: at most one of each, at least one of them; both only in a two-way answer."""

    user: tuple[UserHeader, ...] = ()
    signals: tuple[SignalHeader, ...] = ()


def read_messaging(messaging: etree._Element) -> Header:
    """Read eb:Messaging strictly by schema, and refuse comments inside values.

    The MessageId form (RFC 2822, ebMS3 core 5.2.2.1) is asked of user messages only: a signal answers, and an
    answer with an odd id of its own is still an answer.

    Raises:
        InvalidHeader (0009): schema, order, multiplicity, MessageId or Timestamp form, a comment inside a value,
            no message at all or two of a kind.
        ValueInconsistent (0003): two PartyIds, a bad CharacterSet, an unknown CompressionType, or one without MimeType.
    """
    check_attributes(messaging, "id")
    user: list[UserHeader] = []
    signals: list[SignalHeader] = []
    for child in children_of(messaging):
        if child.tag == _eb("UserMessage"):
            user.append(_user_message(child))
        elif child.tag == _eb("SignalMessage"):
            signals.append(_signal_message(child))
        else:
            check_foreign(child)
    if not user and not signals:
        raise InvalidHeader("eb:Messaging holds no message")
    if len(user) > 1 or len(signals) > 1:
        raise InvalidHeader(f"eb:Messaging holds {len(user)} user messages and {len(signals)} signals, not one")
    return Header(user=tuple(user), signals=tuple(signals))


def check_party_ids(header: UserHeader) -> None:
    """An untyped PartyId or Service must be a URI (ebMS3 core 5.2.2.4, 5.2.2.8; PMode.party_id_uri switches it off).

    Raises ValueInconsistent (0003).
    """
    message = header.message
    untyped: list[tuple[str, PartyId | Service]] = [
        ("From/PartyId", message.from_.id),
        ("To/PartyId", message.to.id),
        ("Service", message.service),
    ]
    for what, item in untyped:
        if item.type is None and not _URI.fullmatch(item.value):
            raise ValueInconsistent(
                f"eb:{what} has no @type and is no URI",
                fix="Ask the peer for a @type, or set party_id_uri = false in the P-Mode to take it as it is.",
            )


# -- eb:UserMessage


def _user_message(element: etree._Element) -> UserHeader:
    check_attributes(element, "mpc")
    at = Cursor(element)
    info = _message_info(at.required("MessageInfo"))
    if len(info.message_id) > _LONGEST_ID or not _MESSAGE_ID.fullmatch(info.message_id):
        raise InvalidHeader("eb:MessageId is no RFC 2822 msg-id without angle brackets")
    parties = Cursor(at.required("PartyInfo"))
    from_ = _party(parties.required("From"))
    to = _party(parties.required("To"))
    parties.end()
    agreement, service, action, conversation_id = _collaboration(at.required("CollaborationInfo"))
    properties = at.optional("MessageProperties")
    payload_info = at.optional("PayloadInfo")
    at.end(foreign=True)
    message = UserMessage(
        message_id=info.message_id,
        timestamp=info.timestamp,
        ref_to=info.ref_to,
        mpc=attribute_of(element, "mpc"),
        from_=from_,
        to=to,
        agreement=agreement,
        service=service,
        action=action,
        conversation_id=conversation_id,
        properties=() if properties is None else tuple(_properties(properties)),
        payloads=(),
    )
    return UserHeader(message=message, parts=() if payload_info is None else tuple(_part_infos(payload_info)))


@dataclass(frozen=True, slots=True)
class _MessageInfo:
    timestamp: datetime
    message_id: MessageId
    ref_to: MessageId | None


def _message_info(element: etree._Element) -> _MessageInfo:
    at = Cursor(element)
    timestamp = read_timestamp(value_of(at.required("Timestamp")))
    message_id = MessageId(filled_value(at.required("MessageId")))
    ref = at.optional("RefToMessageId")
    at.end()
    return _MessageInfo(timestamp, message_id, None if ref is None else MessageId(filled_value(ref)))


def _party(element: etree._Element) -> Party:
    at = Cursor(element)
    ids = at.some("PartyId")
    role = filled_value(at.required("Role"))
    at.end()
    if len(ids) > 1:
        raise ValueInconsistent(f"eb:{local_name(element)} has {len(ids)} PartyIds; eDelivery allows one")
    check_attributes(ids[0], "type")
    return Party(PartyId(filled_value(ids[0]), attribute_of(ids[0], "type")), role)


def _collaboration(element: etree._Element) -> tuple[AgreementRef | None, Service, str, str]:
    at = Cursor(element)
    agreement = at.optional("AgreementRef")
    service = at.required("Service")
    action = filled_value(at.required("Action"))
    conversation_id = value_of(at.required("ConversationId"))  # may be empty (ENTSOG; as4-wire 9.35)
    at.end()
    check_attributes(service, "type")
    agreed = None
    if agreement is not None:
        check_attributes(agreement, "type", "pmode")  # @pmode is a hint that we do not take (as4-wire 2.2)
        agreed = AgreementRef(filled_value(agreement), attribute_of(agreement, "type"))
    return agreed, Service(filled_value(service), attribute_of(service, "type")), action, conversation_id


def _properties(element: etree._Element) -> Iterator[Property]:
    at = Cursor(element)
    for item in at.some("Property"):
        check_attributes(item, "name", "type")
        name = attribute_of(item, "name")
        if name is None:
            raise InvalidHeader("an eb:Property has no @name")
        yield Property(name, value_of(item), attribute_of(item, "type"))
    at.end()


def _part_infos(element: etree._Element) -> Iterator[PartInfo]:
    at = Cursor(element)
    for part in at.some("PartInfo"):
        check_attributes(part, "href")
        inside = Cursor(part)
        schema = inside.optional("Schema")
        if schema is not None:
            check_attributes(schema, "location", "version", "namespace")
        inside.optional("Description")
        properties = inside.optional("PartProperties")
        inside.end()
        given = () if properties is None else tuple(_properties(properties))
        yield _part_info(attribute_of(part, "href"), given)
    at.end()


def _part_info(href: str | None, given: Iterable[Property]) -> PartInfo:
    """Tell the three properties that AS4 gives meaning to from the rest (AS4 1.0 3.1; as4-wire 2.2)."""
    named: dict[str, str] = {}
    rest: list[Property] = []
    for item in given:
        if item.name not in _NAMED:
            rest.append(item)
        elif item.name in named:
            raise ValueInconsistent(f"a PartInfo has the property {item.name} twice")
        else:
            named[item.name] = item.value
    mime_type = named.get(MIME_TYPE_PROPERTY) or None
    character_set = named.get(CHARACTER_SET_PROPERTY)
    compression = named.get(COMPRESSION_TYPE_PROPERTY)
    if compression is not None and compression != GZIP_TYPE:
        raise ValueInconsistent("a PartInfo has a CompressionType other than application/gzip")
    if compression is not None and mime_type is None:
        raise ValueInconsistent("a PartInfo has a CompressionType but no MimeType")
    if character_set is not None and not _CHARACTER_SET.fullmatch(character_set):
        raise ValueInconsistent("a PartInfo has a CharacterSet that is no character set name")
    return PartInfo(
        href=href, mime_type=mime_type, character_set=character_set, compression=compression, properties=tuple(rest)
    )


# -- eb:SignalMessage


def _signal_message(element: etree._Element) -> SignalHeader:
    """Attributes that the schema does not know do no harm here: an answer with one is still an answer."""
    at = Cursor(element)
    info = _message_info(at.required("MessageInfo"))
    pull = at.optional("PullRequest")
    receipt = at.optional("Receipt")
    errors = at.many("Error")
    at.end(foreign=True)
    if pull is None and receipt is None and not errors:
        raise InvalidHeader("eb:SignalMessage holds no PullRequest, Receipt or Error")
    return SignalHeader(
        message_id=info.message_id,
        timestamp=info.timestamp,
        ref_to=info.ref_to,
        is_receipt=receipt is not None,
        references=None if receipt is None else _receipt(receipt),
        errors=tuple(_error(error, info.ref_to) for error in errors),
        pull_mpc=None if pull is None else (attribute_of(pull, "mpc") or DEFAULT_MPC),
    )


def _receipt(element: etree._Element) -> tuple[Reference, ...] | None:
    """The ds:References of the NonRepudiationInformation; foreign children beside it are no fault (as4-wire 5.1)."""
    children = children_of(element)
    if not children:
        raise InvalidHeader("eb:Receipt is empty")
    found = [child for child in children if child.tag == qname(EBBP, "NonRepudiationInformation")]
    if len(found) > 1:
        raise InvalidHeader("eb:Receipt holds two NonRepudiationInformation elements")
    if not found:
        return None
    references: list[Reference] = []
    for part in children_of(found[0]):
        if part.tag != qname(EBBP, "MessagePartNRInformation"):
            raise InvalidHeader("NonRepudiationInformation holds something other than MessagePartNRInformation")
        inner = children_of(part)
        if len(inner) != 1 or inner[0].tag != qname(DS, "Reference"):
            return None  # a MessagePartIdentifier names a part, but proves nothing about it
        references.append(_reference(inner[0]))
    return tuple(references) or None


def _reference(element: etree._Element) -> Reference:
    try:
        return read_reference(element).noun(with_xml=False)
    except XmlSecurityError:
        raise InvalidHeader("a ds:Reference in the receipt is malformed") from None


def _error(element: etree._Element, ref_to: MessageId | None) -> ErrorSignal:
    """eb:Error (ebMS3 core 6.2). Severity is normalised by code: peers write error, fatal, or 0006 as a failure."""
    code = element.get("errorCode", "").strip()
    if not code:
        raise InvalidHeader("an eb:Error has no @errorCode")
    at = Cursor(element)
    description = at.optional("Description")
    detail = at.optional("ErrorDetail")
    at.end(foreign=True)
    named = element.get("refToMessageInError", "").strip()
    return ErrorSignal(
        code=code,
        severity=_severity(code, element.get("severity", "")),
        ref_to=MessageId(named) if named else ref_to,
        short=element.get("shortDescription", ""),
        category=element.get("category", ""),
        origin=element.get("origin", ""),
        description="" if description is None else value_of(description),
        detail="" if detail is None else value_of(detail),
    )


def _severity(code: str, written: str) -> str:
    if code == "EBMS:0006":
        return "warning"
    return "warning" if written.strip().lower() == "warning" else "failure"


# -- values


def read_timestamp(text: str) -> datetime:
    """An xsd:dateTime as UTC: with Z, with an offset, or without a zone (then it is UTC); any fraction (as4-wire 2.2).

    Raises InvalidHeader.
    """
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise InvalidHeader("an eb:Timestamp is no xsd:dateTime")
    fraction = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        local = datetime(year, month, day, hour, minute, second, fraction, UTC)
        if not match["sign"]:
            return local
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
        zone = timezone(-offset if match["sign"] == "-" else offset)
        return local.replace(tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidHeader("an eb:Timestamp names a time that does not exist") from None


def _eb(local: str) -> str:
    return qname(EB, local)


_NAMED = (MIME_TYPE_PROPERTY, CHARACTER_SET_PROPERTY, COMPRESSION_TYPE_PROPERTY)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
_CHARACTER_SET = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = rf"{_ATOM}(?:\.{_ATOM})*"
_LONGEST_ID = 998  # a line of RFC 2822 (2.1.1) has no more; the id is stored, logged and sent back
_MESSAGE_ID = re.compile(  # RFC 2822 3.6.4
    rf'(?:{_DOT_ATOM}|"(?:[\x21\x23-\x5b\x5d-\x7e]|\\[\x21-\x7e])*")'
    rf"@(?:{_DOT_ATOM}|\[(?:[\x21-\x5a\x5e-\x7e]|\\[\x21-\x7e])*\])"
)
_TIMESTAMP = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
    r"T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})(?:\.(?P<fraction>[0-9]{1,32}))?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[0-9]{2}):(?P<minutes>[0-9]{2}))?"
)
