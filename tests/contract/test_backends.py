"""What every backend has to hold, each one that is registered: taken once returned, told again, never half.

A kind that is registered without an `End` here fails the suite.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from ehmi_ap.backends import build, kinds
from ehmi_ap.backends.memory import MemoryBackend
from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import BackendError, ConfigError
from ehmi_ap.model import (
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Party,
    PartyId,
    Payload,
    Property,
    Service,
    UserMessage,
)
from ehmi_ap.ports import Backend

Taken = tuple[str, tuple[bytes, ...]]
"""A message as C4 has it: its MessageId and its payloads."""


class End(ABC):
    """C4's and C1's end of a backend: what has arrived there."""

    exactly_once = True

    @abstractmethod
    def start(self) -> Backend:
        """The backend, as after a restart: nothing of an earlier one is remembered but what it made durable."""

    @abstractmethod
    def take(self) -> list[Taken]:
        """C4 takes everything there is."""

    @abstractmethod
    def events(self) -> list[dict[str, Any]]:
        """C1 takes all events there are."""


class DirectoryEnd(End):
    def __init__(self, home: Path) -> None:
        self.home = home

    def start(self) -> Backend:
        return build("x", "directory", {"path": "exchange"}, home=self.home, domain="test.example")

    def take(self) -> list[Taken]:
        taken = []
        for folder in sorted((self.home / "exchange" / "inbox").iterdir()):
            if not folder.name.startswith("."):
                told = json.loads((folder / "message.json").read_text())
                payloads = tuple((folder / part["file"]).read_bytes() for part in told["payloads"])
                taken.append((told["message_id"], payloads))
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
        return taken

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted((self.home / "exchange" / "events").iterdir())]


class WebhookEnd(End):
    """A server that does as asked: it takes a key once, and answers a repeat as it answered before."""

    def __init__(self, home: Path, server: TestServer) -> None:
        self.home = home
        self.server = server
        self.kept: dict[str, tuple[str, bytes, str]] = {}
        self.out: set[str] = set()

    def start(self) -> Backend:
        url = str(self.server.make_url("/hook"))
        return build("x", "webhook", {"url": url}, home=self.home, domain="test.example")

    async def post(self, request: web.Request) -> web.Response:
        content = await request.read()
        assert request.content_length == len(content)
        self.kept.setdefault(
            request.headers["Idempotency-Key"],
            (request.headers["Content-Type"], content, request.headers["Ehmi-Ap-Kind"]),
        )
        return web.Response(status=201)

    def take(self) -> list[Taken]:
        fresh = {key: kept for key, kept in self.kept.items() if kept[2] == "message" and key not in self.out}
        self.out |= fresh.keys()
        return [self._read(content_type, content) for content_type, content, _ in fresh.values()]

    def _read(self, content_type: str, content: bytes) -> Taken:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        metadata, *payloads = cast(list[Message], BytesParser(policy=HTTP).parsebytes(head + content).get_payload())
        told = json.loads(cast(bytes, metadata.get_payload(decode=True)))
        return told["message_id"], tuple(cast(bytes, part.get_payload(decode=True)) for part in payloads)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(content) for _, content, kind in self.kept.values() if kind == "event"]


class MemoryEnd(End):
    """A host program with a table of what it has."""

    def __init__(self) -> None:
        self.kept: dict[tuple[PartyId, str], UserMessage] = {}
        self.out: set[tuple[PartyId, str]] = set()
        self.told: list[dict[str, Any]] = []

    def start(self) -> Backend:
        return MemoryBackend(on_message=self._message, on_event=self._event)

    async def _message(self, message: UserMessage) -> None:
        self.kept.setdefault((message.from_.id, message.message_id), message)

    async def _event(self, event: DeliveryEvent) -> None:
        self.told.append({"seq": event.seq, "kind": event.kind.value})

    def take(self) -> list[Taken]:
        fresh = {key: message for key, message in self.kept.items() if key not in self.out}
        self.out |= fresh.keys()
        return [
            (message.message_id, tuple(b"".join(p.body.chunks()) for p in message.payloads))
            for message in fresh.values()
        ]

    def events(self) -> list[dict[str, Any]]:
        return self.told


@asynccontextmanager
async def directory_end(home: Path) -> AsyncIterator[End]:
    yield DirectoryEnd(home)


@asynccontextmanager
async def webhook_end(home: Path) -> AsyncIterator[End]:
    app = web.Application()
    server = TestServer(app)
    end = WebhookEnd(home, server)
    app.router.add_post("/hook", end.post)
    async with server:
        yield end


@asynccontextmanager
async def memory_end(home: Path) -> AsyncIterator[End]:
    yield MemoryEnd()


ENDS: dict[str, Callable[[Path], AbstractAsyncContextManager[End]]] = {
    "directory": directory_end,
    "memory": memory_end,
    "webhook": webhook_end,
}
FETCHED = {"rest"}


@pytest.fixture(params=sorted(set(kinds()) - FETCHED))
async def end(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[End]:
    async with ENDS[request.param](tmp_path) as made:
        yield made


def message(
    number: int = 1, *, sender: str = "partner-ap", payloads: tuple[bytes, ...] = (b"<a/>", b"\x00\xff")
) -> UserMessage:
    return UserMessage(
        message_id=MessageId(f"{number}/../odd id?@test.example"),
        timestamp=datetime(2026, 11, 23, tzinfo=UTC),
        from_=Party(PartyId(sender, "urn:type"), "initiator"),
        to=Party(PartyId("our-ap"), "responder"),
        service=Service("urn:service"),
        action="urn:action",
        conversation_id="c",
        payloads=tuple(
            Payload(body=MemoryBody(data), mime_type="application/xml", content_id=f"{n}@test.example")
            for n, data in enumerate(payloads)
        ),
        properties=(Property("originalSender", "0088:1", "iso6523-actorid-upis"),),
    )


def event(seq: int) -> DeliveryEvent:
    return DeliveryEvent(
        kind=EventKind.SENT,
        message_id=MessageId("1@test.example"),
        direction=Direction.OUTBOUND,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        seq=seq,
    )


async def test_what_was_delivered_is_there(end: End) -> None:
    await end.start().deliver(message())
    assert end.take() == [(message().message_id, (b"<a/>", b"\x00\xff"))]


async def test_no_payload_and_an_empty_one(end: End) -> None:
    backend = end.start()
    await backend.deliver(message(1, payloads=()))
    await backend.deliver(message(2, payloads=(b"",)))
    assert sorted(payloads for _, payloads in end.take()) == [(), (b"",)]


async def test_a_crash_between_delivery_and_settling(end: End) -> None:
    """deliver() is called again by the next process, before and after C4 took the message: C4 has it once."""
    await end.start().deliver(message())
    await end.start().deliver(message())
    assert len(end.take()) == 1
    await end.start().deliver(message())
    assert end.take() == []


async def test_two_partners_with_one_message_id(end: End) -> None:
    backend = end.start()
    await backend.deliver(message(sender="a", payloads=(b"from a",)))
    await backend.deliver(message(sender="b", payloads=(b"from b",)))
    assert sorted(payloads for _, payloads in end.take()) == [(b"from a",), (b"from b",)]


async def test_events_are_told(end: End) -> None:
    backend = end.start()
    await backend.notify(event(1))
    await backend.notify(event(2))
    assert [(told["seq"], told["kind"]) for told in end.events()] == [(1, "msg-sent"), (2, "msg-sent")]


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_unknown_options_are_a_mistake(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        build("x", kind, {"unknown-option": 1}, home=tmp_path, domain="test.example")
    assert all(text.startswith("ehmi-ap.toml: [backends.x]") for text in refused.value.findings)
    assert "unknown-option" in str(refused.value)


def test_unknown_kind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="use one of directory, memory, rest, webhook"):
        build("x", "carrier-pigeon", {}, home=tmp_path, domain="test.example")


@pytest.mark.parametrize("kind", sorted(FETCHED))
async def test_what_is_fetched_is_not_delivered(kind: str, tmp_path: Path) -> None:
    backend = build("x", kind, {}, home=tmp_path, domain="test.example")
    assert backend.fetches
    with pytest.raises(BackendError):
        await backend.deliver(message())
