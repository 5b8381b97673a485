"""What the flows need of the outside world. Implemented by store/, net/ and backends/."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from ehmi_ap.body import Body, Spool
from ehmi_ap.correlation import Enveloped, Envelopes
from ehmi_ap.envelope import Answer
from ehmi_ap.lifecycle import Happening, State
from ehmi_ap.model import (
    DeliveryEvent,
    Direction,
    MessageId,
    PartyId,
    Reference,
    Signed,
    Submission,
    UserMessage,
    Wire,
)
from ehmi_ap.questions import DnsAnswer, DnsQuestion, WebAnswer, WebQuestion
from ehmi_ap.reports import Reports


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed message: ours until its lease runs out. `attempts` counts this one; `key` is the store's row."""

    key: int
    message: UserMessage
    pmode: str
    backend: str
    lane: str  # whom it waits with: what claim() can pass over
    attempts: int
    first_at: datetime  # when it was accepted, received or last re-opened by an operator
    signed: Signed | None = None  # outbound: what an earlier attempt signed
    signers: tuple[bytes, ...] = ()  # outbound: certificates (DER) that look-ups found to sign its receipts
    lost_code: str | None = None  # outbound: Unsettled.code of the last attempt that missed


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the store answers to keep(): the reply that goes out, and whether the message was there before."""

    reply: Wire
    duplicate: bool = False
    same: bool = True  # False: same MessageId and sender, other digests (design decision 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What is known of a message we sent, to judge a signal that names it."""

    key: int
    message: UserMessage
    pmode: str
    backend: str
    state: State
    references: tuple[Reference, ...]  # empty: never signed yet
    signers: tuple[bytes, ...] = ()  # certificates (DER) that look-ups found to sign its receipts


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A stored message as faces show it. Payload bodies may be gone (purged): see `payloads_kept`."""

    key: int
    direction: Direction
    state: State
    message: UserMessage
    pmode: str
    backend: str
    attempts: int
    first_at: datetime
    changed_at: datetime
    due: datetime | None
    has_receipt: bool
    payloads_kept: bool
    last_code: str | None = None
    last_detail: str = ""
    answers: MessageId | None = None  # the message that its envelope answers
    answered_by: tuple[Answer, ...] = ()  # the first few, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Filters of a list; None is any. Newest first, or oldest first where asked.

    `after` is the `key` of the last one of the page before, in the same order.
    """

    direction: Direction | None = None
    states: tuple[State, ...] = ()
    message_id: MessageId | None = None
    party: str | None = None  # PartyId value of the partner
    participant: str | None = None  # value of originalSender or finalRecipient
    conversation_id: str | None = None
    backend: str | None = None
    since: datetime | None = None
    after: int | None = None
    oldest_first: bool = False
    limit: int = 50


class Blobs(Protocol):
    """Where bodies live while they are written and after they are stored."""

    def spool(self, *, kept: bool = True, read_soon: bool = True) -> Spool:
        """A new spool: in memory below a threshold, a file of the store above it.

        `kept`: it will be stored, so the disk may begin while it is written. `read_soon`: somebody is about to read it,
        so it may stay in the system's page cache.
        """

    def owns(self, body: Body) -> bool:
        """Whether nobody but us can change these bytes any more: they are in memory, or in a file of the store."""


