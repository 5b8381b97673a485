"""The nouns. Frozen values that flow through the access point, named as the specs name them.

What is sent:     Submission -> UserMessage -> Signed (kept for retries) -> Packed -> Wire -> peer
What comes back:  Wire -> Outcome = Acknowledged | Refused | Unsettled
What is received: Wire -> as4.unpack.Verified -> Receipt -> Wire
Everywhere:       DeliveryEvent
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NewType

from ehmi_ap.body import Body

MessageId = NewType("MessageId", str)
"""An RFC 2822 msg-id without angle brackets (ebMS3 core 5.2.2.1)."""

_ATOMS = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_MESSAGE_ID = re.compile(rf"{_ATOMS}@(?:{_ATOMS}|\[[!-Z^-~]*\])")


def is_message_id(text: str) -> bool:
    """Whether C1 may give this as a MessageId: RFC 2822 3.6.4 without quoted strings, at most 255 characters."""
    return len(text) <= 255 and _MESSAGE_ID.fullmatch(text) is not None


class Direction(Enum):
    OUTBOUND = "outbound"  # C1 -> C2 -> C3: ours to send
    INBOUND = "inbound"  # C2 -> C3 -> C4: ours to deliver


@dataclass(frozen=True, slots=True)
class PartyId:
    """eb:PartyId (ebMS3 core 5.2.2.4): `type` is None only for a value that is itself a URI."""

    value: str
    type: str | None = None

    def __str__(self) -> str:
        return f"{self.type}:{self.value}" if self.type else self.value


UNDISCOVERED = PartyId("")
"""In eb:To of an outbound message whose access point a look-up has yet to find. No eb:PartyId on the wire is empty."""


@dataclass(frozen=True, slots=True)
class Party:
    """An access point (C2 or C3) in a role: eb:From or eb:To."""

    id: PartyId
    role: str


@dataclass(frozen=True, slots=True)
class Participant:
    """An end entity (C1 or C4): the value and @type of originalSender or finalRecipient."""

    value: str
    scheme: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}::{self.value}" if self.scheme else self.value


@dataclass(frozen=True, slots=True)
class Organisation:
    """A health organisation by its SOR code and its GLN, as delivery status and its tokens name it (spec/eds.md 4)."""

    sor: str
    gln: str


@dataclass(frozen=True, slots=True)
class Service:
    """eb:Service (ebMS3 core 5.2.2.8)."""

    value: str
    type: str | None = None

    def __str__(self) -> str:
        return f"{self.type}:{self.value}" if self.type else self.value


@dataclass(frozen=True, slots=True)
class AgreementRef:
    """eb:AgreementRef (ebMS3 core 5.2.2.7)."""

    value: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """eb:Property of a message or of a part."""

    name: str
    value: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """One eb:PartInfo with its bytes, never compressed: C1 submits and C4 gets these bytes.

    `content_id` has no angle brackets and no `cid:`; None lets the access point choose. `properties` are the
    part properties but for MimeType, CharacterSet and CompressionType. `jws` is a signature over the bytes
    (crypto.jws): C1's when it submits, ours when C4 gets them; it is no part of the message, and not kept.
    """

    body: Body
    mime_type: str
    content_id: str | None = None
    character_set: str | None = None
    properties: tuple[Property, ...] = ()
    jws: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What C1 asks: carry these payloads. What is None comes from the P-Mode, the envelope or ourselves.

    The P-Mode is `pmode` when named; otherwise the one that fits `to`, `service`, `action` and `agreement`
    as far as they are given.
    """

    payloads: tuple[Payload, ...]
    message_id: MessageId | None = None
    ref_to: MessageId | None = None
    conversation_id: str | None = None
    pmode: str | None = None
    to: PartyId | None = None
    service: Service | None = None
    action: str | None = None
    agreement: AgreementRef | None = None
    sender: Participant | None = None
    receiver: Participant | None = None
    tracking_id: str | None = None
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """eb:UserMessage with its payloads. `properties` holds the four-corner ones too, in wire order.

    `to` is UNDISCOVERED only in an outbound message that was not signed yet.
    """

    message_id: MessageId
    timestamp: datetime
    from_: Party
    to: Party
    service: Service
    action: str
    conversation_id: str
    payloads: tuple[Payload, ...]
    ref_to: MessageId | None = None
    mpc: str | None = None
    agreement: AgreementRef | None = None
    properties: tuple[Property, ...] = ()

    def participant(self, name: str) -> Participant | None:
        """The end entity in the message property `name` (originalSender, finalRecipient), if it is there."""
        for item in self.properties:
            if item.name == name:
                return Participant(item.value, item.type)
        return None


