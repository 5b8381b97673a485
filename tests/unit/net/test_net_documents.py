"""WebDocuments against real servers: URLs as they are written, bounds, TLS, and addresses that must not be asked."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.net.tls import client_context, server_context
from ehmi_ap.questions import WebAnswer, WebFailure, WebQuestion
from tests.servers import TlsFiles, alerting_peer, peer, raw_peer


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def documents(tls: TlsFiles) -> AsyncIterator[WebDocuments]:
    async with documents_of(tls) as made:
        yield made


@asynccontextmanager
async def documents_of(tls: TlsFiles, **options: Any) -> AsyncIterator[WebDocuments]:
    times = {name: options.pop(name) for name in ("timeout", "connect_timeout") if name in options}
    async with WebDocuments(client_context(anchors=[tls.ca.der], **options), **times) as made:
        yield made


async def fetch(documents: WebDocuments, url: str, **fields: Any) -> WebAnswer:
    """Ask a server of the test, which is on the loopback: an address of a closed network."""
    return await documents.fetch(WebQuestion(url=url, **{"private": True, **fields}))


async def hello(_: web.Request) -> web.Response:
    return web.Response(body=b"<ok/>", content_type="text/xml", headers={"Last-Modified": LONG_AGO})


LONG_AGO = "Mon, 02 Nov 2026 08:00:00 GMT"


# -- what travels


@pytest.mark.parametrize(
    "path",
    [
        "/iso6523-actorid-upis%3A%3A0204%3Aapi-global/services/busdox-docid-qns%3A%3Aurn%3Aa%23%23urn%3Ab%3A%3A2.1",
        "/smp/a%2Fb%2A%40c%20d%25/x",
        "/a:b*@c/%7euser//../d",
        "/dk%c3%a6%F8",
        "/?q=%3A+1",
    ],
)
async def test_a_url_is_asked_as_it_is_written(documents: WebDocuments, path: str) -> None:
    """No escape is undone or added: some SMPs compare bytes (spec/discovery.md 2.1)."""
    seen: list[str] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readline()).decode())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with raw_peer(speak) as url:
        answer = await fetch(documents, url.removesuffix("/as4") + path)
    assert answer.status == 204
    assert seen == [f"GET {path} HTTP/1.1\r\n"]


async def test_an_answer_with_all_that_is_used_of_it(documents: WebDocuments) -> None:
    seen: list[Any] = []

    async def answerer(request: web.Request) -> web.Response:
        seen.append((request.method, request.headers, await request.read()))
        return await hello(request)

    async with peer(answerer) as url:
        answer = await fetch(documents, url)
    assert answer.date is not None
    assert abs(answer.date - datetime.now(UTC)) < timedelta(minutes=1)
    expected = WebAnswer(status=200, content_type="text/xml", body=b"<ok/>", last_modified=LONG_AGO)
    assert replace(answer, date=None) == expected
    method, headers, body = seen[0]
    assert (method, body, headers["Accept-Encoding"]) == ("GET", b"", "identity")
    assert not {"Cookie", "Authorization", "If-Modified-Since", "Content-Type"} & headers.keys()


async def test_a_conditional_question(documents: WebDocuments) -> None:
    async def answerer(request: web.Request) -> web.Response:
        return web.Response(status=304 if request.headers.get("If-Modified-Since") == LONG_AGO else 200)

    async with peer(answerer) as url:
        answer = await fetch(documents, url, if_modified_since=LONG_AGO)
    assert (answer.status, answer.body) == (304, b"")


async def test_a_question_with_a_body_is_posted(documents: WebDocuments) -> None:
    """OCSP over HTTP (RFC 6960 appendix A)."""

    async def answerer(request: web.Request) -> web.Response:
        assert (request.method, request.content_type) == ("POST", "application/ocsp-request")
        return web.Response(body=await request.read())

    async with peer(answerer) as url:
        content_type = "application/ocsp-request"
        answer = await fetch(documents, url, purpose="status", body=b"\0asn1", content_type=content_type)
    assert (answer.status, answer.body) == (200, b"\0asn1")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 429, 500, 503])
async def test_an_answer_is_an_answer_whatever_its_status(documents: WebDocuments, status: int) -> None:
    """A redirect of HTTP is not followed: only the SMP's own, which is signed (OASIS SMP 1.0 3.2.1)."""
    asked: list[str] = []

    async def answerer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere", "Retry-After": "120"}, body=b"why")

    async with peer(answerer) as url:
        answer = await fetch(documents, url)
    assert (answer.status, answer.retry_after, answer.body, answer.failure) == (status, 120.0, b"why", None)
    assert asked == ["/as4"]


