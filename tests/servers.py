"""HTTP servers on the loopback that answer as a test wants, with and without TLS, and their certificates."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from tests import pki

Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Speaker = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


@asynccontextmanager
async def peer(answerer: Answerer, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[str]:
    """A peer's URL."""
    server = web.Server(answerer)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"{'https' if context else 'http'}://localhost:{port}/as4"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_peer(speak: Speaker) -> AsyncIterator[str]:
    """A peer that says what it likes."""
    async with streams(speak) as address:
        yield f"http://{address[0]}:{address[1]}/as4"


@asynccontextmanager
async def streams(speak: Speaker, port: int = 0) -> AsyncIterator[tuple[str, int]]:
    """A TCP server's address; its conversations end with it."""
    conversations: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations[asyncio.ensure_future(speak(reader, writer))] = writer

    server = await asyncio.start_server(begin, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()
        for conversation, writer in conversations.items():
            conversation.cancel()
            writer.transport.abort()
        await asyncio.gather(*conversations, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes what was aborted


@asynccontextmanager
async def alerting_peer(context: ssl.SSLContext) -> AsyncIterator[str]:
    """A peer on blocking sockets: when the handshake fails, it sends its alert and waits until the other side left."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(30)  # nobody may come, where a test fails before

    def serve() -> None:
        connection, _ = listening.accept()
        connection.settimeout(None)
        with connection, suppress(ssl.SSLError, OSError):
            try:
                context.wrap_socket(connection, server_side=True).recv(1)
            finally:
                connection.settimeout(1)
                while connection.recv(65536):
                    pass

    serving = asyncio.ensure_future(asyncio.to_thread(serve))
    try:
        yield f"https://localhost:{listening.getsockname()[1]}/as4"
    finally:
        await serving
        listening.close()


class TlsFiles:
    """Certificates of a server `localhost`, a client, and their CA, as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = pki.make_ca("TLS root")
        self.server = self._write("server", pki.make_leaf(self.ca, "localhost", key="a", san=["localhost"]))
        self.elsewhere = self._write("elsewhere", pki.make_leaf(self.ca, "other", key="b", san=["other.example"]))
        self.client = self._write("client", pki.make_leaf(self.ca, "client", key="c"))
        self.other_client = self._write("other", pki.make_leaf(self.ca, "other client", key="b"))
        self.stranger = self._write("stranger", pki.make_leaf(pki.make_ca("Other", key="d"), "stranger", key="c"))
        self.client_ca = folder / "ca.pem"
        self.client_ca.write_bytes(self.ca.pem)

    def _write(self, name: str, identity: pki.Identity) -> Path:
        path = self.folder / f"{name}.pem"
        path.write_bytes(identity.key_pem + identity.chain_pem)
        return path
