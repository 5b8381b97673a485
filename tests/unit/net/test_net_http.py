"""PeerWeb against real servers on the loopback: what travels, what comes back, and what each failure is called."""

import asyncio
import gzip
import re
import ssl
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from ehmi_ap.body import CHUNK, MemoryBody, read_all
from ehmi_ap.errors import StoreError, TransportError
from ehmi_ap.model import Wire
from ehmi_ap.net.http import ANSWER_LIMIT, PeerWeb
from ehmi_ap.net.tls import client_context, server_context
from ehmi_ap.ports import Reach
from tests.servers import TlsFiles, alerting_peer, peer, raw_peer

XML = "application/soap+xml; charset=UTF-8"


class File:
    """A body that is not in memory: its chunks are asked for in a thread."""

    resident = False

    def __init__(self, size: int, fail_at: int | None = None) -> None:
        self.size = size
        self._fail_at = fail_at

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        for offset in range(0, self.size, CHUNK):
            if self._fail_at is not None and offset >= self._fail_at:
                raise StoreError("the file is gone")
            yield b"x" * min(CHUNK, self.size - offset)


def wire(data: bytes = b"<a/>") -> Wire:
    return Wire(content_type=XML, body=MemoryBody(data))


def no_tls(_: str | None) -> ssl.SSLContext:
    raise AssertionError("no TLS here")


@pytest.fixture
async def http() -> AsyncIterator[PeerWeb]:
    async with PeerWeb(no_tls, allow_http=True) as peer_web:
        yield peer_web


async def post(peer_web: PeerWeb, url: str, message: Wire | None = None, timeout: float = 10.0) -> Wire:
    return await peer_web.post(url, message or wire(), timeout=timeout, tls_trust=None)


# -- what travels


@pytest.mark.parametrize(
    "body", [MemoryBody(b"<a/>"), MemoryBody(b""), MemoryBody(b"y" * (CHUNK + 1)), File(3 * CHUNK + 5)]
)
async def test_the_body_travels_whole_with_its_length(http: PeerWeb, body: Any) -> None:
    """Content-Length, never chunked (as4-wire 1.1); no SOAPAction, no encodings offered."""
    seen: list[tuple[Any, int]] = []

    async def answerer(request: web.Request) -> web.Response:
        assert isinstance(request, web.BaseRequest)
        seen.append((request.headers, len(await request.read())))
        return web.Response(body=b"<ok/>", content_type="application/soap+xml", charset="UTF-8")

    async with peer(answerer) as url:
        answer = await post(http, url, Wire(content_type=XML, body=body))
    headers, size = seen[0]
    assert size == body.size
    assert headers["Content-Length"] == str(body.size)
    assert headers["Content-Type"] == XML
    assert headers["Accept-Encoding"] == "identity"
    assert "Transfer-Encoding" not in headers
    assert "SOAPAction" not in headers
    assert read_all(answer.body) == b"<ok/>"
    assert (answer.status, answer.content_type) == (200, XML)


