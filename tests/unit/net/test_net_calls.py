"""Caller against real servers over mutual TLS: what is sent, what is made of every answer and of none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from ehmi_ap.net.calls import LIMIT, Answered, Caller, Unanswered
from ehmi_ap.net.tls import client_context, server_context
from tests.servers import Answerer, TlsFiles, alerting_peer, peer, streams


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def caller(tls: TlsFiles) -> AsyncIterator[Caller]:
    async with caller_of(tls) as made:
        yield made


def caller_of(tls: TlsFiles, certificate: str = "client", **options: Any) -> Caller:
    return Caller(client_context(anchors=[tls.ca.der], certificate=getattr(tls, certificate)), **options)


@asynccontextmanager
async def service(tls: TlsFiles, answerer: Answerer) -> AsyncIterator[str]:
    """A server that demands a client certificate."""
    async with peer(answerer, server_context(certificate=tls.server, client_ca=tls.client_ca)) as url:
        yield url


async def test_a_post_as_it_travels(caller: Caller, tls: TlsFiles) -> None:
    seen: list[Any] = []

    async def answerer(request: web.Request) -> web.Response:
        seen.append((request.method, dict(request.headers), await request.read()))
        return web.Response(status=201, body=b"made", headers={"Location": "/x/1", "Set-Cookie": "a=b"})

    async with service(tls, answerer) as url:
        first = await caller.call(url, data=b"{}", content_type="a/b", accept="c/d", token="abc")
        await caller.call(url)
    assert first == Answered(status=201, body=b"made", location="/x/1")
    (method, headers, body), (again, without, nothing) = seen
    assert (method, body, again, nothing) == ("POST", b"{}", "GET", b"")
    assert headers["Content-Type"] == "a/b"
    assert headers["Accept"] == "c/d"
    assert headers["Authorization"] == "Bearer abc"
    assert headers["User-Agent"].startswith("ehmi-ap/")
    assert not {"Authorization", "Content-Type", "Cookie"} & set(without)


async def test_every_status_is_an_answer_and_no_redirect_is_followed(caller: Caller, tls: TlsFiles) -> None:
    asked: list[str] = []

    async def answerer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=int(request.query["status"]), headers={"Location": "/elsewhere", "Retry-After": "7"})

    async with service(tls, answerer) as url:
        for status in (302, 307, 400, 401, 503):
            answer = await caller.call(f"{url}?status={status}", data=b"x", token="secret")
            assert isinstance(answer, Answered)
            assert (answer.status, answer.retry_after) == (status, 7.0)
    assert set(asked) == {"/as4"}


async def test_plain_http_is_not_spoken(caller: Caller) -> None:
    """A token would go over it."""
    assert await caller.call("http://localhost/", token="abc") == Unanswered("the URL is no https URL", ours=True)


async def test_an_answer_is_bounded_and_its_status_is_kept(caller: Caller, tls: TlsFiles) -> None:
    size = [LIMIT]

    async def answerer(request: web.Request) -> web.Response:
        return web.Response(status=201, body=b"x" * size[0])

    async with service(tls, answerer) as url:
        whole = await caller.call(url)
        size[0] += 1
        answer = await caller.call(url)
    assert isinstance(whole, Answered)
    assert len(whole.body) == LIMIT
    assert answer == Unanswered(f"the answer is larger than {LIMIT} bytes", status=201)


async def test_an_answer_that_is_cut_off_keeps_its_status(tls: TlsFiles) -> None:
    async def answerer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async def stalling(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        await response.write(b"half")
        await asyncio.Event().wait()
        raise AssertionError

    async with caller_of(tls, timeout=0.5) as caller, service(tls, answerer) as url, service(tls, stalling) as slow:
        cut, late = await caller.call(url), await caller.call(slow)
    assert isinstance(cut, Unanswered)
    assert isinstance(late, Unanswered)
    assert (cut.status, cut.ours, late.status, late.ours) == (201, False, 200, False)


# -- no answer


async def test_nobody_listens(caller: Caller) -> None:
    answer = await caller.call(f"https://localhost:{unused_port()}/")
    assert isinstance(answer, Unanswered)
    assert "refuses connections" in answer.what
    assert not answer.ours


async def test_a_server_that_speaks_no_tls(caller: Caller) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        await reader.read()

    async with streams(speak) as (host, port):
        answer = await caller.call(f"https://{host}:{port}/")
    assert isinstance(answer, Unanswered)
    assert answer.ours


@pytest.mark.parametrize("name", ["stranger", "elsewhere"])
async def test_a_server_that_is_not_trusted_gets_no_token(caller: Caller, tls: TlsFiles, name: str) -> None:
    """Below another CA, or with another name."""
    asked: list[str] = []

    async def answerer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with peer(answerer, server_context(certificate=getattr(tls, name))) as url:
        answer = await caller.call(url, token="abc")
    assert isinstance(answer, Unanswered)
    assert answer.ours
    assert "is not accepted" in answer.what
    assert asked == []


async def test_a_server_that_does_not_take_our_certificate(tls: TlsFiles) -> None:
    """Under TLS 1.2, where the alert cannot get lost: see the tests of PeerWeb for 1.3."""
    server = server_context(certificate=tls.server, client_ca=tls.client_ca, versions=["1.2"])
    async with caller_of(tls, "stranger") as caller, alerting_peer(server) as url:
        answer = await caller.call(url)
    assert isinstance(answer, Unanswered)
    assert answer.ours
    assert "does not trust the CA of our client certificate" in answer.what
