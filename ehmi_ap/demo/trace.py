"""Track and trace: the way of an envelope as EDS knows it. It has AuditEvents alone; no document is opened for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ehmi_ap.ehmi.auditevent import Deed

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """What one event says: when, at which station (its device), what it did with the envelope, and whether it did."""

    at: datetime
    station: str
    deed: str
    failed: bool


def trace(events: Iterable[Json], envelope: str) -> tuple[Passage, ...]:
    """The events of the envelope with this InstanceIdentifier, by the time that each says of itself."""
    passages = (_passage(event) for event in events if _envelope(event) == envelope)
    return tuple(sorted(passages, key=lambda passage: passage.at))


def is_whole(passages: Sequence[Passage], stations: Sequence[str]) -> bool:
    """Whether it went through these stations, in their order, each of which received it and then sent it on."""
    at = [[each for each in passages if each.station == station] for station in stations]
    came = [each[0].at for each in at if each]
    done = all([each.deed for each in station] == [Deed.RECEIVED, Deed.SENT] for station in at)
    known = len(passages) == sum(map(len, at))
    return done and known and came == sorted(came) and not any(each.failed for each in passages)


def _passage(event: Json) -> Passage:
    return Passage(
        at=datetime.fromisoformat(event["recorded"]),
        station=event["source"]["observer"]["identifier"]["value"],
        deed=event["subtype"][0]["code"],
        failed=event["outcome"] != "0",
    )


def _envelope(event: Json) -> str | None:
    entities = (each for each in event["entity"] if each["type"]["code"] == "ehmiTransportEnvelope")
    return next((each["what"]["identifier"]["value"] for each in entities), None)
