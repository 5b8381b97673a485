"""Metadata stored as an SMP signed it, for when nobody can be asked: what it is of, and whether it may be believed.

Rules (spec/discovery.md 8, wish 6): a snapshot proves itself as an answer of the SMP does, each time it is used; there
is no other way to say where a receiver is. It says nothing of what is revoked: that is asked, as the network demands.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.faults import fault
from ehmi_ap.discovery.found import Found, Identifier, Result, Wanted
from ehmi_ap.discovery.identifiers import means, same_participant
from ehmi_ap.discovery.lookup import judge_metadata
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.published import Metadata
from ehmi_ap.errors import DiscoveryError
from ehmi_ap.model import Participant
from ehmi_ap.questions import WebAnswer, WebFailure

_ANY = Identifier("any")
_NOBODY = WebAnswer(failure=WebFailure.CONNECT, detail="nobody is asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A document of an SMP; `name` is that of its file. No `processes`: any."""

    name: str
    data: bytes
    participant: Participant
    document: Identifier
    processes: tuple[Identifier, ...]


def read_snapshot(name: str, data: bytes, network: Network) -> Snapshot:
    """What a stored answer is of; its signature holds, whoever signed it.

    Raises:
        DiscoveryError: as smp.read(); NotSupported for a redirect or a ServiceGroup, which say of nobody where he is.
    """
    document = smp.read(data, network.publishers)
    if not isinstance(document, Metadata):
        raise fault("UNKNOWN_DIALECT", "it is no service metadata; store what the SMP has for participant and document")
    processes = tuple(each for process in document.processes for each in process.identifiers)
    return Snapshot(
        name=name, data=data, participant=document.participant, document=document.document, processes=processes
    )


def is_of(snapshot: Snapshot, wanted: Wanted, network: Network) -> bool:
    """Whether it may say where `wanted` is; whether for this process, its judge says."""
    known = same_participant(snapshot.participant, wanted.participant, network)
    return known and means(snapshot.document, wanted.document, network)


def objection(snapshot: Snapshot, network: Network, trust: Trust, *, now: datetime) -> DiscoveryError | None:
    """Why nobody can be sent to on it now, whatever the process; None: it can be used, unless something is revoked."""
    error: DiscoveryError | None = None
    unasked = replace(
        network,
        publishers=replace(network.publishers, revocation="off"),
        receivers=replace(network.receivers, revocation="off"),
    )
    for process in snapshot.processes or (_ANY,):
        wanted = Wanted(participant=snapshot.participant, document=snapshot.document, process=process)
        result = _unasked(snapshot, wanted, unasked, trust, now)
        if isinstance(result, Found):
            return None
        error = error or result.error
    return error


def _unasked(snapshot: Snapshot, wanted: Wanted, network: Network, trust: Trust, now: datetime) -> Result:
    judging = judge_metadata(snapshot.data, wanted, network, trust, now=now)
    try:
        next(judging)
        while True:
            judging.send(_NOBODY)
    except StopIteration as end:
        result: Result = end.value
        return result
