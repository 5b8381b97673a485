"""The two listeners on their ports, and the life of a daemon.

Ports are opened when the access point is ready, and closed before it stops: requests under way end first, so that
no peer is left without an answer.
"""

import asyncio
import gc
import ipaddress
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from aiohttp import web

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.config import As4Listener, Config, InternalListener
from ehmi_ap.errors import ConfigError
from ehmi_ap.net.tls import server_context
from ehmi_ap.server.as4 import as4_application
from ehmi_ap.server.internal import internal_application
from ehmi_ap.server.protocol import FaceProtocol

log = logging.getLogger(__name__)

GRACE = 30.0
"""Seconds that requests under way have to end when we stop."""
AFTER_GRACE = 1.0
"""Seconds that those have to clean up which have not ended by then."""
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the two listeners really listen (port 0 in the configuration lets the system choose)."""

    as4: str  # e.g. https://127.0.0.1:8443/as4
    internal: str  # e.g. http://127.0.0.1:8080


@asynccontextmanager
async def listening(ap: AccessPoint) -> AsyncIterator[Addresses]:
    """Both listeners of a started access point, open while the block runs; requests under way end first.

    Raises ConfigError when a port cannot be opened, or when TLS files or tokens cannot be read.
    """
    config = ap.config
    if config.as4.port and (config.as4.host, config.as4.port) == (config.internal.host, config.internal.port):
        raise ConfigError(["[internal] port: is that of [as4]; the two faces never share a port"])
    async with AsyncExitStack() as stack:
        internal = await stack.enter_async_context(_listener(internal_application(ap), config.internal, "internal"))
        as4 = await stack.enter_async_context(_listener(as4_application(ap), config.as4, "as4"))
        yield Addresses(as4=as4 + config.as4.path, internal=internal)


async def serve(config: Config, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """Run an access point with both listeners until SIGTERM or SIGINT; `ready` is called once both listen.

    Raises ConfigError, StoreError.
    """
    stop = asyncio.Event()
    with _stopping(stop):
        async with AccessPoint(config) as ap, listening(ap) as addresses:
            if ready is not None:
                ready(addresses)
            log.info("ready", extra={"as4": addresses.as4, "internal": addresses.internal})
            await stop.wait()
            log.info("stopping")
    log.info("stopped")


def run(config: Config, *, ready: Callable[[Addresses], None] | None = None) -> None:
    """serve(), on uvloop where that is installed."""
    spare_the_collector()
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(serve(config, ready=ready))


def spare_the_collector() -> None:
    """Look for garbage less often, and never among what start-up made: 4 % of the CPU of a message (tests/bench).

    A matter of the whole process: for a daemon, not for a library in somebody else's.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # an extra, and not to be had on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@asynccontextmanager
async def _listener(
    application: web.Application, settings: As4Listener | InternalListener, table: str
) -> AsyncIterator[str]:
    """One application on its port; gives scheme, host and port as a URL."""
    context = _tls(settings, table)
    runner = web.AppRunner(application, shutdown_timeout=AFTER_GRACE, access_log=None)
    await runner.setup()
    try:
        loop, server = asyncio.get_running_loop(), runner.server
        assert server is not None  # set up above
        try:
            listener = await loop.create_server(
                lambda: FaceProtocol(server, loop=loop), settings.host, settings.port, ssl=context, backlog=1024
            )
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError([f"[{table}] port: {settings.host}:{settings.port} cannot be opened: {reason}"]) from None
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield f"{'https' if context else 'http'}://{host}:{listener.sockets[0].getsockname()[1]}"
        finally:
            listener.close()
            await application.shutdown()  # ends what waits for news
            await _drained(server)
    finally:
        await runner.cleanup()


async def _drained(server: web.Server) -> None:
    """Returns when every request under way is answered, or after GRACE.

    aiohttp's own shutdown stops reading at once, so that an upload under way could never end.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            while busy := [c for c in server.connections if isinstance(c, FaceProtocol) and c.is_busy()]:
                for connection in set(server.connections) - set(busy):
                    connection.force_close()
                await asyncio.sleep(_LOOK)


def _tls(settings: As4Listener | InternalListener, table: str) -> ssl.SSLContext | None:
    """The TLS of a listener; None for the plain HTTP that the configuration asks for by name (or on loopback)."""
    tls = settings.tls
    if tls is None:
        internal = isinstance(settings, InternalListener) and _is_loopback(settings.host)
        if not settings.insecure_http and not internal:
            raise ConfigError([f"[{table}.tls] certificate: is missing; add it, or write `insecure_http = true`"])
        return None
    if tls.certificate is None:
        raise ConfigError([f"[{table}.tls] certificate: is missing; name the PEM file"])
    return server_context(
        certificate=tls.certificate,
        key=tls.key,
        password=tls.key_password.read() if tls.key_password else None,
        client_ca=tls.client_ca,
        versions=tls.versions,
        ciphers=tls.ciphers,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _stopping(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop` while the block runs (where this thread may listen for signals)."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
