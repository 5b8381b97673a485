"""What look-ups come to, as a test says: a `flows.directory.Look` without DNS or SMP, which counts who asks.

registry = Registry()
registry.publish("0088:1", identity, "https://ap.example/as4")
registry.down = True                       # from now on nobody can be asked
"""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pki

from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import Endpoint, Found, Identifier, Missed, Result, Wanted
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.snapshots import Snapshot
from ehmi_ap.model import Participant

SMP = "https://smp.example/metadata"


def wanted(participant: str = "0088:1", document: str = "urn:document") -> Wanted:
    return Wanted(participant=Participant(participant), document=Identifier(document), process=Identifier("urn:p"))


def endpoint(identity: pki.Identity, url: str, **changes: Any) -> Endpoint:
    """One certificate for both uses."""
    certificate = Certificate.from_der(identity.der)
    values = {"transport_profile": "as4", "encryption": certificate, "signing": (certificate,), **changes}
    return Endpoint(url=url, **values)


def found(identity: pki.Identity, url: str = "https://ap.example/as4", **changes: Any) -> Found:
    values = {"usable_until": pki.NOW + pki.YEAR, "smp": SMP, "steps": (), **changes}
    return Found(endpoint=endpoint(identity, url), **values)


def missed(reason: str) -> Missed:
    return Missed(error=fault(reason, f"as the test says: {reason}"), steps=())


@dataclass
class Registry:
    """Participants by value, and every look-up that was made; who is not in it is not registered."""

    of: dict[str, Result] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    known: list[Found | None] = field(default_factory=list)
    judged: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    down: bool = False

    def __post_init__(self) -> None:
        self.gate.set()

    def publish(self, participant: str, identity: pki.Identity, url: str, **changes: Any) -> Found:
        entry = found(identity, url, **changes)
        self.of[participant] = entry
        return entry

    def resign(self, participant: str, by: pki.Identity) -> None:
        """The access point decrypts as before, but signs with another certificate than its metadata says."""
        entry = self.of[participant]
        assert isinstance(entry, Found)
        signing = (Certificate.from_der(by.der),)
        self.of[participant] = replace(entry, endpoint=replace(entry.endpoint, signing=signing))

    async def judge(
        self, snapshot: Snapshot, wanted: Wanted, network: Network, trust: Trust, *, now: datetime
    ) -> Result:
        """What the snapshot says; its data names an entry of `of`."""
        self.judged.append(snapshot.name)
        return self.of[snapshot.data.decode()]

    async def __call__(
        self, wanted: Wanted, network: Network, trust: Trust, *, now: datetime, known: Found | None
    ) -> Result:
        self.asked.append(wanted.participant.value)
        self.known.append(known)
        await self.gate.wait()
        if self.down:
            return missed("SMP_TIMEOUT")
        return self.of.get(wanted.participant.value, missed("PARTICIPANT_NOT_REGISTERED"))
