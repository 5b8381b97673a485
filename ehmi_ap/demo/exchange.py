"""One exchange through the demo's network: C1 submits, C4 receives, and everything that proves it.

C1 is a program that talks to C2's REST with `ehmi_ap.client`; C4 is a folder into which C3 delivers. The evidence is
gathered afterwards from both access points, the registry and EDS: events, the look-up, what the servers were asked, the
wire, the stored receipt, C4's files, and the events that EDS was told.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.backends.inbox import METADATA
from ehmi_ap.client import Client
from ehmi_ap.crypto import jws
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.demo.layout import party_id
from ehmi_ap.demo.network import Network, Seen, Site, network
from ehmi_ap.demo.timeline import Events, Step, timeline
from ehmi_ap.demo.trace import Passage, is_whole, trace
from ehmi_ap.discovery import found
from ehmi_ap.errors import XmlSecurityError
from ehmi_ap.flows.terms import found_judges
from ehmi_ap.model import Acknowledged, DeliveryEvent, Direction, EventKind, MessageId, Reference
from ehmi_ap.pmode import Security
from ehmi_ap.ports import Query
from ehmi_ap.reports import OPEN, ReportState

PATIENCE = 60.0
"""Seconds after which the demo says that something hangs; an exchange takes well under one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptEvidence:
    """The stored receipt, verified once more: who signed it, and per reference what was signed and what it says."""

    message_id: str
    signer: str
    references: tuple[tuple[Reference, Reference], ...]

    @property
    def holds(self) -> bool:
        """Whether the receipt names exactly the references that were sent, with the same digests."""
        return bool(self.references) and all(sent.key() == received.key() for sent, received in self.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the demo found. `c1` and `c4` are the files at either end; `identical` holds the document's very bytes.

    `lookup` is what C2's look-up of the receiver came to; None: it never began. `submitter` and `deliverer` are who
    signed the document for C2 and for C4; the latter None: nobody whom C4 takes it from. `trace` is what EDS knows.
    """

    c2: str
    c3: str
    sml: str
    smp: str
    eds: str
    issuer: str
    document: bytes
    message_id: MessageId
    timeline: tuple[Step, ...]
    lookup: found.Result | None
    wire: Seen | None
    protection: Security
    receipt: ReceiptEvidence | None
    c1: tuple[Path, ...]
    c4: tuple[Path, ...]
    identical: Path | None
    submitter: str
    deliverer: str | None
    trace: tuple[Passage, ...]
    failure: str | None

    @property
    def ok(self) -> bool:
        """C4 holds the byte-identical document, signed by C3, the receipt was verified, and EDS knows the way."""
        proven = self.receipt is not None and self.receipt.holds
        return self.identical is not None and self.deliverer is not None and proven and self.traced

    @property
    def traced(self) -> bool:
        """EDS has the four events: C2 and then C3 received it, and each sent it on."""
        return is_whole(self.trace, [party_id(name) for name in ("c2", "c3")])

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document).hexdigest()


async def exchange(document: bytes, home: Path) -> Result:
    """Send `document`, an SBD, from C1 to C4 through two new access points below `home` (empty).

    Raises:
        SubmissionError: the document is no right ehmiSBDH.
        ClientError: C2 refused it.
    """
    async with network(home, now=datetime.now(UTC), document=document) as net:
        begun = datetime.now(UTC)
        message_id = MessageId(await asyncio.to_thread(_submit, net.c2, document))
        submitted = datetime.now(UTC)
        sent = await _settled(net.c2.ap, message_id, Direction.OUTBOUND)
        arrived = _is_settled(sent) and not sent[-1].failed
        delivered = await _settled(net.c3.ap, message_id, Direction.INBOUND) if arrived else ()
        lookup = next(iter(net.c2.ap.looked_up), None)
        wire = net.c3.ap.seen[-1] if net.c3.ap.seen else None
        await _told_everything(net.c2)
        await _told_everything(net.c3)
        c4 = _files(net.c3.files)
        identical = next((path for path in c4 if path.read_bytes() == document), None)
        return Result(
            c2=net.c2.addresses.as4,
            c3=net.c3.addresses.as4,
            sml=net.registry.resolver,
            smp=net.registry.smp.base,
            eds=net.eds.base,
            issuer=net.eds.issuer,
            document=document,
            message_id=message_id,
            timeline=timeline(begun, submitted, len(document), sent, delivered, net.registry.asked, lookup, wire),
            lookup=lookup,
            wire=wire,
            protection=net.c2.ap.agreements.pmodes[0].security,
            receipt=await _receipt(net, message_id),
            c1=_files(net.c2.files),
            c4=c4,
            identical=identical,
            submitter=net.c2.signing.certificate.subject,
            deliverer=_deliverer(identical, net.c3.signers) if identical is not None else None,
            trace=trace(net.eds.service.taken, net.envelope.transport.identifier),
            failure=_failure(sent, delivered, arrived=arrived) or await _hindrance(net),
        )


def _failure(sent: Events, delivered: Events, *, arrived: bool) -> str | None:
    """Why the message did not arrive, in the access points' own words."""
    failed = next((event.detail or event.code for event in (*sent, *delivered) if event.failed), None)
    waits = not _is_settled(delivered if arrived else sent)
    return failed or (f"nothing settled the message within {PATIENCE:.0f} s" if waits else None)


def _submit(site: Site, document: bytes) -> str:
    with Client(site.addresses.internal, site.token, signing=site.signing) as client:
        return client.submit_sbd(document)


async def _settled(ap: AccessPoint, message_id: MessageId, direction: Direction) -> Events:
    """The message's events, up to the one that settles it, or as far as they come within PATIENCE."""
    events: list[DeliveryEvent] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            async for event in ap.events(message_id=message_id):
                if event.direction is direction:
                    events.append(event)
                if _is_settled(events):
                    break
    return tuple(events)


def _is_settled(events: Sequence[DeliveryEvent]) -> bool:
    return bool(events) and events[-1].kind is EventKind.SENT


async def _told_everything(site: Site) -> None:
    """Give the system behind this access point (the files in its events/) and EDS a moment to be told what happened."""
    store = site.ap.store
    for _ in range(2000):
        untold = ReportState.WAITING in await store.reports.counts()
        if not untold and not await store.undelivered_events(site.system, limit=1):
            return
        await asyncio.sleep(0.01)


async def _hindrance(net: Network) -> str | None:
    """Why EDS was not told something, if it was not."""
    for site in (net.c2, net.c3):
        for report in await site.ap.store.reports.find(states=OPEN):
            return report.what or "EDS was not told in time"
    return None


def _files(folder: Path) -> tuple[Path, ...]:
    """What a person sees in a folder and below; names that begin with a dot are the backend's own."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return tuple(sorted(path for path in found if not any(n.startswith(".") for n in path.relative_to(folder).parts)))


def _deliverer(payload: Path, signers: Signers) -> str | None:
    """Who signed a payload for C4, as its system finds it: from the bytes in the file and what lies beside it."""
    told = json.loads((payload.parent / METADATA).read_bytes())["payloads"]
    signature = next((each.get("jws") for each in told if each["file"] == payload.name), None)
    digest = hashlib.sha256(payload.read_bytes()).digest()
    try:
        return jws.verify(signature or "", digest, signers, now=datetime.now(UTC)).subject
    except XmlSecurityError:
        return None


async def _receipt(net: Network, message_id: MessageId) -> ReceiptEvidence | None:
    """C2's stored receipt, judged again from its bytes."""
    ap = net.c2.ap
    stored = await ap.store.find(Query(message_id=message_id, direction=Direction.OUTBOUND))
    sent = await ap.store.sent(message_id)
    wire = await ap.store.receipt(stored[0].key) if stored else None
    if sent is None or wire is None:
        return None
    template = next(item for item in ap.agreements.pmodes if item.name == sent.pmode)
    pmode, trust = found_judges(template, sent.message.to.id, sent.signers)
    outcome = conclude(
        wire,
        message_id=message_id,
        references=sent.references,
        pmode=pmode,
        trust=trust,
        now=datetime.now(UTC),
    )
    if not isinstance(outcome, Acknowledged):
        return None
    received = {item.uri: item for item in outcome.receipt.references}
    signer = trust.certificate(pmode.certificate or "")
    return ReceiptEvidence(
        message_id=outcome.receipt.message_id,
        signer=signer.subject,
        references=tuple((item, received[item.uri]) for item in sent.references),
    )


def pairs(evidence: ReceiptEvidence) -> Iterator[tuple[str, str, str, bool]]:
    """Per reference: its URI, the digest sent, the digest in the receipt (both hexadecimal), and whether all agrees."""
    for sent, received in evidence.references:
        yield sent.uri, sent.digest.hex(), received.digest.hex(), sent.key() == received.key()
