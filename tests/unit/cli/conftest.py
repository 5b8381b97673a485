"""A running pair of access points for the commands that talk to the daemon."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.demo.layout import PMODE
from ehmi_ap.demo.network import Network, Site, network
from ehmi_ap.demo.pki import write_private

Change = Callable[[Network], Awaitable[None]]


async def nothing(net: Network) -> None:
    """As the demo has it."""


@pytest.fixture(scope="session")
def document() -> bytes:
    return standard_business_document(now=datetime.now(UTC), new_uuid=uuid4)


@contextmanager
def running(document: bytes, folder: Path, change: Change = nothing) -> Iterator[Network]:
    """Two access points in a thread of their own, so that a synchronous command can talk to them."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started: list[Network] = []
    up = threading.Event()

    async def live() -> None:
        async with network(folder, now=datetime.now(UTC), document=document) as two:
            await change(two)
            started.append(two)
            up.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(live())
        finally:
            up.set()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    up.wait(30)
    assert started, "the access points did not start"
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def net(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """C2 and C3, who find each other."""
    with running(document, tmp_path_factory.mktemp("net")) as two:
        yield two


@pytest.fixture
def refusing(document: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """C2 finds C3, but C3 has no P-Mode and refuses what C2 sends."""

    async def without_pmode(two: Network) -> None:
        await two.c3.ap.delete_pmode(PMODE)

    with running(document, tmp_path_factory.mktemp("refusing"), without_pmode) as two:
        yield two


def visit(site: Site, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The environment of somebody who may talk to this access point, in a folder with the key of the system behind it."""
    monkeypatch.chdir(folder)
    key = site.signing.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(folder / "msh.pem", key + site.signing.certificate.x509.public_bytes(Encoding.PEM))
    monkeypatch.setenv("EHMI_AP_URL", site.addresses.internal)
    monkeypatch.setenv("EHMI_AP_TOKEN", site.token)


@pytest.fixture
def at_c2(net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    visit(net.c2, monkeypatch, tmp_path)


@pytest.fixture
def at_c3(net: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    visit(net.c3, monkeypatch, tmp_path)


@pytest.fixture
def at_refused_c2(refusing: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    visit(refusing.c2, monkeypatch, tmp_path)
