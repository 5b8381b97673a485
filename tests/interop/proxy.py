"""A relay between two access points that passes every byte on, keeps it, and makes the weather.

    proxy = Proxy(); await proxy.start(); proxy.target = ("127.0.0.1", 8080)
    proxy.forecast(Weather(answer=dropped), Weather(hold=True))     # for the next requests; afterwards the sun shines
    proxy.exchanges[-1].request.body

What is not changed travels exactly as it was framed.
"""

import asyncio
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.interop.http1 import Http, read_body, read_head


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What happens to one request and its answer.

    `request` changes what goes on, `answer` (given the request as it came) what comes back; `instead` is answered
    without asking. `cut_request` resets the sender's connection after so many bytes of the body, of which nothing goes
    on; `cut_answer` after so many bytes of the answer. `hold` keeps the answer back until the sender hangs up. `again`
    sends the request a second time, after the first or beside it, and gives the first answer. `drip` passes on so many
    bytes at a time.
    """

    request: Callable[[Http], Http] | None = None
    answer: Callable[[Http, Http], Http] | None = None
    instead: Http | None = None
    cut_request: int | None = None
    cut_answer: int | None = None
    hold: bool = False
    again: Literal["after", "beside"] | None = None
    drip: int | None = None


SUNSHINE = Weather()
LOSE_ANSWER = Weather(cut_answer=0)
"""The peer has the request, and its answer is lost on the way back."""


@dataclass(slots=True)
class Exchange:
    """A request as it came and as it went on, the peer's answers, and the answer that was given; None: there was none."""

    request: Http
    sent: Http | None = None
    answers: list[Http] = field(default_factory=list)
    given: Http | None = None

    @property
    def answer(self) -> Http:
        """What the peer answered."""
        assert self.answers, "the peer did not answer"
        return self.answers[0]


class Proxy:
    """A listener on the loopback; with `server_tls` it ends TLS, with `client_tls` it begins TLS to the target."""

    def __init__(self, *, server_tls: ssl.SSLContext | None = None, client_tls: ssl.SSLContext | None = None) -> None:
        self.exchanges: list[Exchange] = []
        self.target: tuple[str, int] = ("127.0.0.1", 0)
        self._server_tls, self._client_tls = server_tls, client_tls
        self._weather: deque[Weather] = deque()
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._server_tls, limit=1 << 20)

    async def stop(self) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where access points are told to post to."""
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._server_tls else 'http'}://127.0.0.1:{port}/as4"

    def forecast(self, *weather: Weather) -> None:
        """What the next requests meet, one each."""
        self._weather.extend(weather)

    def clear(self) -> None:
        """Forget what was and what was to come."""
        self.exchanges.clear()
        self._weather.clear()

    def of(self, message_id: str) -> list[Exchange]:
        """Every request that names a message, in order. A MessageId is never encrypted."""
        return [each for each in self.exchanges if message_id.encode() in each.request.body]

    def dump(self, folder: Path) -> None:
        """Write every exchange into files that `ehmi-ap inspect` reads."""
        for number, each in enumerate(self.exchanges, 1):
            shown = {"request": each.request, "sent": each.sent, "given": each.given}
            shown |= {f"answer-{n}": one for n, one in enumerate(each.answers, 1)}
            for name, http in shown.items():
                if http is not None and (name in ("request", "answer-1") or http not in (each.request, *each.answers)):
                    (folder / f"{number:03}-{name}.http").write_bytes(http.head + http.framed)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                while await self._one(reader, writer):
                    pass
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Relay one request of a connection. False: the connection has ended."""
        head = await read_head(reader)
        if head is None:
            return False
        weather = self._weather.popleft() if self._weather else SUNSHINE
        if weather.cut_request is not None:
            await reader.readexactly(weather.cut_request)
            self.exchanges.append(Exchange(Http(head, b"", b"")))
            _reset(writer)
            return False
        request = await read_body(reader, head, request=True)
        exchange = Exchange(request)
        self.exchanges.append(exchange)
        given = weather.instead or await self._asked(exchange, weather)
        if weather.hold:
            await reader.read(1)
            return False
        exchange.given = given
        if weather.cut_answer is not None:
            writer.write((given.head + given.framed)[: weather.cut_answer])
            await writer.drain()
            _reset(writer)
            return False
        await _write(writer, given, weather)
        return "close" not in (request.headers.get("connection", ""), given.headers.get("connection", ""))

    async def _asked(self, exchange: Exchange, weather: Weather) -> Http:
        """What the target answers, and what becomes of it."""
        exchange.sent = weather.request(exchange.request) if weather.request else exchange.request
        if weather.again == "beside":
            exchange.answers = list(await asyncio.gather(*(self._forward(exchange.sent, weather) for _ in range(2))))
        else:
            for _ in range(2 if weather.again else 1):
                exchange.answers.append(await self._forward(exchange.sent, weather))
        return weather.answer(exchange.request, exchange.answer) if weather.answer else exchange.answer

    async def _forward(self, request: Http, weather: Weather) -> Http:
        reader, writer = await asyncio.open_connection(
            *self.target, ssl=self._client_tls, server_hostname="127.0.0.1" if self._client_tls else None, limit=1 << 20
        )
        try:
            # Whoever refuses early stops reading, and answers all the same.
            with suppress(ConnectionError):
                await _write(writer, request, weather)
            head = await read_head(reader)
            if head is None:
                raise ConnectionResetError("the target closed the connection without an answer")
            return await read_body(reader, head, request=False)
        finally:
            writer.transport.abort()


async def _write(writer: asyncio.StreamWriter, http: Http, weather: Weather) -> None:
    data = http.head + http.framed
    step = weather.drip or len(data)
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
        await writer.drain()
        await asyncio.sleep(0)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with RST, as a machine that is gone."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
