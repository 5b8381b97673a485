"""The recordings over real sockets, byte for byte as they were on the wire (peers-live 2; 10, sender 6, receiver 6).

Requests go to the listener of a daemon that has the receiver's keys and the recording's clock; responses come from a
socket to our HTTP client. So chunks, gzip, an h2c offer, empty lines and a status line without a reason are read by
what reads them in production.
"""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ehmi_ap import access_point
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody, read_all
from ehmi_ap.config import Config
from ehmi_ap.model import UserMessage, Wire
from ehmi_ap.net.http import PeerWeb
from ehmi_ap.server import listening
from ehmi_ap.tables import to_toml
from tests import independent
from tests.unit.server.conftest import Answer, Connection, eventually
from tests.vectors.recordings import AT, DATA, ERRORS, LIVE, MESSAGES, PULL, RECEIPTS, Pair, header_of, pair_of, wire_of

Post = Callable[[bytes], Awaitable[Answer]]


class Keeping:
    """A backend that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[UserMessage] = []

    async def deliver(self, message: UserMessage) -> None:
        self.messages.append(message)

    async def notify(self, event: object) -> None:
        """Nobody asks."""

    async def run(self, submit: object) -> None:
        """Nothing is submitted here."""


def write_receiver(home: Path, message: UserMessage, pair: Pair) -> Config:
    """The recording's receiver: its key, the sender's certificate, and a P-Mode with the values of the message."""
    for name in ("keys", "trust", "pmodes"):
        (home / name).mkdir(mode=0o700)
    secret = home / "keys" / "ap.pem"
    secret.touch(mode=0o600)
    secret.write_bytes(pair.key_pem + pair.read(pair.receiver))
    (home / "trust" / "sender.pem").write_bytes(pair.read(pair.sender))
    service = {"value": message.service.value, "type": message.service.type}
    agreed = {
        "partner": message.from_.id.value,
        "certificate": "sender",
        "service": {key: value for key, value in service.items() if value},
        "actions": [message.action],
        **({"agreement": message.agreement.value} if message.agreement else {}),
    }
    (home / "pmodes" / "sender.toml").write_text(to_toml(agreed))
    (home / "ehmi-ap.toml").write_text(
        f'domain = "receiver.example"\nparty = {{ id = "{message.to.id.value}", type = "{message.to.id.type}" }}\n'
        '[as4]\nhost = "127.0.0.1"\nport = 0\npublic_url = "http://127.0.0.1/as4"\ninsecure_http = true\n'
        '[internal]\nport = 0\n[keys.signing]\nfile = "keys/ap.pem"\n'
    )
    return Config.load(home / "ehmi-ap.toml")


@asynccontextmanager
async def receiver_of(name: str, home: Path) -> AsyncIterator[tuple[Post, Keeping]]:
    """The daemon that a recorded request was meant for: how to post to it, and the backend behind it."""
    backend = Keeping()
    config = write_receiver(home, header_of(name).user[0].message, pair_of(name))
    async with AccessPoint(config, backends={"c4": backend}) as ap, listening(ap) as addresses:

        async def post(request: bytes) -> Answer:
            connection = Connection(*await asyncio.open_connection("127.0.0.1", urlsplit(addresses.as4).port))
            await connection.send(request)
            answer = await connection.answer()
            connection.writer.close()
            return answer

        yield post, backend


def as_posted_here(name: str) -> bytes:
    """The recorded request with our path in its first line, and nothing else changed."""
    first, rest = (DATA / name).read_bytes().split(b"\r\n", 1)
    method, _, version = first.split(b" ")
    return b"%s /as4 %s\r\n%s" % (method, version, rest)


@pytest.fixture
def _recorded_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_point, "_now", lambda: AT)


def payloads_of(message: UserMessage) -> tuple[tuple[int, str], ...]:
    contents = [read_all(payload.body) for payload in message.payloads]
    return tuple((len(data), hashlib.sha256(data).hexdigest()) for data in contents)


@pytest.mark.usefixtures("_recorded_clock")
@pytest.mark.parametrize("name", MESSAGES)
async def test_a_recorded_request_is_received_once_and_answered_twice(name: str, tmp_path: Path) -> None:
    """The receipt names what the sender signed, by the independent checker; a duplicate gets the very same one."""
    wire, pair, expected = wire_of(name), pair_of(name), LIVE[name]
    async with receiver_of(name, tmp_path) as (post, backend):
        answer = await post(as_posted_here(name))
        again = await post(as_posted_here(name))
        if not expected.test_service:
            await eventually(lambda: bool(backend.messages))
    request = independent.check(read_all(wire.body), wire.content_type, [pair.key_pem], pair.certificates)
    receipt = independent.check(answer.body, answer.headers["content-type"], (), pair.certificates)
    assert (answer.status, receipt.signed, receipt.receipt) == (200, True, request.references)
    assert (again.status, again.body) == (answer.status, answer.body)
    assert [payloads_of(message) for message in backend.messages] == (
        [] if expected.test_service else [expected.payloads]
    )


@pytest.mark.usefixtures("_recorded_clock")
async def test_a_recorded_pull_request_is_answered_0008(tmp_path: Path) -> None:
    async with receiver_of("holodeck/ski.request", tmp_path) as (post, _):
        answer = await post(as_posted_here(PULL))
    facts = independent.check(answer.body, answer.headers["content-type"])
    assert (answer.status, facts.errors) == (200, ["EBMS:0008"])


@pytest.mark.parametrize("name", [*RECEIPTS, *ERRORS])
async def test_a_recorded_response_is_read_from_the_wire(name: str) -> None:
    """Status line with and without a reason, chunks, gzip that nobody offered: what comes out is what was sent."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"<a/>")
        writer.write((DATA / name).read_bytes())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    async with server, PeerWeb(_no_tls, allow_http=True) as web:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/as4"
        question = Wire(content_type="application/soap+xml", body=MemoryBody(b"<a/>"))
        answer = await web.post(url, question, timeout=10.0, tls_trust=None)
    assert answer == wire_of(name)


def _no_tls(_: str | None) -> ssl.SSLContext:
    raise AssertionError("no TLS here")
