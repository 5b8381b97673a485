"""Message service handlers at the ends of three access points, and the envelopes that they write.

    hospital (C2) -> practice (C3), whose documents are copied to the repository (another C3)

Identifiers are words that a test reads (V-7 only warns); times are those of the net's clock.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pki
from sim import Net, Site

from ehmi_ap.ehmi import names
from ehmi_ap.ehmi.envelope_text import write
from ehmi_ap.ehmi.header import Header, Scope
from ehmi_ap.ehmi.receipts import envelope_receipt
from ehmi_ap.ehmi.signals import Cause, Refusal
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.ehmi.wrap import participant, request_scope
from ehmi_ap.model import Direction, MessageId, Organisation, Service
from ehmi_ap.ports import Query, Stored
from ehmi_ap.profiles import PROFILES

GOLDEN = Path(__file__).parent.parent / "unit" / "ehmi" / "golden"
HOSPITAL = Organisation("937961000016000", "5790000123117")
PRACTICE = Organisation("323571000016002", "5790000120048")
REPOSITORY = Organisation("8851000016006", "5790000121526")
CPR = "2509479989"
DOCUMENT = b"<Bundle xmlns='http://hl7.org/fhir'/>"
EHMI: dict[str, Any] = {
    "profile": "ehmi",
    "service": Service(names.PROCESSID),
    "actions": names.DOCUMENTIDS,
    "four_corner": True,
}
REFUSAL = Refusal(cause=Cause.SYNTAX, reason="FHIR schema validation failed")
_REQUEST = unwrap((GOLDEN / "golden-request-peppolns.xml").read_bytes()).header


class Ehmi:
    """Three access points of the network, and what the message service handlers behind them do."""

    def __init__(self, net: Net, test_pki: Any, folder: Path | None) -> None:
        self.net = net
        self.anchor: pki.Identity = test_pki.issuing
        self.hospital, self.practice, self.repository = (
            Site(net, name, pki.make_leaf(self.anchor, name, key=key), folder=folder and folder / name)
            for name, key in (("hospital", "a"), ("practice", "b"), ("repository", "c"))
        )
        self.behind = {HOSPITAL: self.hospital, PRACTICE: self.practice, REPOSITORY: self.repository}
        for site in self.behind.values():
            site.profiles = dict(PROFILES)
            for organisation, other in self.behind.items():
                if other is not site:
                    site.knows(other, participants=(participant(organisation).value,), **EHMI)

    async def send(self, at: Site, envelope: bytes, *, carry: bool = True, **changes: Any) -> MessageId:
        """C1's message service handler submits an envelope, which says where it goes; it arrives, with `carry`."""
        message_id = await at.submit(envelope, **changes)
        if carry:
            await self.carry()
        return message_id

    async def carry(self) -> None:
        """One attempt at each message that is due, everywhere, and then its delivery."""
        for site in self.behind.values():
            await site.send_due()
        for site in self.behind.values():
            await site.deliver_due()

    # -- what they write

    def request(
        self, envelope: str = "e1", message: str = "m1", *, to: Organisation = PRACTICE, standard: str | None = None
    ) -> bytes:
        """A document for a receiver; to the repository it is a secondary copy."""
        copied = (Scope(names.XDS, '{"resourceType": "DocumentReference"}', names.XDS_IDENTIFIER),)
        said = {"RECEIVERID": to.sor, "MESSAGEIDENTIFIER": message}
        header = replace(
            _REQUEST,
            receiver=participant(to),
            instance_identifier=envelope,
            standard=standard or _REQUEST.standard,
            created_at=self._now(),
            scopes=(
                *(replace(each, value=said.get(each.type, each.value)) for each in _REQUEST.scopes[:-1]),
                request_scope(envelope, self.net.clock.now()),
                *(copied if to is REPOSITORY else ()),
            ),
        )
        return write(header, DOCUMENT)

    def receipt(self, envelope: bytes, *, positive: bool = True, name: str = "r1", **changes: Any) -> bytes:
        """The receipt for an envelope, its own ids `name` and `name`-message; `changes` are of its header."""
        ids = iter((UUID(int=1), UUID(int=2)))
        made = unwrap(
            envelope_receipt(
                unwrap(envelope).header,
                now=self.net.clock.now(),
                new_uuid=lambda: next(ids),
                refusal=None if positive else REFUSAL,
            )
        )
        header = replace(said(made.header, MESSAGEIDENTIFIER=f"{name}-message"), instance_identifier=name)
        return write(replace(header, **changes), made.content)

    def acknowledgement(self, envelope: bytes, *, name: str = "a1") -> bytes:
        """MedCom's acknowledgement, as far as an access point reads it."""
        asked = unwrap(envelope).header
        scopes = {
            "DOCUMENTID": names.fhir_documentid(names.ACKNOWLEDGEMENT_STANDARD, "2.0"),
            "PROCESSID": names.PROCESSID,
            "SENDERID": asked.scope("RECEIVERID"),
            "RECEIVERID": asked.scope("SENDERID"),
            "MESSAGEIDENTIFIER": f"{name}-message",
            "MESSAGEENVELOPEIDENTIFIER": f"{name}-bundle",
            "StatisticalInformation": "MCM:acknowledgement-message",
            "ORIGINALMESSAGEIDENTIFIER": asked.scope("MESSAGEIDENTIFIER"),
        }
        header = replace(
            asked,
            sender=asked.receiver,
            receiver=asked.sender,
            standard=names.ACKNOWLEDGEMENT_STANDARD,
            type_version="2.0",
            instance_identifier=name,
            created_at=self._now(),
            scopes=(
                *(Scope(kind, value or "", names.IDENTIFIER) for kind, value in scopes.items()),
                request_scope(name, self.net.clock.now()),
            ),
        )
        return write(header, DOCUMENT)

    def _now(self) -> str:
        return self.net.clock.now().isoformat(timespec="seconds")


def said(header: Header, correlated: str | None = None, **values: str | None) -> Header:
    """The header with other values of scopes, None: without that scope; and with another correlation."""
    scopes = [replace(each, value=values.get(each.type) or each.value) for each in header.scopes]
    kept = (each for each in scopes if values.get(each.type, "") is not None)
    return replace(header, scopes=tuple(_correlated(each, correlated) for each in kept))


def _correlated(scope: Scope, identifier: str | None) -> Scope:
    if identifier is None or scope.correlation is None:
        return scope
    return replace(scope, correlation=replace(scope.correlation, instance_identifier=identifier))


def rewritten(envelope: bytes, change: Callable[[Header], Header]) -> bytes:
    """The envelope with another header."""
    opened = unwrap(envelope)
    return write(change(opened.header), opened.content)


async def timeline(site: Site, message_id: MessageId, direction: Direction | None = None) -> list[tuple[str, ...]]:
    """Kind, code and text of what happened to a message; the text without ours about AS4 receipts."""
    found = await site.store.events(message_id=message_id, direction=direction)
    lines = ((each.kind.value, "failed" if each.failed else "", each.code or "", each.detail) for each in found)
    return [tuple(part for part in line if part) for line in lines]


async def stored(site: Site, message_id: MessageId) -> Stored:
    """The one message of this id."""
    [found] = await site.store.find(Query(message_id=message_id))
    return found