async def test_no_cookie_is_kept(documents: WebDocuments) -> None:
    seen: list[bool] = []

    async def answerer(request: web.Request) -> web.Response:
        seen.append("Cookie" in request.headers)
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with peer(answerer) as url:
        await fetch(documents, url)
        await fetch(documents, url)
    assert seen == [False, False]


async def test_an_encoding_that_was_not_offered_is_undone(documents: WebDocuments) -> None:
    async def answerer(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"<ok/>"), headers={"Content-Encoding": "gzip"})

    async with peer(answerer) as url:
        assert (await fetch(documents, url)).body == b"<ok/>"


# -- what goes wrong


def text(size: int) -> web.Response:
    return web.Response(body=b"x" * size)


def inflating(size: int) -> web.Response:
    return web.Response(body=gzip.compress(b"x" * size), headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("make", [text, inflating])
async def test_an_answer_is_bounded(documents: WebDocuments, make: Callable[[int], web.Response]) -> None:
    size = [1000]

    async def answerer(request: web.Request) -> web.Response:
        return make(size[0])

    async with peer(answerer) as url:
        assert len((await fetch(documents, url, limit=1000)).body) == 1000
        size[0] = 1001
        answer = await fetch(documents, url, limit=1000)
    assert answer == WebAnswer(failure=WebFailure.TOO_LARGE, detail="the answer is larger than 1000 bytes")


async def test_an_answer_that_does_not_say_its_length_is_bounded(documents: WebDocuments) -> None:
    """It never ends; so does the question, after the limit."""

    async def answerer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 1000)

    async with peer(answerer) as url:
        assert (await fetch(documents, url, limit=100_000)).failure is WebFailure.TOO_LARGE


async def test_a_server_that_is_slow_to_answer(tls: TlsFiles) -> None:
    async def answerer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"<half")
        await asyncio.Event().wait()
        raise AssertionError

    async with documents_of(tls, timeout=0.1) as documents, peer(answerer) as url:
        answer = await fetch(documents, url)
    assert answer.failure is WebFailure.TIMEOUT
    assert "no whole answer" in answer.detail


