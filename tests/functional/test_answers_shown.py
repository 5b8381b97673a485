"""Two running access points: what an operator and a program are shown of answers, and that somebody looks for overdue
receipts."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from msh import REFUSAL, Ehmi

from ehmi_ap import cli
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.background import Background
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.config.settings import Retention
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.ehmi.receipts import envelope_receipt
from ehmi_ap.ehmi.signals import Refusal
from ehmi_ap.ehmi.unwrap import unwrap
from ehmi_ap.flows.bell import Bell
from ehmi_ap.model import EventKind, MessageId, Payload, Submission
from ehmi_ap.server import listening
from tests import pair

PATIENCE = 60.0  # seconds; only a hang takes so long


@pytest.fixture
async def both(tmp_path: Path) -> AsyncIterator[tuple[AccessPoint, AccessPoint]]:
    async with AsyncExitStack() as stack:
        found = []
        for side in pair.write_pair(tmp_path, profile="ehmi"):
            found.append(await stack.enter_async_context(AccessPoint(Config.load(side.config))))
            await stack.enter_async_context(listening(found[-1]))
        yield found[0], found[1]


async def submit(ap: AccessPoint, envelope: bytes, **changes: str) -> MessageId:
    payload = Payload(body=MemoryBody(envelope), mime_type="application/xml")
    return await ap.submit(Submission(payloads=(payload,), **changes))  # type: ignore[arg-type]  # what a test varies


async def until(ap: AccessPoint, message_id: MessageId, kind: EventKind, times: int = 1) -> None:
    """It happened so often to this message."""
    async with asyncio.timeout(PATIENCE):
        async for event in ap.events(message_id=message_id):
            times -= event.kind is kind
            if times == 0:
                return


async def shown(ap: AccessPoint, message_id: str, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    argv = ["show", message_id, "--config", str(ap.config.home / "ehmi-ap.toml"), *options]
    assert await asyncio.to_thread(cli.main, argv) == 0
    return capsys.readouterr().out


async def test_show_tells_what_answers_a_message_and_what_a_message_answers(
    both: tuple[AccessPoint, AccessPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    alpha, beta = both
    document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
    message = await submit(alpha, document)
    await until(beta, message, EventKind.SENT)

    def receipt(refusal: Refusal | None) -> bytes:
        return envelope_receipt(unwrap(document).header, now=datetime.now(UTC), new_uuid=uuid4, refusal=refusal)

    good = await submit(beta, receipt(None))
    await until(alpha, good, EventKind.SENT)
    bad = await submit(beta, receipt(REFUSAL))
    for ap in both:
        await until(ap, message, EventKind.ANSWERED, times=2)
        await until(ap, good, EventKind.SENT)
        await until(ap, bad, EventKind.SENT)
        text = await shown(ap, message, capsys)
        assert "\nanswered by  envelope-receipt, positive: " + good in text
        assert "\nanswered by  envelope-receipt, negative: " + bad in text
        assert f"  answered failed   envelope-receipt  ReceiptException in message {bad}\n" in text
        assert f"\nanswers      {message}\n" in await shown(ap, good, capsys)
        assert "  seen-before       contradiction  " in await shown(ap, bad, capsys)
        document_ = json.loads(await shown(ap, message, capsys, "--json"))["message"]
        assert document_["answers"] is None
        assert document_["answered_by"] == [
            {"kind": "envelope-receipt", "positive": True, "message_id": good},
            {"kind": "envelope-receipt", "positive": False, "message_id": bad},
        ]
    [sent] = [line for line in (await shown(alpha, message, capsys)).splitlines() if "  msg-sent  " in line]
    [got] = [line for line in (await shown(beta, message, capsys)).splitlines() if "  msg-received  " in line]
    assert sent.rpartition("receipt ")[2] == got.rpartition("receipt ")[2]


async def test_somebody_looks_for_overdue_receipts_while_it_runs(ehmi: Ehmi) -> None:
    """And C1 is told."""
    site = ehmi.hospital
    message = await ehmi.send(site, ehmi.request())
    late = site.net.clock.now() + timedelta(minutes=10)
    running = Background(replace(site.world, now=lambda: late), Bell(), Retention(), None)
    running.begin({})
    async with asyncio.timeout(PATIENCE):
        while ("unanswered", False, "envelope-receipt") not in site.inbox.told(message):
            await asyncio.sleep(0.01)
    await running.stop()
