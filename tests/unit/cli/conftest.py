"""A running pair of access points for the commands that talk to the daemon."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.network import Network, network
from ehmi_ap.ehmi import sbdh
from ehmi_ap.model import Payload


@pytest.fixture(scope="session")
def document() -> bytes:
    return standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)


@pytest.fixture(scope="module")
def net(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Two access points in a thread of their own, so that a synchronous command can talk to them."""
    offer = sbdh.address(Payload(body=MemoryBody(document), mime_type="application/xml"))
    assert offer is not None
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started: list[Network] = []
    up = threading.Event()

    async def live() -> None:
        async with network(tmp_path_factory.mktemp("net"), now=datetime.now(UTC), offer=offer) as two:
            started.append(two)
            up.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(live())
        finally:
            up.set()
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    up.wait(30)
    assert started, "the access points did not start"
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def at_c2(net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Network:
    """The environment of somebody who may talk to C2, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EHMI_AP_URL", net.c2.addresses.internal)
    monkeypatch.setenv("EHMI_AP_TOKEN", net.c2.token)
    return net


@pytest.fixture
def at_c3(net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Network:
    """The environment of somebody who may talk to C3, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EHMI_AP_URL", net.c3.addresses.internal)
    monkeypatch.setenv("EHMI_AP_TOKEN", net.c3.token)
    return net
