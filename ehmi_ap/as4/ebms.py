"""Reading eb:Messaging: its schema, order and multiplicity, and the values in it (as4-wire 2; ebMS3 core 5.2).

STUB in the making: signatures are final, bodies follow.
"""

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from ehmi_ap.model import ErrorSignal, MessageId, Property, Reference, UserMessage


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
    """eb:SignalMessage as read. `references` are a receipt's, None when it carries no NonRepudiationInformation."""

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

    Raises:
        InvalidHeader (0009): schema, order, multiplicity, MessageId or Timestamp form, a comment inside a value,
            no message at all or two of a kind.
        ValueInconsistent (0003): two PartyIds, a bad CharacterSet, an unknown CompressionType, or one without MimeType.
    """
    raise NotImplementedError


def check_party_ids(header: UserHeader) -> None:
    """An untyped PartyId or Service must be a URI (ebMS3 core 5.2.2.4, 5.2.2.8; PMode.party_id_uri switches it off).

    Raises ValueInconsistent (0003).
    """
    raise NotImplementedError
