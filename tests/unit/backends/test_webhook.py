"""The webhook: what is sent, what counts as taken, and what an unsafe URL gets."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pki
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ehmi_ap.backends.outbox import FileBody
from ehmi_ap.backends.webhook import WebhookBackend
from ehmi_ap.body import CHUNK, MemoryBody
from ehmi_ap.errors import BackendError, ConfigError, StoreError
from ehmi_ap.model import (
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Party,
    PartyId,
    Payload,
    Service,
    UserMessage,
)

MESSAGE = UserMessage(
    message_id=MessageId("1@x"),
    timestamp=datetime(2026, 11, 23, tzinfo=UTC),
    from_=Party(PartyId("a"), "initiator"),
    to=Party(PartyId("b"), "responder"),
    service=Service("urn:s"),
    action="urn:a",
    conversation_id="c",
    payloads=(Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml"),),
)
EVENT = DeliveryEvent(
    kind=EventKind.SENT,
    message_id=MessageId("1@x"),
    direction=Direction.OUTBOUND,
    at=datetime(2026, 11, 23, tzinfo=UTC),
    seq=12,
)


class Receiver:
    """A receiving system that remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections: set[object] = set()

    async def post(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        self.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"}, text="x" * 200_000)

    @asynccontextmanager
    async def listening(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        app = web.Application(client_max_size=1024**3)
        app.router.add_post("/hook", self.post)
        server = TestServer(app, scheme="https" if tls else "http")
        await server.start_server(ssl=tls)
        try:
            yield str(server.make_url("/hook"))
        finally:
            await server.close()


def webhook(url: str, home: Path = Path("."), **options: object) -> WebhookBackend:
    return WebhookBackend.from_config("hook", {"url": url, **options}, home=home, domain="test.example")


def mistakes(url: str, home: Path = Path("."), **options: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        webhook(url, home, **options)
    return refused.value.findings


class TestDeliver:
    async def test_request(self) -> None:
        receiver = Receiver()
        async with receiver.listening() as url:
            await webhook(url).deliver(MESSAGE)
        [(headers, content)] = receiver.requests
        assert headers["Content-Type"].startswith("multipart/form-data; boundary=")
        assert headers["Content-Length"] == str(len(content))
        assert b'name="metadata"\r\nContent-Type: application/json\r\n\r\n{"message_id": "1@x"' in content
        assert b'filename="payload-1.xml"\r\nContent-Type: application/xml\r\n\r\n<a/>\r\n--' in content

    async def test_our_signature_is_in_the_metadata(self) -> None:
        receiver = Receiver()
        payloads = tuple(replace(payload, jws="protected..value") for payload in MESSAGE.payloads)
        async with receiver.listening() as url:
            await webhook(url).deliver(replace(MESSAGE, payloads=payloads))
            await webhook(url).deliver(MESSAGE)
        signed, unsigned = (content for _, content in receiver.requests)
        assert signed.count(b'"jws": "protected..value"') == len(payloads)
        assert b"jws" not in unsigned

    async def test_the_same_key_for_every_repeat_and_another_for_another_sender(self) -> None:
        receiver = Receiver()
        other = replace(MESSAGE, from_=Party(PartyId("z"), "initiator"))
        async with receiver.listening() as url:
            for message in (MESSAGE, MESSAGE, other):
                await webhook(url).deliver(message)
        first, second, third = (headers["Idempotency-Key"] for headers, _ in receiver.requests)
        assert first == second != third

    async def test_a_large_payload_streams(self, tmp_path: Path) -> None:
        path = tmp_path / "large"
        path.write_bytes(b"x" * (3 * CHUNK + 5))
        large = replace(MESSAGE, payloads=(Payload(body=FileBody(path, 3 * CHUNK + 5), mime_type="text/plain"),))
        receiver = Receiver()
        async with receiver.listening() as url:
            await webhook(url).deliver(large)
        assert b"x" * (3 * CHUNK + 5) in receiver.requests[0][1]

    async def test_a_payload_that_cannot_be_read_is_not_their_fault(self) -> None:
        class Gone:
            size = 3 * CHUNK
            resident = False

            def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
                yield b"x" * CHUNK
                raise StoreError("the file of a payload is gone")

        receiver = Receiver()
        async with receiver.listening() as url:
            with pytest.raises(StoreError, match="is gone"):
                await webhook(url).deliver(replace(MESSAGE, payloads=(Payload(body=Gone(), mime_type="text/plain"),)))
        assert receiver.requests == []

    async def test_what_a_peer_says_makes_no_header(self) -> None:
        odd = replace(MESSAGE, payloads=(Payload(body=MemoryBody(b""), mime_type="a/b\r\nX-Injected: yes"),))
        receiver = Receiver()
        async with receiver.listening() as url:
            await webhook(url).deliver(odd)
        assert b"\r\nX-Injected" not in receiver.requests[0][1]

    async def test_one_connection_while_it_runs(self) -> None:
        receiver = Receiver()

        async def nothing_to_submit(_: object) -> MessageId:
            raise AssertionError

        async with receiver.listening() as url:
            backend = webhook(url)
            receiver.status = 204
            task = asyncio.create_task(backend.run(nothing_to_submit))
            while backend._session is None:
                await asyncio.sleep(0)
            for _ in range(3):
                await backend.deliver(MESSAGE)
            task.cancel()
        assert len(receiver.connections) == 1

    @pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
    async def test_not_taken(self, status: int) -> None:
        receiver = Receiver()
        receiver.status = status
        async with receiver.listening() as url:
            with pytest.raises(BackendError, match=f"the webhook answered {status}") as failed:
                await webhook(url).deliver(MESSAGE)
        assert failed.value.retryable
        assert len(receiver.requests) == 1  # no redirect was followed

    async def test_nobody_there(self) -> None:
        async with Receiver().listening() as url:
            pass
        with pytest.raises(BackendError, match="could not be reached"):
            await webhook(url).deliver(MESSAGE)

    async def test_no_answer_in_time(self) -> None:
        app = web.Application()

        async def silent(_: web.Request) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError

        app.router.add_post("/hook", silent)
        async with TestServer(app) as server:
            with pytest.raises(BackendError, match="did not answer within"):
                await webhook(str(server.make_url("/hook")), timeout=0.05).deliver(MESSAGE)


class TestNotify:
    async def test_events_may_have_a_url_of_their_own(self) -> None:
        messages, events = Receiver(), Receiver()
        async with messages.listening() as url, events.listening() as events_url:
            await webhook(url, events_url=events_url).notify(EVENT)
        assert messages.requests == []
        [(headers, content)] = events.requests
        assert headers["Idempotency-Key"] == "outbound-12"
        assert content.startswith(b'{"seq": 12, "kind": "msg-sent"')


class TestSafety:
    async def test_bearer_token(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text("s3cret\n")
        receiver = Receiver()
        async with receiver.listening() as url:
            backend = webhook(url, tmp_path, bearer={"file": "token"})
            await backend.deliver(MESSAGE)
        assert receiver.requests[0][0]["Authorization"] == "Bearer s3cret"

    async def test_mutual_tls(self, tmp_path: Path, test_pki: Any) -> None:
        server = pki.make_leaf(test_pki.root, "localhost", key="b", san=("localhost",))
        client = pki.make_leaf(test_pki.root, "client", key="a")
        for name, content in {
            "ca.pem": test_pki.root.pem,
            "server.pem": server.key_pem + server.pem,
            "client.pem": client.key_pem + client.pem,
        }.items():
            (tmp_path / name).write_bytes(content)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_cert_chain(tmp_path / "server.pem")
        receiver = Receiver()
        async with receiver.listening(tls) as url:
            url = url.replace("127.0.0.1", "localhost")
            await webhook(url, tmp_path, ca="ca.pem", certificate="client.pem").deliver(MESSAGE)
            assert len(receiver.requests) == 1
            with pytest.raises(BackendError, match="could not be reached"):
                await webhook(url, tmp_path, certificate="client.pem").deliver(MESSAGE)  # their CA is not ours
        assert len(receiver.requests) == 1

    @pytest.mark.parametrize("url", ["http://example.org/x", "http://localhost.example.org/x", "ftp://x", "x"])
    def test_plain_http_has_to_be_written(self, url: str) -> None:
        assert mistakes(url) == (
            "ehmi-ap.toml: [backends.hook] url: has to begin with https://; or write insecure_http = true",
        )

    def test_plain_http_that_was_written(self) -> None:
        assert not webhook("http://example.org/x", insecure_http=True).fetches

    def test_all_mistakes_at_once(self, tmp_path: Path) -> None:
        found = mistakes("http://x", tmp_path, timeout=0, bearer={"value": "s3cret"}, ca="none.pem")
        assert [text.split(": ")[1] for text in found] == [
            "[backends.hook] url",
            "[backends.hook] timeout",
            "[backends.hook] bearer",
            "[backends.hook] ca, certificate, key",
        ]
        assert "s3cret" not in str(found)