@dataclass(frozen=True, slots=True)
class Reference:
    """A ds:Reference, as it was signed.

    Receipts are compared by the first four fields; `xml` is the element's exclusive canonical form, which a
    receipt repeats verbatim (AS4 1.0 5.1.8). It is empty in a receipt that we got: nobody repeats that.
    """

    uri: str
    digest_method: str
    digest: bytes
    transforms: tuple[str, ...]
    xml: bytes

    def key(self) -> tuple[str, str, bytes, tuple[str, ...]]:
        return (self.uri, self.digest_method, self.digest, self.transforms)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPart:
    """A payload as it was signed: compressed or not, not encrypted. `mime_type` is that of these bytes."""

    content_id: str
    mime_type: str
    body: Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A message compressed and signed, not yet encrypted: kept, so that every retry carries the same digests."""

    envelope: bytes
    parts: tuple[SignedPart, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """A body as it travels, with the one header needed to read it; an answer also has its HTTP status."""

    content_type: str
    body: Body
    status: int = 200
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A message secured and serialised for one attempt, with the references its receipt must echo."""

    message_id: MessageId
    wire: Wire
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A non-repudiation receipt (AS4 1.0 5.1.8)."""

    message_id: MessageId
    ref_to: MessageId
    timestamp: datetime
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSignal:
    """One eb:Error (ebMS3 core 6.2). `signed_by` is the SHA-256 of a verified signer, None if not verified."""

    code: str
    severity: str
    ref_to: MessageId | None = None
    short: str = ""
    category: str = ""
    origin: str = ""
    description: str = ""
    detail: str = ""
    signed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A verified receipt for exactly what was sent; `wire` is kept as evidence."""

    receipt: Receipt
    wire: Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The peer answered with an ebMS error of severity failure."""

    errors: tuple[ErrorSignal, ...]

    @property
    def says_duplicate(self) -> bool:
        """The peer says that it has this message already (design decision 18; phase4, EBMS:4001 or 0004)."""
        return any(
            e.code == "EBMS:4001" or (e.code == "EBMS:0004" and "duplicate" in f"{e.description} {e.detail}".lower())
            for e in self.errors
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """No usable answer (0301), a receipt that proves nothing (0302, 0101), no connection (0005); or we sent nothing."""

    code: str
    reason: str
    retryable: bool = True
    retry_after: float | None = None  # seconds


Outcome = Acknowledged | Refused | Unsettled
"""What one attempt to send came to."""


class EventKind(Enum):
    """What can happen to a message. The first two are EHMI's EDS subtypes; the rest is our own timeline."""

    RECEIVED = "msg-received"  # from C1 at C2, from C2 at C3
    SENT = "msg-sent"  # receipt verified at C2, handed to C4 at C3; failed=True: given up
    DISCOVERED = (
        "discovered"  # a look-up found the receiver's access point, for the first time or elsewhere than before
    )
    ATTEMPT = "attempt"  # one attempt to send or to deliver did not settle it
    ERROR = "error-received"  # the peer answered, or posted, an eb:Error
    REFUSED = "refused"  # we refused a message of the peer after we knew its sender (0303 and others)
    DUPLICATE = "duplicate"  # the same message arrived again; answered, not delivered
    RESENT = "resent"  # an operator opened it again
    ANSWERED = "answered"  # an envelope receipt (failed=True: negative) or acknowledgement of it passed: `code`
    UNANSWERED = "unanswered"  # its envelope receipt did not pass by the time that the envelope says
    SEEN_BEFORE = "seen-before"  # ids of its envelope, or a receipt for what it answers, came before: `code` says how


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEvent:
    """Something that happened to a message, written in the transaction that made it true.

    `seq` is given by the store, ascending; `detail` never holds a patient id or payload.
    """

    kind: EventKind
    message_id: MessageId
    direction: Direction
    at: datetime
    failed: bool = False
    code: str | None = None
    detail: str = ""
    backend: str = ""
    seq: int = 0