async def test_a_server_that_is_slow_to_shake_hands(tls: TlsFiles) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with documents_of(tls, connect_timeout=0.1) as documents, raw_peer(speak) as url:
        answer = await fetch(documents, url.replace("http:", "https:"))
    assert answer.failure is WebFailure.TIMEOUT
    assert "no connection" in answer.detail


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<half",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: br\r\n\r\nxxx",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 20_000 + b"\r\n\r\n",
        b"220 mail.example ESMTP\r\n",
    ],
)
async def test_an_answer_that_is_none(documents: WebDocuments, said: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async with raw_peer(speak) as url:
        answer = await fetch(documents, url)
    assert answer.failure is WebFailure.BROKEN
    assert answer.detail


async def test_nobody_listens(documents: WebDocuments) -> None:
    answer = await fetch(documents, f"http://127.0.0.1:{unused_port()}/")
    assert answer.failure is WebFailure.CONNECT
    assert "refuses connections" in answer.detail


async def test_a_host_that_does_not_exist(documents: WebDocuments) -> None:
    answer = await fetch(documents, "http://no-such-host.invalid/")
    assert answer.failure is WebFailure.CONNECT
    assert "no-such-host.invalid" in answer.detail


# -- TLS


@pytest.mark.parametrize("version", ["1.2", "1.3"])
async def test_a_client_certificate_is_shown(tls: TlsFiles, version: str) -> None:
    """mTLS, as EHMI has it (spec/discovery.md 0.2)."""
    server = server_context(certificate=tls.server, client_ca=tls.client_ca, versions=[version])
    async with documents_of(tls, certificate=tls.client) as documents, peer(hello, server) as url:
        assert (await fetch(documents, url)).body == b"<ok/>"


async def test_a_server_that_says_that_it_does_not_take_our_certificate(tls: TlsFiles) -> None:
    """Under TLS 1.2, where the alert cannot get lost: see the tests of PeerWeb for 1.3."""
    server = server_context(certificate=tls.server, client_ca=tls.client_ca, versions=["1.2"])
    async with documents_of(tls, certificate=tls.stranger) as documents, alerting_peer(server) as url:
        answer = await fetch(documents, url)
    assert answer.failure is WebFailure.CLIENT_CERTIFICATE
    assert "does not trust the CA of our client certificate" in answer.detail


async def test_who_the_server_is(documents: WebDocuments, tls: TlsFiles) -> None:
    async with peer(hello, server_context(certificate=tls.server, versions=["1.2"])) as url:
        answer = await fetch(documents, url)
    assert answer.certificate is not None
    assert Certificate.from_der(answer.certificate).common_name == "localhost"
    assert answer.protocol == "TLSv1.2"


@pytest.mark.parametrize("name", ["stranger", "elsewhere"])
async def test_a_server_that_is_not_trusted(documents: WebDocuments, tls: TlsFiles, name: str) -> None:
    """Below another CA, or with another name."""
    async with peer(hello, server_context(certificate=getattr(tls, name))) as url:
        answer = await fetch(documents, url)
    assert answer.failure is WebFailure.TLS
    assert "is not accepted" in answer.detail


async def test_a_server_that_speaks_no_tls(documents: WebDocuments) -> None:
    async with peer(hello) as url:
        answer = await fetch(documents, url.replace("http:", "https:"))
    assert answer.failure is WebFailure.TLS


# -- whom not to ask


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_our_own_machine_is_not_asked(documents: WebDocuments, host: str) -> None:
    """However it is written: the address is judged where the connection is made."""
    asked: list[str] = []

    async def answerer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with peer(answerer) as url:
        port = urlsplit(url).port
        answer = await documents.fetch(WebQuestion(url=f"http://{host}:{port}/"))
        assert (answer.failure, asked) == (WebFailure.ADDRESS, [])
        assert (await fetch(documents, f"http://{host}:{port}/")).status == 200


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "[::]", "169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "0", "127.1", "2130706433"],
)
async def test_some_hosts_are_not_asked_in_a_closed_network_either(documents: WebDocuments, host: str) -> None:
    """Nor are addresses that are written as one number, or with fewer dots, which no SMP needs."""
    answer = await fetch(documents, f"http://{host}:9/latest/meta-data")
    assert answer.failure is WebFailure.ADDRESS


async def test_a_connection_of_a_closed_network_serves_no_other_question(documents: WebDocuments) -> None:
    async with peer(hello) as url:
        question = WebQuestion(url=url, private=True)
        assert (await documents.fetch(question)).status == 200
        assert (await documents.fetch(replace(question, private=False))).failure is WebFailure.ADDRESS


async def test_a_name_that_changes_its_address(documents: WebDocuments, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: what a name was found to be earlier counts for nothing, only the address that is connected to."""
    loop = asyncio.get_running_loop()
    addresses = iter([["203.0.114.7", "127.0.0.1"], ["127.0.0.1"]])
    connected: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in next(addresses)]

    async def sock_connect(_: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    question = WebQuestion(url="http://smp.example/")
    assert (await documents.fetch(question)).failure is not None
    assert (await documents.fetch(question)).failure is WebFailure.ADDRESS
    assert set(connected) == {"203.0.114.7"}


@pytest.mark.parametrize(
    ("url", "purpose"),
    [
        ("ftp://smp.example/", "smp"),
        ("file:///etc/passwd", "smp"),
        ("//smp.example/", "smp"),
        ("https://", "smp"),
        ("https://[::1/", "smp"),
        ("https://smp.example:99999/", "smp"),
        ("https://smp.example:0/", "smp"),
        ("https://user@smp.example/", "smp"),
        ("https://@smp.example/", "smp"),
        ("https://smp.example/#part", "smp"),
        ("https://smp.example/a b", "smp"),
        ("https://smp.example/a\r\nHost: other", "smp"),
        ("https://smp.example/\u2028", "smp"),
        ("https://sundhed\u00e6.example/", "smp"),
        ("https://a..b/", "smp"),
        ("", "smp"),
        ("https://crl.example/ca.crl", "status"),
    ],
)
async def test_urls_that_are_not_asked(documents: WebDocuments, url: str, purpose: Literal["smp", "status"]) -> None:
    answer = await fetch(documents, url, purpose=purpose)
    assert answer.failure is WebFailure.ADDRESS
    assert "URL" in answer.detail