@pytest.mark.parametrize("status", [202, 204, 302, 400, 500, 503])
async def test_an_answer_is_an_answer_whatever_its_status(http: PeerWeb, status: int) -> None:
    """The body decides, not the status (as4-wire 1.3); a redirect is not followed."""

    async def answerer(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://elsewhere.invalid/", "Retry-After": "120"})

    async with peer(answerer) as url:
        answer = await post(http, url)
    assert (answer.status, answer.retry_after) == (status, 120.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (None, None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 +99999999999999999999", None),
        ("-5", None),
    ],
)
async def test_retry_after_in_both_forms(http: PeerWeb, value: str | None, seconds: float | None) -> None:
    async def answerer(request: web.Request) -> web.Response:
        return web.Response(status=503, headers={} if value is None else {"Retry-After": value})

    async with peer(answerer) as url:
        assert (await post(http, url)).retry_after == seconds


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
async def test_an_encoding_that_was_not_offered_is_undone(http: PeerWeb, encoding: str) -> None:
    """phase4 gzips its answers when it may (peers-live 2); here it does so unasked."""
    data = zlib.compress(b"<ok/>") if encoding == "deflate" else gzip.compress(b"<ok/>")

    async def answerer(request: web.Request) -> web.Response:
        return web.Response(body=data, headers={"Content-Encoding": encoding})

    async with peer(answerer) as url:
        assert read_all((await post(http, url)).body) == b"<ok/>"


@pytest.mark.parametrize(
    ("body", "encoding", "says"),
    [
        (b"x" * (ANSWER_LIMIT + 1), None, "larger than"),
        (gzip.compress(b"x" * (ANSWER_LIMIT + 1), mtime=0), "gzip", "larger than"),
        (b"no gzip", "gzip", "is broken"),
        (gzip.compress(b"<ok/>", mtime=0)[:-9], "gzip", "is broken"),
        (b"?", "br", "not offered"),
    ],
)
async def test_an_answer_is_bounded(http: PeerWeb, body: bytes, encoding: str | None, says: str) -> None:
    async def answerer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Encoding": encoding} if encoding else {})

    async with peer(answerer) as url:
        with pytest.raises(TransportError, match=says):
            await post(http, url)


async def test_the_connection_is_used_again(http: PeerWeb) -> None:
    """One connection for two messages to one partner (python-stack 4)."""
    ports: set[object] = set()

    async def answerer(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with peer(answerer) as url:
        await post(http, url)
        await post(http, url)
    assert len(ports) == 1


# -- what goes wrong


async def failure(peer_web: PeerWeb, url: str, message: Wire | None = None, timeout: float = 10.0) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await post(peer_web, url, message, timeout)
    assert caught.value.retryable
    assert caught.value.fix
    return caught.value


async def test_nobody_listens(http: PeerWeb) -> None:
    assert "refuses connections" in (await failure(http, f"http://127.0.0.1:{unused_port()}/as4")).what


async def test_a_host_with_braces_is_a_host_like_others(http: PeerWeb) -> None:
    assert "{x}" in (await failure(http, "http://{x}/as4")).what


async def test_a_name_that_does_not_exist(http: PeerWeb) -> None:
    error = await failure(http, "http://no-such-host.invalid/as4")
    assert "cannot be resolved" in error.what
    assert "no-such-host.invalid" in error.what


async def test_a_peer_that_does_not_answer_in_time(http: PeerWeb) -> None:
    async def answerer(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with peer(answerer) as url:
        error = await failure(http, url, timeout=0.05)
    assert "no whole answer" in error.what
    assert "timeout" in error.fix


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<half"])
async def test_a_connection_that_ends_too_soon(http: PeerWeb, said: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"<a/>")
        writer.write(said)
        writer.close()

    async with raw_peer(speak) as url:
        error = await failure(http, url)
    assert "closed the connection before its answer was whole" in error.what


async def test_a_reset_in_the_middle_of_a_large_body(http: PeerWeb) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.transport.abort()

    async with raw_peer(speak) as url:
        error = await failure(http, url, Wire(content_type=XML, body=File(40 * CHUNK)))
    assert "127.0.0.1" in error.what
    assert "connection" in error.what


async def test_an_answer_before_the_body_was_read_whole(http: PeerWeb) -> None:
    """413 comes while we still send: it is the answer."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        while await reader.read(65536):
            pass
        writer.close()

    async with raw_peer(speak) as url:
        answer = await post(http, url, Wire(content_type=XML, body=File(40 * CHUNK)))
    assert answer.status == 413


async def test_something_else_than_http(http: PeerWeb) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"<a/>")
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()

    async with raw_peer(speak) as url:
        assert "does not answer with HTTP" in (await failure(http, url)).what


@pytest.mark.parametrize("url", ["ftp://peer.example/as4", "https://", "https://[::1/as4", "peer.example"])
async def test_urls_that_cannot_be_used(url: str) -> None:
    async with PeerWeb(lambda _: client_context()) as peer_web:
        assert "URL" in (await failure(peer_web, url)).what


async def test_plain_http_has_to_be_allowed() -> None:
    """eDelivery AS4 1.15 3.2.6: TLS always (G15)."""
    async with PeerWeb(no_tls) as peer_web:
        error = await failure(peer_web, "http://127.0.0.1:1/as4")
    assert "no https URL" in error.what


async def test_a_published_url_leads_only_where_it_may(http: PeerWeb) -> None:
    """The loopback is of a closed network at most (SSRF); a connection that was allowed is not used by who may not."""

    async def answerer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"<ok/>")

    async with peer(answerer) as url:
        for reach in (Reach.ANY, Reach.CLOSED):
            assert (await http.post(url, wire(), timeout=10, tls_trust=None, reach=reach)).status == 200
        with pytest.raises(TransportError, match="is not an address that may be asked") as refused:
            await http.post(url, wire(), timeout=10, tls_trust=None, reach=Reach.GLOBAL)
        assert "private_addresses" in refused.value.fix


async def test_our_own_failure_to_read_the_body_is_not_the_networks(http: PeerWeb) -> None:
    """A payload file that is gone is a StoreError, whatever aiohttp makes of it."""

    async def answerer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    async with peer(answerer) as url:
        with pytest.raises(StoreError, match="the file is gone"):
            await post(http, url, Wire(content_type=XML, body=File(8 * CHUNK, fail_at=CHUNK)))


# -- TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


def web_of(tls: TlsFiles, **options: Any) -> PeerWeb:
    context = client_context(anchors=[tls.ca.der], **options)
    return PeerWeb(lambda _: context)


async def hello(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(body=b"<ok/>")


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_both_tls_versions(tls: TlsFiles, version: str) -> None:
    async with web_of(tls) as peer_web, peer(hello, server_context(certificate=tls.server, versions=[version])) as url:
        assert (await post(peer_web, url)).status == 200


async def test_a_certificate_below_another_ca(tls: TlsFiles) -> None:
    async with (
        PeerWeb(lambda _: client_context()) as peer_web,
        peer(hello, server_context(certificate=tls.server)) as url,
    ):
        error = await failure(peer_web, url)
    assert "TLS certificate of localhost" in error.what
    assert "tls_trust" in error.fix


async def test_a_certificate_for_another_name(tls: TlsFiles) -> None:
    async with web_of(tls) as peer_web, peer(hello, server_context(certificate=tls.elsewhere)) as url:
        error = await failure(peer_web, url)
    assert "is not accepted" in error.what
    assert "localhost" in error.what


async def test_no_version_in_common(tls: TlsFiles) -> None:
    """CP_TA40 from the client's side: it offers 1.3, the server only 1.2."""
    server = server_context(certificate=tls.server, versions=["1.2"])
    async with web_of(tls, versions=["1.3"]) as peer_web, peer(hello, server) as url:
        assert "TLS" in (await failure(peer_web, url)).what


async def test_no_suite_in_common(tls: TlsFiles) -> None:
    """CP_TA42: TLS 1.2 with suites outside the server's list."""
    server = server_context(certificate=tls.server, versions=["1.2"], ciphers=["ECDHE-RSA-AES256-GCM-SHA384"])
    ours = {"versions": ["1.2"], "ciphers": ["ECDHE-RSA-AES128-GCM-SHA256"]}
    async with web_of(tls, **ours) as peer_web, peer(hello, server) as url:
        assert "TLS" in (await failure(peer_web, url)).what


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_client_certificate_is_shown_where_it_is_asked_for(tls: TlsFiles, version: str) -> None:
    """G16: with the right one the message goes through; a peer that just hangs up is named with its likely reason."""
    server = server_context(certificate=tls.server, client_ca=tls.client_ca, versions=[version])
    async with peer(hello, server) as url:
        async with web_of(tls, certificate=tls.client) as peer_web:
            assert (await post(peer_web, url)).status == 200
        async with web_of(tls) as peer_web:
            assert "client certificate" in (await failure(peer_web, url)).fix


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize(("ours", "says"), [(None, "client certificate|handshake"), ("stranger", "CA of our client")])
async def test_a_peer_that_says_why_it_does_not_like_our_certificate(
    tls: TlsFiles, version: str, ours: str | None, says: str
) -> None:
    """OpenSSL's own server sends the alert of RFC 8446 6.2, in either version.

    Under 1.3 our request is on its way by then, so that the alert may get lost in the reset that answers it.
    """
    server = server_context(certificate=tls.server, client_ca=tls.client_ca, versions=[version])
    options = {"certificate": getattr(tls, ours)} if ours else {}
    async with alerting_peer(server) as url, web_of(tls, **options) as peer_web:
        error = await failure(peer_web, url)
    assert re.search(says if version == "1.2" else f"{says}|broke", error.what)
    assert "client certificate" in error.fix


async def test_a_peer_that_never_ends_the_handshake(tls: TlsFiles) -> None:
    """Connecting includes TLS, and has a time of its own."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    context = client_context(anchors=[tls.ca.der])
    async with PeerWeb(lambda _: context, connect_timeout=0.05) as peer_web, raw_peer(speak) as url:
        error = await failure(peer_web, url.replace("http:", "https:"))
    assert "no connection to 127.0.0.1" in error.what


async def test_a_server_that_speaks_no_tls(tls: TlsFiles) -> None:
    async with web_of(tls) as peer_web, peer(hello) as url:
        assert "does not speak TLS" in (await failure(peer_web, url.replace("http:", "https:"))).what
