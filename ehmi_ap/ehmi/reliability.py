"""Reliable messaging between message service handlers: duplicates, resends, receipts (spec/ehmi.md 3.3).

Pure rules: the caller remembers ids and outcomes, durably, and does what they say. Retries of an access point are a
matter below: they carry the same envelope, byte for byte (design decision 2).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.checks import RECEIPT_WITHIN
from ehmi_ap.ehmi.envelope_text import ContentNamespace, write
from ehmi_ap.ehmi.header import Header
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.ehmi.wrap import request_scope
from ehmi_ap.envelope import Kind


@dataclass(frozen=True, slots=True)
class Ids:
    """What a receiver remembers of an envelope: who sent it, its EnvelopeIdentifier and its MessageIdentifier.

    MessageIdentifier is the scope MESSAGEIDENTIFIER (O-8). The sender belongs to it, so that nobody can use up the ids
    of another.
    """

    sender: str
    envelope: str
    message: str


def envelope_ids(header: Header) -> Ids:
    """The ids of an envelope; its own also stands for the message's where that scope is missing."""
    message = header.scope("MESSAGEIDENTIFIER") or header.instance_identifier
    return Ids(header.sender.value, header.instance_identifier, message)


class Arrival(StrEnum):
    """What to do with an envelope that came."""

    ACCEPT = "accept"  # nothing is known of it: use it, then answer
    REPEAT = "repeat"  # known: ignore and log it, send the same receipt again
    RESEND = "resend"  # a new envelope around a known message: the receipt was lost; send its content anew (`resend`)
    REFUSE = "refuse"  # an id was used again: use nothing; a negative receipt (Sequence) may be sent


def arrival(*, message_of_envelope: str | None, message: str, message_known: bool) -> Arrival:
    """The duplicate table of ehmi.md 3.3.

    Args:
        message_of_envelope: the MessageIdentifier with which this EnvelopeIdentifier came before; None: it is new.
        message: the MessageIdentifier with which it comes now.
        message_known: whether that one came before, in whatever envelope.
    """
    if message_of_envelope is None:
        return Arrival.RESEND if message_known else Arrival.ACCEPT
    return Arrival.REPEAT if message == message_of_envelope else Arrival.REFUSE


class ReceiptArrival(StrEnum):
    """What to do with a receipt that came."""

    TAKE = "take"  # the first one: it settles the envelope
    IGNORE = "ignore"  # the same again: ignore and log it
    CONTRADICTION = "contradiction"  # positive after negative or the reverse, which is not allowed: tell a person


def receipt_arrival(*, earlier: bool | None, positive: bool) -> ReceiptArrival:
    """What a receipt means beside the `earlier` one for the same envelope (True: positive; None: there was none)."""
    if earlier is None:
        return ReceiptArrival.TAKE
    return ReceiptArrival.IGNORE if earlier is positive else ReceiptArrival.CONTRADICTION


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendPolicy:
    """When an envelope without a receipt is sent again (O-9).

    `automatic` is for the caller: by default RESEND is what an operator may do, and a program does not.
    """

    overdue_after: timedelta = RECEIPT_WITHIN
    resend_after: timedelta = timedelta(minutes=30)
    most: int = 2
    automatic: bool = False


class Waiting(StrEnum):
    """What an envelope without a receipt has come to."""

    WAIT = "wait"
    OVERDUE = "overdue"  # tell a person; too early to send it again
    RESEND = "resend"  # it may be sent again (`resend`)
    EXHAUSTED = "exhausted"  # it was sent as often as it may be: a person has to act


def waiting(policy: ResendPolicy, *, sent_at: datetime, resends: int, now: datetime) -> Waiting:
    """Where an envelope stands that was last sent at `sent_at`, after so many `resends`; times are aware."""
    waited = now - sent_at
    if waited < policy.overdue_after:
        return Waiting.WAIT
    if waited < policy.resend_after:
        return Waiting.OVERDUE
    return Waiting.RESEND if resends < policy.most else Waiting.EXHAUSTED


def resend(
    envelope: bytes,
    *,
    now: datetime,
    new_uuid: Callable[[], UUID],
    namespace: ContentNamespace = "peppol",
) -> bytes:
    """The envelope with a new EnvelopeIdentifier and time, everything else as it was (ehmi.md 3.3).

    A request's correlation repeats the new ones, as in every request; a receipt's still names what it answers. What was
    modified is no resend: wrap it anew.

    Raises:
        EnvelopeError: it is no right ehmiSBDH.
    """
    old = unwrap(envelope)
    envelope_id = str(new_uuid())
    header = replace(old.header, instance_identifier=envelope_id, created_at=now.isoformat(timespec="seconds"))
    if header.kind is not Kind.RECEIPT:
        scopes = (
            request_scope(envelope_id, now) if each.type in names.RELIABLE_SCOPES else each for each in header.scopes
        )
        header = replace(header, scopes=tuple(scopes))
    return write(header, old.content, namespace)
