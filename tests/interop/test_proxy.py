"""The relay passes on every byte, and makes the weather it was told to make."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization

from tests.interop import identities
from tests.interop.http1 import Http, answer
from tests.interop.proxy import LOSE_ANSWER, Proxy, Weather

HEAD = b"POST /as4 HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
REQUEST = HEAD + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
PATIENCE = 20


class Target:
    """A server that writes down what comes and answers what it is told to."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        while not data.endswith((b"hello", b"0\r\n\r\n", b"HELLO")) and (piece := await reader.read(65536)):
            data += piece
        self.seen.append(data)
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@pytest.fixture
def target() -> Target:
    return Target()


@pytest_asyncio.fixture
async def proxy(target: Target) -> AsyncIterator[Proxy]:
    relay = Proxy()
    await relay.start()
    async with await asyncio.start_server(target.serve, "127.0.0.1", 0) as server:
        relay.target = server.sockets[0].getsockname()
        yield relay
        await relay.stop()


async def post(proxy: Proxy, *requests: bytes, tls: ssl.SSLContext | None = None) -> list[bytes | None]:
    """Send requests over one connection, each after the answer to the one before; None: the connection was reset."""
    port = int(proxy.url.split(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    got: list[bytes | None] = []
    try:
        async with asyncio.timeout(PATIENCE):
            for request in requests:
                writer.write(request)
                got.append(await _answered(reader))
    finally:
        writer.transport.abort()
    return got


async def _answered(reader: asyncio.StreamReader) -> bytes | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(Http(head, b"", b"").length)
    except (ConnectionError, asyncio.IncompleteReadError):
        return None


@pytest.mark.parametrize("request_", [REQUEST, CHUNKED], ids=["length", "chunked"])
async def test_every_byte_passes_and_is_kept(proxy: Proxy, target: Target, request_: bytes) -> None:
    assert await post(proxy, request_) == [target.answer]
    [exchange] = proxy.exchanges
    assert target.seen == [request_]
    assert (exchange.request.body, exchange.request.head + exchange.request.framed) == (b"hello", request_)
    assert (exchange.answer.status, exchange.answer.body, exchange.given) == (200, b"ok", exchange.answer)


async def test_a_connection_may_carry_several_requests(proxy: Proxy, target: Target) -> None:
    assert await post(proxy, REQUEST, CHUNKED) == [target.answer] * 2


async def test_a_changed_request_gets_a_length_and_the_kept_one_is_the_first(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(request=lambda http: http.but(body=http.body.upper(), content_type="text/html")))
    await post(proxy, CHUNKED)
    changed = HEAD.replace(b"text/plain", b"text/html") + b"Content-Length: 5\r\n\r\nHELLO"
    assert target.seen == [changed]
    [exchange] = proxy.exchanges
    assert exchange.sent is not None
    assert (exchange.request.body, exchange.sent.body) == (b"hello", b"HELLO")


async def test_a_changed_answer(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(answer=lambda request, true: true.but(body=request.body + true.body, status=500)))
    assert await post(proxy, REQUEST) == [b"HTTP/1.1 500 Changed\r\nContent-Length: 7\r\n\r\nhellook"]
    assert proxy.exchanges[0].answer.body == b"ok"


async def test_an_answer_in_place_of_asking(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(instead=answer(204)))
    assert await post(proxy, REQUEST) == [b"HTTP/1.1 204 Made\r\n\r\n"]
    assert target.seen == []


async def test_an_answer_that_is_lost_after_the_request_arrived(proxy: Proxy, target: Target) -> None:
    proxy.forecast(LOSE_ANSWER, Weather(cut_answer=20))
    assert (await post(proxy, REQUEST), await post(proxy, REQUEST)) == ([None], [None])
    assert target.seen == [REQUEST] * 2


async def test_a_request_that_is_cut_goes_nowhere(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(cut_request=2))
    assert await post(proxy, REQUEST) == [None]
    assert (target.seen, len(proxy.exchanges)) == ([], 1)


async def test_an_answer_is_held_until_the_sender_hangs_up(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(hold=True))
    port = int(proxy.url.split(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    async with asyncio.timeout(PATIENCE):
        while not (proxy.exchanges and proxy.exchanges[0].answers):
            await asyncio.sleep(0)
    writer.write_eof()
    assert await reader.read() == b""
    writer.transport.abort()
    assert proxy.exchanges[0].given is None


@pytest.mark.parametrize("again", ["after", "beside"])
async def test_a_request_may_arrive_twice(proxy: Proxy, target: Target, again: Literal["after", "beside"]) -> None:
    proxy.forecast(Weather(again=again))
    assert await post(proxy, REQUEST) == [target.answer]
    assert target.seen == [REQUEST] * 2
    assert len(proxy.exchanges[0].answers) == 2


async def test_pieces_make_the_whole(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(drip=1))
    assert await post(proxy, CHUNKED) == [target.answer]
    assert target.seen == [CHUNKED]


async def test_a_target_that_is_not_there_ends_the_connection(proxy: Proxy) -> None:
    proxy.target = ("127.0.0.1", 1)
    assert await post(proxy, REQUEST) == [None]


async def test_the_weather_is_for_one_request_each_and_can_be_cleared(proxy: Proxy, target: Target) -> None:
    proxy.forecast(Weather(instead=answer(404)), Weather(instead=answer(503)))
    assert await post(proxy, REQUEST) != [target.answer]
    proxy.clear()
    assert await post(proxy, REQUEST) == [target.answer]
    assert len(proxy.exchanges) == 1


async def test_what_travelled_is_dumped(proxy: Proxy, target: Target, tmp_path: Path) -> None:
    proxy.forecast(Weather(answer=lambda request, true: true.but(body=b"changed")))
    await post(proxy, CHUNKED)
    proxy.dump(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "001-request.http": CHUNKED,
        "001-answer-1.http": target.answer,
        "001-given.http": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nchanged",
    }


async def test_tls_ends_at_the_relay(proxy: Proxy, target: Target, tmp_path: Path) -> None:
    """With a certificate that the test chooses; the target sees plain HTTP."""
    server = identities.make().server
    (tmp_path / "server.pem").write_bytes(server.key_pem + server.chain_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    relay = Proxy(server_tls=context)
    await relay.start()
    relay.target = proxy.target
    trusting = ssl.create_default_context(cadata=server.chain[-1].public_bytes(serialization.Encoding.DER))
    assert await post(relay, REQUEST, tls=trusting) == [target.answer]
    assert target.seen == [REQUEST]
    await relay.stop()
