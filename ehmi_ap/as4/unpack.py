"""Wire -> Verified | Signal | Rejected. (Signatures published; bodies follow.)"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.body import NewSpool
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Keys, Trust
from ehmi_ap.crypto.safexml import XmlLimits
from ehmi_ap.errors import PeerError
from ehmi_ap.model import MessageId, Reference, UserMessage, Wire
from ehmi_ap.pmode import PMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A message whose signature, signer and parts hold; made by unpack() alone, read only from what was signed."""

    message: UserMessage
    signer: Certificate
    pmode: PMode
    references: tuple[Reference, ...]
    test: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A POSTed receipt or error, not verified: judge it with conclude(). `ref_to` names the messages it is about."""

    ref_to: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """What is answered with `error`.

    `ref_to` and `pmode` are None where the header could not be read or matched. `message` is the header without
    payloads, only when signature, signer and binding held, so that C4 may be told (notify_consumer).
    """

    error: PeerError
    ref_to: MessageId | None = None
    pmode: PMode | None = None
    message: UserMessage | None = None


def unpack(
    wire: Wire,
    *,
    pmodes: Sequence[PMode],
    keys: Keys,
    trust: Trust,
    now: datetime,
    new_spool: NewSpool,
    limits: XmlLimits = XmlLimits(),
) -> Verified | Signal | Rejected:
    """Read a request. Never raises PeerError; the first failing step of as4-wire 6.4 decides."""
    raise NotImplementedError
