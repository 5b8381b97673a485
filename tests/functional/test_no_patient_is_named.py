"""A CPR number in every place of an envelope, on every way that it can go wrong: nobody reads it but C4 and EDS.

What is searched: all that the log says, what C1 is told, the files of events, and over REST the messages, events and
reports of both access points, their health and metrics. The number stands where it belongs, PATIENTID and the document,
and in one place more that is wrong.
"""

import asyncio
import logging
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from lxml import etree

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.cli.logs import JsonFormatter, TextFormatter
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.demo.bundle import PATIENT_CPR, RECEIVER, SENDER
from ehmi_ap.demo.eds import outcome
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.ehmi import sbdh
from ehmi_ap.ehmi.names import DOCUMENTIDS, PROCESSID
from ehmi_ap.errors import ApError
from ehmi_ap.model import Payload, Submission
from ehmi_ap.ports import Query
from ehmi_ap.reports import ReportState
from tests.functional.test_delivery_status import PATIENCE, Place
from tests.logged import logged

FORMS = (PATIENT_CPR, f"{PATIENT_CPR[:6]}-{PATIENT_CPR[6:]}")
"""As the demo's message has it, and as people write it."""
UNCHECKED = f"""
url = "{{url}}"
partner = "beta"
certificate = "beta"
service = "{PROCESSID}"
actions = {list(DOCUMENTIDS)}
four_corner = true
"""
"""The P-Mode by which alpha sends what beta will refuse."""
TOKEN = "admin-token-of-the-tests-0123456789"
PAGES = ("/api/v1/messages?limit=200", "/api/v1/eds/reports?limit=200", "/health", "/metrics")


def documents() -> Iterator[bytes]:
    """A right one, and each text and each attribute of its header and its BinaryContent replaced by the number."""
    document = standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)
    yield document
    for form in FORMS:
        for number in range(len(list(_slots(parse(document))))):
            root = parse(standard_business_document(now=datetime.now(UTC), new_uuid=uuid4))
            element, attribute = list(_slots(root))[number]
            if attribute is None:
                element.text = form
            else:
                element.set(attribute, form)
            yield etree.tostring(root)


def _slots(root: Any) -> Iterator[tuple[Any, str | None]]:
    for element in root.iter():
        if len(element) == 0:
            yield element, None
        yield from ((element, attribute) for attribute in element.attrib)


def repeating() -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """EDS says in many ways what it was told."""
    statuses = cycle((403, 500, 409, 422))

    async def answer(request: web.Request) -> web.StreamResponse:
        told = " ".join([*FORMS, (await request.read()).decode()[:2000]])
        return outcome(next(statuses), "invalid", told)

    return answer


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        made = Place(tmp_path, stack)
        await made.start()
        yield made


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    with logged(of="") as records:
        yield records


@pytest.mark.parametrize("checked", [True, False], ids=["refused to C1", "refused to C2"])
async def test_no_patient_is_named(place: Place, log: list[logging.LogRecord], checked: bool) -> None:
    """Where our sender checks nothing, it is the receiver that refuses."""
    if not checked:
        await place.alpha.delete_pmode("beta")
        await place.alpha.put_pmode("beta", tomllib.loads(UNCHECKED.format(url=place.sides[1].url)))
    place.eds.answer = repeating()
    await place.start_eds()
    said = [await submitted(place.alpha, document, checked=checked) for document in documents()]
    sent = len(await place.alpha.store.find(Query(limit=1000)))
    await place.settled(place.alpha, sent)
    await place.settled(place.beta, 1)
    for ap in (place.alpha, place.beta):
        await refused(ap)
    said += [text for side in place.sides async for text in pages(side.internal_port)]
    said += [JsonFormatter().format(record) for record in log] + [TextFormatter().format(record) for record in log]
    said += [str(event) for ap in (place.alpha, place.beta) for event in await ap.store.events(limit=10_000)]
    said += [path.read_text() for side in place.sides for path in (side.backend / "events").glob("*.json")]
    assert sent > (20 if checked else 100)
    assert len(said) > 500
    assert [shown(text) for text in said if any(form in text for form in FORMS)] == []


def shown(text: str) -> str:
    """Where it is named."""
    place = max(text.find(form) for form in FORMS)
    return text[max(0, place - 150) : place + 50]


async def refused(ap: AccessPoint) -> None:
    """Until EDS has refused everything that it lets us tell; it is asked again as if all waits were over."""
    async with asyncio.timeout(PATIENCE):
        while True:
            waiting = await ap.store.reports.find(states=[ReportState.WAITING], limit=1000)
            ours = [each for each in waiting if each.organisation.sor in (SENDER.sor, RECEIVER.sor)]
            if not ours:
                return
            for report in ours[:10]:
                await ap.retry_status(report.event.seq)
            await asyncio.sleep(0.2)


async def submitted(ap: AccessPoint, document: bytes, *, checked: bool) -> str:
    """What C1 is told of a submission."""
    payload = Payload(body=MemoryBody(document), mime_type="application/xml")
    address: dict[str, Any] = {}
    if not checked:  # as if nothing were wrong with the envelope
        right = Payload(body=MemoryBody(next(documents())), mime_type="application/xml")
        found = sbdh.address(right)
        assert found is not None
        address = {name: getattr(found, name) for name in ("sender", "receiver", "service", "action")}
    try:
        return await ap.submit(Submission(payloads=(payload,), **address))
    except ApError as error:
        return f"{error} {error.fix}"


async def pages(port: int) -> AsyncIterator[str]:
    """All that an administrator reads over REST."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
        for page in PAGES:
            async with session.get(f"http://127.0.0.1:{port}{page}") as answer:
                assert answer.status in (200, 503), page
                yield await answer.text()
