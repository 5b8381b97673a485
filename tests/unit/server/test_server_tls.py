"""TLS of the AS4 listener, as a client sees it (conformance G16, G17; CP_TA39 to CP_TA43 are in tests/conformance)."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config, Tls
from ehmi_ap.errors import ConfigError
from ehmi_ap.server import listening
from tests import pki
from tests.pair import Side, write_pair
from tests.unit.server.conftest import Answer, Connection, Fetching

REQUEST = (
    b"POST /as4 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml\r\nContent-Length: 4\r\n\r\n<a/>"
)

Ask = Callable[..., Any]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Side, Side]:
    return write_pair(tmp_path, tls=True)


def configured(side: Side, **tls: Any) -> Config:
    """The configuration of a side, with other TLS settings."""
    config = Config.load(side.config)
    assert config.as4.tls is not None
    as4 = replace(config.as4, port=0, tls=replace(config.as4.tls, **tls))
    return replace(config, backends={}, default_backend=None, as4=as4, internal=replace(config.internal, port=0))


def offering(side: Side, lowest: ssl.TLSVersion, highest: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    """A client that trusts the pair's CA and offers these versions and suites."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(side.home / "trust" / "pair-ca.pem")
    context.minimum_version, context.maximum_version = lowest, highest
    if ciphers:
        context.set_ciphers(ciphers)
    return context


async def ask(config: Config, context: ssl.SSLContext) -> tuple[Answer, str, str]:
    """One POST over TLS: the answer, the version and the suite."""
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap, listening(ap) as addresses:
        assert addresses.as4.startswith("https://127.0.0.1:")
        port = int(addresses.as4.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        try:
            connection = Connection(reader, writer)
            await connection.send(REQUEST)
            answer = await connection.answer()
            version, suite = writer.get_extra_info("ssl_object").version(), writer.get_extra_info("cipher")[0]
            return answer, version, suite
        finally:
            writer.transport.abort()


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
async def test_g17_tls_1_2_and_1_3_by_default_with_forward_secrecy(pair, version, name):
    answer, spoken, suite = await ask(configured(pair[1]), offering(pair[1], version, version))
    assert (answer.status, spoken) == (400, name)
    assert suite.startswith(("ECDHE-", "TLS_"))


async def test_g17_versions_are_configurable(pair):
    """A listener set to 1.3 alone does not speak 1.2."""
    config = configured(pair[1], versions=("1.3",))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ask(config, offering(pair[1], ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize("suite", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA384", "AES128-GCM-SHA256"])
async def test_g17_weak_suites_are_off_before_any_configuration(pair, suite):
    version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ask(configured(pair[1]), offering(pair[1], version, version, f"{suite}:@SECLEVEL=0"))


async def test_g16_clients_are_authenticated_where_a_client_ca_is_set(pair, tmp_path):
    """With a certificate below the CA: an answer. Without one, or with a stranger's: none."""
    alpha, beta = pair
    config = configured(beta, client_ca=beta.home / "trust" / "pair-ca.pem")
    version = ssl.TLSVersion.TLSv1_2  # under 1.3 the client learns of it only with its first read

    async def answer_to(certificate: bytes | None, key: bytes = b"") -> int:
        context = offering(beta, version, version)
        if certificate is not None:
            file = tmp_path / "client.pem"
            file.write_bytes(key + certificate)
            context.load_cert_chain(file)
        return (await ask(config, context))[0].status

    assert await answer_to(alpha.identity.pem, alpha.identity.key_pem) == 400
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await answer_to(None)
    stranger = pki.make_leaf(pki.make_ca("Another CA", key="d"), "stranger", key="c")
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await answer_to(stranger.pem, stranger.key_pem)


async def test_g15_plain_http_only_where_the_configuration_says_so(pair):
    config = configured(pair[1])
    config = replace(config, as4=replace(config.as4, tls=None))
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap:
        with pytest.raises(ConfigError, match="insecure_http"):
            async with listening(ap):
                pass


async def test_plain_http_to_a_tls_port_gets_no_http(pair):
    async with AccessPoint(configured(pair[1]), backends={"c4": Fetching()}) as ap, listening(ap) as addresses:
        port = int(addresses.as4.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        async with asyncio.timeout(5):
            assert b"HTTP" not in await reader.read()
        writer.close()


async def test_the_two_faces_never_share_a_port(pair):
    config = configured(pair[1])
    config = replace(
        config, as4=replace(config.as4, port=17171), internal=replace(config.internal, host="127.0.0.1", port=17171)
    )
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap:
        with pytest.raises(ConfigError, match="never share"):
            async with listening(ap):
                pass


async def test_a_taken_port_is_a_mistake_of_configuration(pair):
    config = configured(pair[1])
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap, listening(ap) as addresses:
        taken = int(addresses.as4.split(":")[2].split("/")[0])
        other = AccessPoint(config)
        other.config = replace(config, as4=replace(config.as4, port=taken))
        with pytest.raises(ConfigError, match="cannot be opened"):
            async with listening(other):
                pass


async def test_the_internal_listener_may_have_tls_of_its_own(pair):
    config = configured(pair[1])
    assert config.as4.tls is not None
    tls = Tls(certificate=config.as4.tls.certificate, key=config.as4.tls.key)
    config = replace(config, internal=replace(config.internal, tls=tls))
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap, listening(ap) as addresses:
        assert addresses.internal.startswith("https://127.0.0.1:")