class Store(Protocol):
    """Durable state. Every method that writes is one transaction, durable when it returns.

    Bodies made by this store's `Blobs` are adopted, not copied. Raises StoreError when the disk or the
    database fails; nothing is stored then. Where a message was given a status, each event of it that EDS is told
    becomes a report, in the event's transaction.
    """

    reports: Reports
    envelopes: Envelopes

    async def accept(
        self,
        message: UserMessage,
        *,
        pmode: str,
        backend: str,
        fingerprint: bytes,
        events: Sequence[DeliveryEvent],
        signed: Signed | None = None,
        signers: Sequence[bytes] = (),
        lease: float | None = None,
        enveloped: Enveloped | None = None,
    ) -> int | None:
        """Keep an outbound message, due since its first event: the key of its row. None: it is there already.

        `signed` is kept with it, as by keep_signed(), and `signers` as by keep_found(). With a `lease` (seconds) the
        caller has claimed it at once, as by claim() at the time of the first event: its first attempt is the caller's.

        Raises SubmissionConflict for the same MessageId with another fingerprint.
        """

    async def keep(
        self,
        message: UserMessage,
        *,
        pmode: str,
        backend: str,
        fingerprint: bytes,
        reply: Wire,
        state: State,
        fetched: bool,
        events: Sequence[DeliveryEvent],
        repeated: DeliveryEvent,
        enveloped: Enveloped | None = None,
    ) -> Kept:
        """Keep an inbound message and its receipt in one transaction; return the reply to send.

        The duplicate key is From PartyId (value and type) and MessageId (design decision 22). For a message
        already kept nothing changes but that the event `repeated` is written, and the reply is the first one.
        `state` is RECEIVED or, for a test message, ANSWERED; `fetched` says that C4 fetches it itself, so that
        no deliverer claims it.
        """

    async def claim(
        self, direction: Direction, *, now: datetime, lease: float, limit: int, pass_over: Collection[str] = ()
    ) -> Sequence[Job]:
        """Claim up to `limit` due messages, oldest due first; leases in seconds. Includes those whose lease ran out.

        `pass_over` names lanes whose messages are left alone this time: they have enough in flight, and one slow
        partner must not hold up the others. A lane is a P-Mode (outbound; found_lane() where a look-up found the
        access point) or a backend (inbound).
        """

    async def next_due(self, direction: Direction, *, pass_over: Collection[str] = ()) -> datetime | None:
        """When the next unclaimed message becomes due, or a lease runs out; `pass_over` as in claim()."""

    async def renew(self, keys: Collection[int], *, now: datetime, lease: float) -> None:
        """Prolong the leases of messages still worked on (states SENDING, DELIVERING) to `now` + `lease` seconds."""

    async def keep_signed(self, key: int, signed: Signed) -> None:
        """Keep what was signed, before its first byte leaves, so that every retry carries the same digests."""

    async def keep_found(
        self,
        key: int,
        *,
        attempt: int,
        to: PartyId,
        signers: Sequence[bytes],
        signed: Signed | None,
        events: Sequence[DeliveryEvent],
    ) -> bool:
        """Keep what a look-up found for an outbound message, before its first byte leaves.

        It goes `to` this access point now, in the lane of found_lane(); `signers` are added to the certificates that
        may sign its receipts. `signed` replaces what was signed before, for another access point; None: that stays.
        False: nothing was done, as the claim is another's by now (`attempt` is Job.attempts) or the message settled.
        """

    async def settle(
        self,
        key: int,
        happening: Happening,
        *,
        now: datetime,
        due: datetime | None = None,
        receipt: Wire | None = None,
        code: str | None = None,
        detail: str = "",
        events: Sequence[DeliveryEvent] = (),
        attempt: int | None = None,
    ) -> bool:
        """Apply one row of lifecycle.TRANSITIONS, with its events. False: the state does not allow it (any more).

        `attempt` (Job.attempts) makes MISSED and GIVEN_UP count only for the worker whose claim it is: one whose
        lease ran out must not take the message from the one who claimed it next. A receipt counts from anybody.
        `due` is for MISSED, None is at once. RESENT starts anew: attempts 0, first_at and due now.
        """

    async def record(self, events: Sequence[DeliveryEvent]) -> None:
        """Write events that change no state."""

    async def sent(self, message_id: MessageId) -> Sent | None:
        """What we know of a message we sent."""

    async def find(self, query: Query) -> Sequence[Stored]: ...

    async def get(self, key: int) -> Stored | None: ...

    async def receipt(self, key: int) -> Wire | None:
        """Outbound: the receipt we got. Inbound: the one we gave."""

    async def events(
        self,
        *,
        after: int = 0,
        message_id: MessageId | None = None,
        direction: Direction | None = None,
        limit: int = 500,
    ) -> Sequence[DeliveryEvent]:
        """Events with a seq above `after`, ascending."""

    async def undelivered_events(self, backend: str, *, limit: int) -> Sequence[DeliveryEvent]:
        """Events that this backend was not told yet, ascending."""

    async def events_delivered(self, backend: str, seqs: Sequence[int]) -> None: ...

    async def purge(
        self,
        *,
        payloads_before: datetime,
        messages_before: datetime,
        failed_payloads_before: datetime | None = None,
    ) -> int:
        """Delete payloads of final messages older than the one, whole final messages older than the other.

        Final are the states out of which lifecycle.TRANSITIONS leads nowhere. What failed waits for a person, but not
        for ever: its payloads go when they are older than `failed_payloads_before` (None: never), and it itself when
        it is older than `messages_before` as well. Events go with their message, those of no message with
        `messages_before`. Returns how many messages were touched.
        """

    async def counts(self) -> Mapping[tuple[Direction, State], int]:
        """How many messages are in each state, for metrics and health."""

    async def check(self) -> None:
        """Raises StoreError when nothing could be stored now: the disk is full or fails, or the store is closed."""

    async def close(self) -> None: ...


