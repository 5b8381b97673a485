"""A partner changes its key between two messages: over real DNS, SMP, TLS and AS4, with what we remember of the old one."""

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ehmi_ap import tables
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.discovery.published import PublishedCertificate
from ehmi_ap.model import Direction, EventKind, Payload, Submission
from ehmi_ap.ports import Query
from ehmi_ap.server import listening
from tests.pair import free_ports
from tests.pki import Identity
from tests.publisher import WANTED
from tests.simulated_network import ap_certificate, certificate
from tests.whole_way import OWN, Way, whole_way, write_keys


@pytest.fixture
async def way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Way]:
    """The receiver has a port that it keeps, and is registered there; it does not run yet."""
    async with whole_way(tmp_path, capsys, monkeypatch) as made:
        made.net.write(made.us / "networks")
        [port] = free_ports(1)
        config = made.receiver / "ehmi-ap.toml"
        settings = tomllib.loads(config.read_text(encoding="utf-8"))
        settings["as4"]["port"] = port
        config.write_text(tables.to_toml(settings), encoding="utf-8")
        made.url = f"https://localhost:{port}/as4"
        made.register()
        yield made


@asynccontextmanager
async def receiving(way: Way) -> AsyncIterator[AccessPoint]:
    async with AccessPoint(Config.load(way.receiver / "ehmi-ap.toml")) as ap, listening(ap):
        yield ap


def renew(way: Way) -> Identity:
    """A new key for the receiver, published by its SMP; the old one is gone."""
    new = ap_certificate("ap.example", key="c", extensions=way.lists)
    write_keys(way.receiver, new)
    way.register(certificates=(PublishedCertificate(certificate=certificate(new)),))
    return new


async def send(ap: AccessPoint) -> list[tuple[EventKind, str | None]]:
    """The timeline of one message, until it ends; it has to arrive."""
    payload = Payload(body=MemoryBody(b"<result/>"), mime_type="application/xml")
    submission = Submission(payloads=(payload,), sender=OWN.participant, receiver=WANTED.participant)
    message_id = await ap.submit(submission)
    told = []
    async with asyncio.timeout(30):
        async for event in ap.events(message_id=message_id):
            told.append((event.kind, event.code))
            if event.kind is EventKind.SENT:
                assert not event.failed, event.detail
                return told
    raise AssertionError("it was stopped")


async def test_what_was_encrypted_for_the_old_key_is_sent_once_more_for_the_new_one(way: Way) -> None:
    """Decision 4, DS_TA03. The SMP says "not changed" to whoever asks by date, as both were published in one second."""
    async with AccessPoint(Config.load(way.us / "ehmi-ap.toml")) as us:
        async with receiving(way):
            await send(us)
        new = renew(way)
        async with receiving(way) as them:
            assert await send(us) == [
                (EventKind.RECEIVED, None),
                (EventKind.DISCOVERED, None),
                (EventKind.ERROR, "EBMS:0102"),
                (EventKind.DISCOVERED, "EBMS:0102"),
                (EventKind.SENT, None),
            ]
            assert len(await them.store.find(Query(direction=Direction.INBOUND))) == 2
        [entry] = us.directory.entries()
        assert entry.remembered.found is not None
        assert entry.remembered.found.endpoint.encryption == certificate(new)


async def test_nobody_waits_for_what_is_looked_up_anew(way: Way) -> None:
    """The second message goes to the new key at once, as the first one made it known."""
    async with AccessPoint(Config.load(way.us / "ehmi-ap.toml")) as us:
        async with receiving(way):
            await send(us)
        renew(way)
        async with receiving(way):
            await send(us)
            assert await send(us) == [(EventKind.RECEIVED, None), (EventKind.DISCOVERED, None), (EventKind.SENT, None)]
