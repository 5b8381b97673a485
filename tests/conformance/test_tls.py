"""TLS of the listener that peers reach, as clients see it (CP_TA39-43). R: TLS 1.2 with two suites."""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config
from ehmi_ap.errors import ConfigError
from ehmi_ap.server import listening
from tests import craft
from tests.conformance import judge
from tests.conformance.catalogue import assertion
from tests.conformance.world import PATIENCE, Capture, Corner, Exchange, Node
from tests.pair import ACTION, PARTY_TYPE, SERVICE, Side, write_pair

pytestmark = pytest.mark.asyncio(loop_scope="module")

ON_LIST = ("ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES256-GCM-SHA384")
EVERY_SUITE = ("ALL", "@SECLEVEL=0")
OLD_SUITES = ("ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "@SECLEVEL=0")
REFUSED = (ssl.SSLError, ConnectionError)
V1_2 = ssl.TLSVersion.TLSv1_2


def written(folder: Path, suites: Sequence[str]) -> tuple[Side, Side]:
    """S and R; R's listener speaks TLS 1.2 with these suites."""
    settings = f'versions = ["1.2"]\nciphers = {list(suites)}\n'
    return write_pair(folder, tls=True, backends={"corner": 'kind = "memory"\n'}, tls_settings=settings)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    return written(tmp_path_factory.mktemp("tls"), ON_LIST)


@asynccontextmanager
async def receiving(side: Side) -> AsyncIterator[Node]:
    """R with its listeners; it sends nothing."""
    corner = Corner()
    async with AccessPoint(Config.load(side.config), backends={"corner": corner}) as ap, listening(ap):
        yield Node(side, ap, corner, None)  # type: ignore[arg-type]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver(sides: tuple[Side, Side]) -> AsyncIterator[Node]:
    async with receiving(sides[1]) as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def old_suites(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """R with suites that TLS 1.0 has too, so that it is the version alone that it refuses."""
    async with receiving(written(tmp_path_factory.mktemp("old"), OLD_SUITES)[1]) as node:
        yield node


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def permissive(sides: tuple[Side, Side]) -> AsyncIterator[int]:
    """The port of a server that takes any version and suite there is, with R's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers(":".join(EVERY_SUITE))
    keys = sides[1].home / "keys"
    context.load_cert_chain(keys / "tls.crt.pem", keys / "tls.key.pem")
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


def offering(receiver: Node, version: ssl.TLSVersion, suites: str = "") -> ssl.SSLContext:
    """A client that trusts R's CA and speaks this version and these suites only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(receiver.side.home / "trust" / "pair-ca.pem")
    context.minimum_version = context.maximum_version = version
    if suites:
        context.set_ciphers(suites)
    return context


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def refused(receiver: Node, permissive: int, context: ssl.SSLContext) -> None:
    """R refuses this client, which another server takes: it is not the client's library that cannot."""
    try:
        async with connected(permissive, context):
            pass
    except REFUSED as error:
        pytest.skip(f"this OpenSSL cannot offer it: {error}")
    with pytest.raises(REFUSED):
        async with connected(receiver.side.port, context):
            pass


@assertion("CP_TA39", over="http")
async def test_versions_and_suites_are_settings_of_listener_and_client(sides: tuple[Side, Side]) -> None:
    """What is no version is refused when the configuration is read; that a listener obeys them, the others show."""
    text = sides[0].config.read_text(encoding="utf-8") + '\n[web.tls]\nversions = ["1.3"]\nciphers = ["AES"]\n'
    config = _loaded(sides[0], text)
    assert config.as4.tls is not None
    assert (config.as4.tls.versions, config.as4.tls.ciphers) == (("1.2",), ON_LIST)
    assert (config.web.tls.versions, config.web.tls.ciphers) == (("1.3",), ("AES",))
    with pytest.raises(ConfigError, match="versions"):
        _loaded(sides[0], text.replace('versions = ["1.2"]', 'versions = ["1.1"]'))


def _loaded(side: Side, text: str) -> Config:
    """Another configuration with the same files."""
    path = side.home / "other.toml"
    path.write_text(text, encoding="utf-8")
    return Config.load(path)


@assertion("CP_TA40", over="http")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_tls_1_0_and_1_1_are_not_spoken(
    receiver: Node, old_suites: Node, permissive: int, version: ssl.TLSVersion
) -> None:
    context = offering(receiver, version, ":".join(EVERY_SUITE))
    for node in (receiver, old_suites):
        await refused(node, permissive, context)


SSL3_SUITES = struct.pack("!HHH", 0x002F, 0x000A, 0x0005)
SSL3 = b"\x03\x00" + b"\x11" * 32 + b"\x00" + struct.pack("!H", len(SSL3_SUITES)) + SSL3_SUITES + b"\x01\x00"
SSL2 = b"\x01\x00\x02" + struct.pack("!HHH", 6, 0, 16) + b"\x01\x00\x80\x07\x00\xc0" + b"\x11" * 16
HELLOS = {
    "ssl 3.0": b"\x16\x03\x00" + struct.pack("!H", len(SSL3) + 4) + b"\x01" + len(SSL3).to_bytes(3, "big") + SSL3,
    "ssl 2.0": struct.pack("!H", 0x8000 | len(SSL2)) + SSL2,
}
"""ClientHello, by hand: no current library speaks these."""

ALERT = b"\x15"
"""The only record that R may answer with before it closes."""


@assertion("CP_TA41", over="http")
@pytest.mark.parametrize("hello", HELLOS)
async def test_ssl_2_and_3_are_not_spoken(receiver: Node, hello: str) -> None:
    async with connected(receiver.side.port) as (reader, writer), asyncio.timeout(PATIENCE):
        writer.write(HELLOS[hello])
        assert (await reader.read())[:1] in (b"", ALERT)


@assertion("CP_TA42", over="http")
@pytest.mark.parametrize("suite", ["ECDHE-RSA-AES128-GCM-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"])
async def test_a_suite_that_is_not_on_the_list_is_refused(receiver: Node, permissive: int, suite: str) -> None:
    await refused(receiver, permissive, offering(receiver, V1_2, suite))


@assertion("CP_TA43", over="http")
async def test_a_message_by_a_suite_on_the_list_is_answered(receiver: Node, sides: tuple[Side, Side]) -> None:
    made = craft.make(
        craft.Message(
            sender=sides[0].identity,
            recipient=sides[1].identity,
            from_id=sides[0].name,
            to_id=sides[1].name,
            party_type=PARTY_TYPE,
            service=SERVICE,
            action=ACTION,
        )
    )
    connector = aiohttp.TCPConnector(ssl=offering(receiver, V1_2, ON_LIST[0]))
    headers = {"Content-Type": made.content_type}
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.post(receiver.side.url, data=made.body, headers=headers) as response,
    ):
        answer = Capture(response.headers["Content-Type"], await response.read(), response.status)
    judge.nrr(Exchange(Capture(made.content_type, made.body), answer), receiver)