class Reach(Enum):
    """Which addresses a URL may lead to; whoever publishes one must not reach what only we can reach (SSRF)."""

    ANY = "any"  # the operator wrote it
    CLOSED = "closed"  # also those of a closed network, such as RFC 1918's
    GLOBAL = "global"


class Web(Protocol):
    """HTTP to the peers."""

    async def post(
        self, url: str, wire: Wire, *, timeout: float, tls_trust: str | None, reach: Reach = Reach.ANY
    ) -> Wire:
        """POST an AS4 message; the answer whatever its status, bounded. Raises TransportError."""


class Dns(Protocol):
    """A resolver."""

    async def ask(self, question: DnsQuestion) -> DnsAnswer:
        """Ask once, and not the server of `again_after`; raises nothing.

        That a name is not there is confirmed by the look-up, which asks again: so both answers are among its steps.
        """


class Documents(Protocol):
    """Documents over HTTP that discovery asks for."""

    async def fetch(self, question: WebQuestion) -> WebAnswer:
        """Ask once, within bounds of time and bytes; raises nothing."""


class Backend(Protocol):
    """C4's side, and C1's for events. Only `deliver` is needed; see docs/how-to/write-a-backend.md.

    `fetches` True: C4 fetches its messages from us (REST inbox), deliver() is never called.
    """

    fetches: bool

    async def deliver(self, message: UserMessage) -> None:
        """Hand the message on; returning means that C4 has it durably. Raises BackendError to be called again.

        It is called again after a crash in between: `(message.from_.id, message.message_id)` names the message.
        """

    async def notify(self, event: DeliveryEvent) -> None:
        """Tell C1 or C4 what happened to a message of theirs; at least once."""

    async def run(self, submit: "Submit") -> None:
        """Feed C1's submissions to `submit` until cancelled; return at once if there is nothing to feed."""


class Submit(Protocol):
    """What a backend calls with what C1 wants sent; durable when it returns. Raises SubmissionError."""

    async def __call__(self, submission: Submission) -> MessageId: ...


def found_lane(pmode: str, to: PartyId) -> str:
    """The lane of messages under one P-Mode that look-ups lead to one access point."""
    return f"{pmode} {party_key(to)}"


def party_key(party: PartyId) -> str:
    """One string for a PartyId, for keys and names: type and value, unambiguous."""
    return f"{len(party.type or '')}:{party.type or ''}:{party.value}"
