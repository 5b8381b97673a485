"""The demo's timeline: what both access points and the registry's servers noted of one exchange, in its order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ehmi_ap.demo.network import Seen
from ehmi_ap.demo.registry import Asked
from ehmi_ap.discovery.found import Found, Result
from ehmi_ap.model import DeliveryEvent, Direction, EventKind

Events = tuple[DeliveryEvent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of the timeline: when (seconds after C1 began), between whom, and what happened."""

    after: float
    where: str
    what: str


def timeline(
    begun: datetime,
    submitted: datetime,
    size: int,
    sent: Events,
    delivered: Events,
    asked: Sequence[Asked],
    lookup: Result | None,
    wire: Seen | None,
) -> tuple[Step, ...]:
    """From when C1 began to post and had its answer, the events of either side, questions, look-up and wire."""
    moments = [
        (begun, "C1 -> C2", f"C1 posts the document, {size:,} bytes, signed"),
        (submitted, "C2 -> C1", "C1 has the message id: C2 will send it, come what may"),
    ]
    if wire is not None:
        # An answer that does not settle the message well is an eb:Error, or no AS4 message at all.
        answer = "receipt" if delivered else "refusal"
        moments += [
            (wire.request.at, "C2 -> C3", f"AS4 message, {wire.request.size:,} bytes: compressed, signed, encrypted"),
            (wire.answer.at, "C3 -> C2", f"AS4 {answer}, {wire.answer.size:,} bytes"),
        ]
    moments += [(each.at, f"C2 -> {each.where}", each.what) for each in asked]
    moments += [(event.at, *_told(event, lookup)) for event in (*sent, *delivered)]
    return tuple(
        Step(after=(at - begun).total_seconds(), where=where, what=what)
        for at, where, what in sorted(moments, key=lambda moment: moment[0])
    )


def _told(event: DeliveryEvent, lookup: Result | None) -> tuple[str, str]:
    """An event of the timeline in words."""
    told = {
        (EventKind.RECEIVED, Direction.OUTBOUND): (
            "at C2",
            "msg-received: C1's signature holds, checks passed, stored",
        ),
        (EventKind.DISCOVERED, Direction.OUTBOUND): ("at C2", f"discovered: {_where(lookup)}"),
        (EventKind.SENT, Direction.OUTBOUND): ("at C2", "msg-sent: the receipt is verified and stored"),
        (EventKind.RECEIVED, Direction.INBOUND): (
            "at C3",
            "msg-received: decrypted, verified and stored with its receipt",
        ),
        (EventKind.SENT, Direction.INBOUND): ("C3 -> C4", "msg-sent: C4 has the document, signed"),
    }
    where, what = told.get((event.kind, event.direction), ("", event.kind.value))
    if event.failed or not where:
        where = "at C2" if event.direction is Direction.OUTBOUND else "at C3"
        what = " ".join(filter(None, (event.kind.value, "failed" if event.failed else "", event.code, event.detail)))
    return where, what


def _where(lookup: Result | None) -> str:
    if not isinstance(lookup, Found):
        return "nothing"
    endpoint = lookup.endpoint
    return f"{endpoint.url}, certificate of {endpoint.encryption.subject}; metadata signed by {lookup.signer}"
