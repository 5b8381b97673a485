"""An SML, and two operators of SMPs who show their certificates to it."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ehmi_ap.net.tls import client_context
from ehmi_ap.sml import Sml
from tests.pki import Identity
from tests.sml_stub import FIRST, ROOT, SECOND, SmlStub

Shown = Callable[[Identity], ssl.SSLContext]


@pytest.fixture
def stub() -> Iterator[SmlStub]:
    with SmlStub() as running:
        yield running


@pytest.fixture
def showing(tmp_path: Path) -> Shown:
    """A TLS context that shows a certificate and trusts ROOT alone."""

    def show(identity: Identity) -> ssl.SSLContext:
        file = tmp_path / "shown.pem"
        file.write_bytes(identity.key_pem + identity.chain_pem)
        return client_context(anchors=[ROOT.der], certificate=file)

    return show


@pytest.fixture
def sml(stub: SmlStub, showing: Shown) -> Iterator[Sml]:
    """The first operator's client."""
    with Sml(stub.url, showing(FIRST)) as client:
        yield client


@pytest.fixture
def other(stub: SmlStub, showing: Shown) -> Iterator[Sml]:
    """The second operator's client."""
    with Sml(f"{stub.url}/", showing(SECOND)) as client:
        yield client
