"""A real access point behind real listeners on the loopback, and HTTP written by hand to talk to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import Config, HttpLimits
from ehmi_ap.model import DeliveryEvent, UserMessage
from ehmi_ap.ports import Submit
from ehmi_ap.server import Addresses, listening
from tests.pair import write_pair

SMALL = HttpLimits(message_bytes=200_000, idle_timeout=0.4, total_timeout=1.5, requests=3)
"""Budgets that a test can exhaust."""

WITHIN = 10.0
"""Seconds after which a test that waits for an answer fails."""


class Fetching:
    """A backend whose C4 fetches."""

    fetches = True

    async def deliver(self, message: UserMessage) -> None:
        raise AssertionError("C4 fetches")

    async def notify(self, event: DeliveryEvent) -> None:
        """C1 asks for its events."""

    async def run(self, submit: Submit) -> None:
        """C1 submits over REST."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Connection:
    """A client that writes its HTTP by hand."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
        await self.writer.drain()

    async def answer(self, *, with_body: bool = True) -> Answer:
        """The next answer; interim ones are only noted. That to HEAD has no body, whatever its length says."""
        interim: list[int] = []
        while True:
            async with asyncio.timeout(WITHIN):
                head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.rstrip().split("\r\n")
            status = int(first.split()[1])
            if status >= 200:
                break
            interim.append(status)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        async with asyncio.timeout(WITHIN):
            body = await self.reader.readexactly(int(headers.get("content-length", "0")) if with_body else 0)
        return Answer(status, headers, body, tuple(interim))

    async def ended(self) -> bytes:
        """What still comes until the server closes."""
        async with asyncio.timeout(WITHIN):
            return await self.reader.read()


@dataclass
class Face:
    """A running access point, where it listens, and where it keeps its files."""

    ap: AccessPoint
    addresses: Addresses
    connections: list[Connection] = field(default_factory=list)

    @property
    def port(self) -> int:
        port = urlsplit(self.addresses.as4).port
        assert port
        return port

    async def connect(self) -> Connection:
        connection = Connection(*await asyncio.open_connection("127.0.0.1", self.port))
        self.connections.append(connection)
        return connection

    async def ask(self, *pieces: bytes) -> Answer:
        """One request on a connection of its own."""
        connection = await self.connect()
        await connection.send(*pieces)
        return await connection.answer(with_body=not pieces[0].startswith(b"HEAD "))

    @property
    def spools(self) -> list[Path]:
        return list((self.ap.config.store / "payloads" / "spool").iterdir())


@asynccontextmanager
async def face(folder: Path, change: Callable[[Config], Config] = lambda config: config) -> AsyncIterator[Face]:
    """`beta` of a pair, with one backend that fetches, listening."""
    _, beta = write_pair(folder)
    config = Config.load(beta.config)
    config = replace(config, backends={}, default_backend=None, web=replace(config.web, insecure_http=True))
    config = change(replace(config, as4=replace(config.as4, port=0), internal=replace(config.internal, port=0)))
    async with AccessPoint(config, backends={"c4": Fetching()}) as ap, listening(ap) as addresses:
        running = Face(ap, addresses)
        yield running
        for connection in running.connections:
            connection.writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small_face(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Face]:
    """A listener with small budgets, one for all tests of a module that leave it as it was."""
    async with face(tmp_path_factory.mktemp("face"), lambda config: replace(config, limits=SMALL)) as running:
        yield running


async def eventually(true: Callable[[], bool]) -> None:
    """Returns as soon as it is true; fails when it does not become so."""
    async with asyncio.timeout(WITHIN):
        while not true():
            await asyncio.sleep(0.005)
