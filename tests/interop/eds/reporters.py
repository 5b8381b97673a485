"""Two access points of ours, C2 and C3, that report what they do with messages between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.demo.bundle import RECEIVER, SENDER
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.model import Organisation, Payload, Submission
from ehmi_ap.reports import ReportState
from ehmi_ap.server import listening
from ehmi_ap.tables import to_toml
from tests import pair
from tests.interop.eds import enrolment
from tests.interop.eds.identities import Identities

PATIENCE = 120.0  # seconds; only a hang takes so long


@dataclass(frozen=True, slots=True)
class Reporters:
    """`sending` is SENDER's access point, `receiving` RECEIVER's."""

    sending: AccessPoint
    receiving: AccessPoint

    async def send(self) -> None:
        """One message of the demo."""
        document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
        await self.sending.submit(
            Submission(payloads=(Payload(body=MemoryBody(document), mime_type="application/xml"),))
        )

    async def reports(self, state: ReportState, number: int) -> None:
        """Wait until each has so many in this state."""
        async with asyncio.timeout(PATIENCE):
            for each in (self.sending, self.receiving):
                while len(await each.store.reports.find(states=(state,))) < number:
                    await asyncio.sleep(0.05)

    async def retry(self) -> None:
        """What an operator does who does not want to wait."""
        for each in (self.sending, self.receiving):
            await each.retry_status()


@asynccontextmanager
async def running(folder: Path, ids: Identities, *, issuer: str, base: str) -> AsyncIterator[Reporters]:
    """Each with a certificate, a client id and a device of its own, as they are enrolled."""
    sides = pair.write_pair(folder, profile="ehmi")
    enrolled = (("ap", "our-ap", "Our-AP", SENDER), ("other", "another-ap", "Another-AP", RECEIVER))
    for side, (name, client_id, device, served) in zip(sides, enrolled, strict=True):
        (side.home / "trust" / "eds-ca.pem").write_bytes(ids.ca.pem)
        table = enrolment.settings(ids, name, device, [Organisation(served.sor, served.gln)], issuer=issuer, base=base)
        table |= {"client_id": client_id, "tls_trust": "eds-ca"}
        with side.config.open("a", encoding="utf-8") as config:
            config.write("\n" + to_toml({"eds": table}))
    async with AsyncExitStack() as stack:
        aps = [await stack.enter_async_context(AccessPoint(Config.load(side.config))) for side in sides]
        for ap in aps:
            await stack.enter_async_context(listening(ap))
        yield Reporters(*aps)
